"""Columns of the reads that hold personal values."""

NAMES = frozenset({"Name", "FullName", "Surname", "SecondaryName", "EMail", "Address", "Post"})
NUMBERS = frozenset({"Phone", "INN", "TaxPayerIdentificator", "KPP", "Login"})
DATES = frozenset({"Birthday"})
PERSONAL = NAMES | NUMBERS | DATES
# Their ``Name`` is that of a department or a line.
IMPERSONAL = frozenset({"DepartmentRead", "ServiceLineKindRead"})
