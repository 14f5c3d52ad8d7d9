"""Faults of the ARM's frames and XML."""
