"""What 1C sends: the types of ``http://v8.1c.ru/8.1/data/core`` as Python values.

=====================  =====================================================================
on the wire            in Python
=====================  =====================================================================
``xsi:nil``            ``None``
``xs:string``          ``str``
``xs:decimal``         ``decimal.Decimal`` (``int`` may be written too)
``xs:boolean``         ``bool``
``xs:dateTime``        ``datetime.datetime``, naive unless the text has an offset
``xs:date, xs:time``   ``datetime.date``, ``datetime.time``
``xs:base64Binary``    ``bytes``
``UUID``, ``Null``     ``uuid.UUID``, ``NULL``
``Structure``, …       the classes below
=====================  =====================================================================

Everything here is a value: equal when the contents are equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from callmocks.errors import CallmocksError

EMPTY_DATE: Final = datetime(1, 1, 1)  # not known, not set


class BadValue(CallmocksError):
    """XML (or a Python value) that is no value of the core schema.

    ``where`` is a path such as ``Property[2]/Value``; a table's cells are ``row[1]/Value[3]``.
    """

    def __init__(self, where: str, expected: str, got: str) -> None:
        super().__init__(f"{where}: expected {expected}, got {got}")
        self.where = where
        self.expected = expected
        self.got = got


class UnreadType(BadValue):
    """A value of a type that stands in a schema, and that this codec has no class for."""


class Null(Enum):
    NULL = ""


NULL: Final = Null.NULL


class Structure(dict[str, "Value"]):
    pass


class FixedStructure(Structure):
    pass


class Array(list["Value"]):
    pass


class FixedArray(Array):
    pass


class Map(list[tuple["Value", "Value"]]):
    """Pairs of key and value. Keys may be of any type, so this is no ``dict``."""

    def get(self, key: Value, default: Value = None) -> Value:
        return next((value for known, value in self if known == key), default)


class FixedMap(Map):
    pass


class Number(msgspec.Struct, frozen=True):
    """``NumberQualifiers``: digits in all (0: no limit), of them after the point, the sign."""

    digits: int = 0
    fraction: int = 0
    sign: str = "Any"


class Text(msgspec.Struct, frozen=True):
    """``StringQualifiers`` and ``BinaryDataQualifiers``: length (0: no limit), how it binds."""

    length: int = 0
    allowed: str = "Variable"


class TypeDescription(msgspec.Struct, frozen=True):
    types: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    number: Number | None = None
    string: Text | None = None
    date: str | None = None  # ``Date``, ``Time`` or ``DateTime``
    binary: Text | None = None


class Column(msgspec.Struct, frozen=True):
    """A column of a table; None for what is absent."""

    name: str | None = None
    type: TypeDescription | None = None
    title: str | None = None
    width: int | None = None


Row = tuple["Value", ...]


class ValueTable(msgspec.Struct):
    columns: Sequence[Column] = ()
    rows: list[Row] = []
    indexes: Sequence[tuple[str, ...]] = ()

    @property
    def names(self) -> list[str]:
        return [column.name or "" for column in self.columns]

    def records(self) -> Iterator[dict[str, Value]]:
        names = self.names
        return (dict(zip(names, row, strict=False)) for row in self.rows)


class TreeRow(msgspec.Struct):
    values: Row = ()
    rows: list[TreeRow] = []


class ValueTree(msgspec.Struct):
    columns: Sequence[Column] = ()
    rows: list[TreeRow] = []


Value: TypeAlias = (
    "str | int | Decimal | float | datetime | date | time | bytes | UUID"
    " | Structure | Array | Map | ValueTable | ValueTree | TypeDescription | Null | None"
)
