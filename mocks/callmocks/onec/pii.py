"""Columns of the reads that hold personal values."""

NAMES = frozenset({"Name", "FullName", "Surname", "SecondaryName", "EMail", "Address", "Post"})
NUMBERS = frozenset({"Phone", "INN", "KPP", "Login"})
DATES = frozenset({"Birthday"})
PERSONAL = NAMES | NUMBERS | DATES
IMPERSONAL = frozenset({"DepartmentRead", "ServiceLineKindRead"})
"""Operations whose ``Name`` is that of a department or a line."""
