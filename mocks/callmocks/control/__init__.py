"""The admin API, metrics and dashboard of a running suite."""
