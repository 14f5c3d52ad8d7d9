"""The field tables of the methods, as the vendor's documents print them."""

from functools import cache

import msgspec

from callmocks.contract.resources import load_table


class Field(msgspec.Struct, frozen=True):
    name: str
    type: str  # number, string, boolean, enum, iso8601, array or object
    filterable: bool
    sortable: bool
    default: bool


class FieldTable:
    def __init__(self, *sources: str) -> None:
        rows = [row for source in sources for row in load_table(f"cdr/{source}")]
        flags = ("filterable", "sortable", "default")
        self.fields = {
            row["field"]: Field(row["field"], row["type"], *(row[flag] == "yes" for flag in flags))
            for row in rows
        }
        self.default = tuple(name for name, field in self.fields.items() if field.default)


SOURCES = {
    "get.call_legs_report": ("call_legs_report_fields.csv",),
    # Working clients name every documented field: those of a visitor are always null or empty.
    "get.calls_report": ("calls_report_fields.csv", "calls_report_visitor_fields.csv"),
    "get.employees": ("employees_fields.csv",),
    "get.group_employees": ("group_employees_fields.csv",),
    "get.virtual_numbers": ("virtual_numbers_fields.csv",),
    "get.scenarios": ("scenarios_fields.csv",),
    "get.customer_users": ("customer_users_fields.csv",),
    "get.account": ("account_fields.csv",),
}


@cache
def load_fields(method: str) -> FieldTable:
    return FieldTable(*SOURCES[method])


@cache
def load_elements(method: str) -> dict[str, dict[str, str]]:
    """Types of the fields of an array's or object's elements; that of ``""`` is a plain one's."""
    found: dict[str, dict[str, str]] = {}
    for row in load_table("cdr/element_fields.csv"):
        if row["method"] == method:
            found.setdefault(row["parent"], {})[row["field"]] = row["type"]
    return found
