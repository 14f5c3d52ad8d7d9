"""The field tables of the methods, as the vendor's documents print them."""

from functools import cache

import msgspec

from callmocks.contract.resources import load_table


class Field(msgspec.Struct, frozen=True):
    name: str
    type: str  # number, string, boolean, enum, iso8601 or array
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
    "get.customer_users": ("customer_users_fields.csv",),
    "get.account": ("account_fields.csv",),
}


@cache
def load_fields(method: str) -> FieldTable:
    return FieldTable(*SOURCES[method])
