"""Which attributes of the workplace's messages hold people: names, numbers and credentials."""

CREDENTIALS = frozenset({"login", "password"})
"""Attributes of ``request`` in ``login``."""
NAMES = frozenset({"display_name", "remote_display_name", "display_name_a", "display_name_b"})
NUMBERS = frozenset({"digits", "remote_digits", "number", "from_number", "to_number"})
ADDRESSES = frozenset({"call_record"})
"""They play a talk to whoever has them; so do the texts of ``url``."""
