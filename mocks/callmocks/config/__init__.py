"""Settings of the process: their values, files, variables and error texts."""
