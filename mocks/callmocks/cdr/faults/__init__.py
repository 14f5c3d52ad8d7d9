"""Faults of the Data API's JSON-RPC."""
