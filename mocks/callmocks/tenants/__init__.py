"""Everything a tenant owns: credentials, clock, faults, limits, journal, pinned calls."""
