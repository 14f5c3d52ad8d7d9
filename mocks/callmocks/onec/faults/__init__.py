"""Faults of the SOAP service's envelopes and ValueTables."""
