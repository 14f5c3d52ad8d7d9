"""Which values of the 1C-Connect service hold people: columns of its reads."""

NAMES = frozenset({"Name", "FullName", "Surname", "SecondaryName", "EMail", "Address", "Post"})
NUMBERS = frozenset({"Phone", "INN", "KPP", "Login"})
DATES = frozenset({"Birthday"})
PERSONAL = NAMES | NUMBERS | DATES
IMPERSONAL = frozenset({"DepartmentRead", "ServiceLineKindRead"})
"""Operations whose ``Name`` is that of a department or a line."""
