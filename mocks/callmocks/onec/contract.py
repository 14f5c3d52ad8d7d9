"""The served operations as ``schemas/onec/operations.toml`` states them, and all real names."""

import tomllib
from functools import cache, lru_cache

import msgspec

from callmocks.contract.assumptions import load_ledger
from callmocks.contract.cached_property import cached_property
from callmocks.contract.column_list import ListedColumn, fits_notation, format_column, parse_columns
from callmocks.contract.findings import Evidence
from callmocks.contract.resources import schema_path
from callmocks.onec.encoder import write_columns
from callmocks.onec.namespaces import CORE, XS
from callmocks.onec.values import Column, Number, Text, TypeDescription

HISTORY_OPERATION = "GetHistoryOfServiceCalls"
_UUID_LENGTH = 36


class HourlyLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    day: int
    night: int
    evidence: str


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    type: str  # ``dateTime``, ``uuid`` or ``decimal`` (of some ``values``)
    evidence: Evidence
    values: tuple[int, ...] = ()


class ColumnSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``field`` is the one of the directory that a column of a read shows."""

    name: str
    types: tuple[str, ...]
    length: int | None = None
    allowed: str = "Variable"
    digits: int = 0
    fraction: int = 0
    sign: str | None = None
    date: str | None = None
    uuid: bool = False
    values: tuple[int, ...] = ()
    field: str = ""

    @property
    def nullable(self) -> bool:
        """An absent value is nil; otherwise it is the type's empty value."""
        return "Null" in self.types

    @property
    def kind(self) -> str:
        """``string``, ``decimal``, ``dateTime`` or ``boolean``."""
        return self.types[0].removeprefix("xs:")

    def to_column(self) -> Column:
        types = tuple(map(_qualify_name, self.types))
        number = None if self.sign is None else Number(self.digits, self.fraction, self.sign)
        string = None if self.length is None else Text(self.length, self.allowed)
        description = TypeDescription(types, number=number, string=string, date=self.date)
        return Column(self.name, description)


class TableColumns(msgspec.Struct, frozen=True, dict=True):
    """``assumption`` is the one whose choice they are, if any."""

    specs: tuple[ColumnSpec, ...]
    evidence: Evidence = "documented"
    assumption: str | None = None

    @cached_property
    def xml(self) -> str:
        return write_columns([spec.to_column() for spec in self.specs])


class ServedOperation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The columns are ``column``, or the choice of the assumption ``columns_choice``."""

    name: str
    purpose: str
    limits: HourlyLimits
    evidence: str
    parameter: tuple[Parameter, ...]
    column: tuple[ColumnSpec, ...] = ()
    columns_choice: str = ""
    recorded: bool = False

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameter}

    @cached_property
    def columns(self) -> TableColumns:
        """Those that the document or the ledger tells."""
        if not self.columns_choice:
            return TableColumns(self.column)
        return self.list_columns(load_ledger()[self.columns_choice].default)

    def list_columns(self, choice: str) -> TableColumns:
        return _list_columns(self.columns_choice, choice, self.recorded)


@lru_cache(maxsize=256)
def _list_columns(assumption: str, choice: str, recorded: bool) -> TableColumns:
    entry = load_ledger()[assumption]
    listed = parse_columns(choice, entry.fields)
    specs = tuple(_make_spec(column, entry.fields.get(column.field)) for column in listed)
    observed = recorded and choice == entry.default
    return TableColumns(specs, "observed" if observed else "assumed", assumption)


def _make_spec(column: ListedColumn, field_type: str | None) -> ColumnSpec:
    name, field, kind, qualifiers, nullable = column
    types = (f"xs:{kind}", "Null") if nullable else (f"xs:{kind}",)
    if kind == "string":
        length, allowed = int(qualifiers[0]), qualifiers[1]
        uuid = field_type == "uuid" and (not length or length >= _UUID_LENGTH)
        return ColumnSpec(name, types, length, allowed, uuid=uuid, field=field)
    if kind == "decimal":
        digits, fraction, sign = qualifiers
        numbers = int(digits), int(fraction)
        return ColumnSpec(name, types, None, "Variable", *numbers, sign=sign, field=field)
    return ColumnSpec(name, types, date="".join(qualifiers) or None, field=field)


def describe_column(column: Column) -> str:
    """As a list of columns writes it; a type that it cannot is told by its names."""
    name, described = column.name or "", column.type
    if described is None:
        return name
    kinds = [kind.rpartition("}")[2] for kind in described.types]
    number, string = described.number, described.string
    qualifiers: tuple[str, ...] = () if described.date is None else (described.date,)
    if number is not None:
        qualifiers = (str(number.digits), str(number.fraction), number.sign)
    elif string is not None:
        qualifiers = (str(string.length), string.allowed)
    nullable = kinds[1:] == ["Null"]
    if kinds[:1] and len(kinds) == 1 + nullable and fits_notation(kinds[0], qualifiers):
        return format_column(name, kinds[0], qualifiers, nullable)
    return f"{name} {'|'.join(kinds)}({' '.join(qualifiers)})"


@cache
def load_operations() -> dict[str, ServedOperation]:
    raw = tomllib.loads(schema_path("onec/operations.toml").read_text(encoding="utf-8"))
    entries = msgspec.convert(raw["operation"], list[ServedOperation])
    return {operation.name: operation for operation in entries}


@cache
def load_operation_names() -> frozenset[str]:
    return frozenset(schema_path("onec/operations.txt").read_text(encoding="utf-8").split())


def _qualify_name(name: str) -> str:
    local = name.removeprefix("xs:")
    return f"{{{CORE}}}{name}" if local == name else f"{{{XS}}}{local}"
