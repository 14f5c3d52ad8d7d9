"""The served operations as ``schemas/onec/operations.toml`` states them, and all real names."""

import tomllib
from functools import cache, cached_property

import msgspec

from callmocks.contract.resources import schema_path
from callmocks.onec.encoder import write_columns
from callmocks.onec.namespaces import CORE, XS
from callmocks.onec.values import Column, Number, Text, TypeDescription

HISTORY_OPERATION = "GetHistoryOfServiceCalls"


class HourlyLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    day: int
    night: int
    evidence: str


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    type: str  # ``dateTime``, ``uuid`` or ``decimal``
    evidence: str
    values: tuple[int, ...] = ()


class ColumnSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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


class ServedOperation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    name: str
    purpose: str
    limits: HourlyLimits
    evidence: str
    parameter: tuple[Parameter, ...]
    column: tuple[ColumnSpec, ...]

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        return {parameter.name: parameter for parameter in self.parameter}

    @cached_property
    def columns_xml(self) -> str:
        return write_columns([column.to_column() for column in self.column])


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
