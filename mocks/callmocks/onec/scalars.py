import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isinf, isnan
from typing import Final
from uuid import UUID

from callmocks.contract import xml
from callmocks.onec.namespaces import CORE, XS
from callmocks.onec.values import NULL, Null, Value

Reader = Callable[[str], Value]

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DOUBLE = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|-?INF|NaN")
_ZONE = r"(Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?"
_TIME = r"([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?" + _ZONE
_DATE_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T" + _TIME)
_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})" + _ZONE)
_CLOCK = re.compile(_TIME)


def read_datetime(text: str) -> datetime:
    """``xs:dateTime``; aware when the text has an offset. Fractions are kept to microseconds."""
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    day, clock, fraction, offset = match.groups()
    if fraction is None and offset is None and clock != "24:00:00":
        return datetime.fromisoformat(text)
    if clock == "24:00:00" and not (fraction or "").strip(".0"):
        return datetime.fromisoformat(f"{day}T00:00:00{offset or ''}") + timedelta(days=1)
    return datetime.fromisoformat(f"{day}T{clock}{(fraction or '')[:7]}{offset or ''}")


def read_date(text: str) -> date:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return date.fromisoformat(match[1])


def _read_time(text: str) -> time:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(text)
    clock, fraction, offset = match.groups()
    return time.fromisoformat(f"{clock}{(fraction or '')[:7]}{offset or ''}")


def _read_boolean(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text]


def _read_null(text: str) -> Null:
    if text:
        raise ValueError(text)
    return NULL


def _make_reader(pattern: re.Pattern[str], make: Reader) -> Reader:
    def read(text: str) -> Value:
        if pattern.fullmatch(text) is None:
            raise ValueError(text)
        return make(text)

    return read


_INTEGERS = re.findall(
    r"\w+",
    "integer long int short byte nonNegativeInteger positiveInteger nonPositiveInteger "
    "negativeInteger unsignedLong unsignedInt unsignedShort unsignedByte",
)
_STRINGS = re.findall(
    r"\w+",
    "string normalizedString token language Name NCName NMTOKEN anyURI anySimpleType duration "
    "gYear gYearMonth gMonth gMonthDay gDay",
)

_STRIPPED: Final[dict[str, Reader]] = {
    f"{{{XS}}}boolean": _read_boolean,
    f"{{{XS}}}decimal": _make_reader(_DECIMAL, Decimal),
    f"{{{XS}}}double": _make_reader(_DOUBLE, float),
    f"{{{XS}}}float": _make_reader(_DOUBLE, float),
    f"{{{XS}}}dateTime": read_datetime,
    f"{{{XS}}}date": read_date,
    f"{{{XS}}}time": _read_time,
    f"{{{XS}}}base64Binary": lambda text: b64decode("".join(text.split()), validate=True),
    f"{{{XS}}}hexBinary": bytes.fromhex,
    f"{{{CORE}}}UUID": _make_reader(xml.UUID, UUID),
    **{f"{{{XS}}}{name}": _make_reader(_INTEGER, int) for name in _INTEGERS},
}
_KEPT: Final[dict[str, Reader]] = {
    **{f"{{{XS}}}{name}": str for name in _STRINGS},
    f"{{{CORE}}}Null": _read_null,
}
NUMBERS: Final = frozenset(f"{{{XS}}}{name}" for name in ("decimal", "double", "float", *_INTEGERS))
STRINGS: Final = frozenset(f"{{{XS}}}{name}" for name in _STRINGS) | {f"{{{CORE}}}UUID"}
SCALARS: Final = frozenset(_STRIPPED) | frozenset(_KEPT)


def read_scalar(type_name: str, text: str) -> Value:
    """The value of a simple type's text; ``ValueError`` when the text is none of that type."""
    keep = _KEPT.get(type_name)
    if keep is not None:
        return keep(text)
    try:
        return _STRIPPED[type_name](text.strip(" \t\r\n"))
    except (KeyError, Base64Error, OverflowError) as error:
        raise ValueError(text) from error


def write_scalar(value: Value) -> tuple[str, str] | None:
    """Type (prefixed as in an answer: ``xs:`` or none) and text; None when it is no scalar."""
    if isinstance(value, str):
        return "xs:string", value
    if isinstance(value, bool):
        return "xs:boolean", "true" if value else "false"
    if isinstance(value, int):
        return "xs:decimal", str(value)
    if isinstance(value, Decimal):
        return "xs:decimal", _format_decimal(value)
    if isinstance(value, float):
        return "xs:double", _format_double(value)
    if isinstance(value, datetime):
        return "xs:dateTime", value.isoformat()
    if isinstance(value, date):
        return "xs:date", value.isoformat()
    if isinstance(value, time):
        return "xs:time", value.isoformat()
    if isinstance(value, bytes):
        return "xs:base64Binary", b64encode(value).decode()
    if isinstance(value, UUID):
        return "UUID", str(value)
    if isinstance(value, Null):
        return "Null", ""
    return None


def escape_text(text: str) -> str:
    """Text as XML content; ``ValueError`` on a character that no XML document can hold."""
    forbidden = xml.FORBIDDEN.search(text)
    if forbidden is not None:
        raise ValueError(f"no XML document can hold the character {forbidden[0]!r}")
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    return text.replace("\r", "&#13;") if "\r" in text else text


def quote_attribute(text: str) -> str:
    escaped = escape_text(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;")
    return f'"{escaped}"'


def _format_decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"xs:decimal has no {value}")
    return format(value, "f")


def _format_double(value: float) -> str:
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "INF" if value > 0 else "-INF"
    return repr(value)
