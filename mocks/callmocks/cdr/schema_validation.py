"""Messages against the schemas of the OpenRPC document."""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType

from callmocks.cdr import openrpc
from callmocks.cdr.harmless import is_personal, is_record
from callmocks.cdr.openrpc import Schema
from callmocks.contract.findings import Evidence, Findings, mask_characters

_MAX_ERRORS = 2000
_JSON_TYPES: dict[str, Any] = {**openrpc.PYTHON_TYPES, "null": None}
# Of the patterns in the OpenRPC document.
_PATTERN_NAMES = {
    r"^\d+$": "digits",
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$": "YYYY-MM-DD hh:mm:ss",
    r"^[0-9a-f]{32}$": "32 hexadecimal digits",
}
_MAX_LISTED_VALUES = 6


def matches_result_schema(raw: msgspec.Raw, method: str) -> bool:
    # For 1 000 rows jsonschema takes some seconds. False may be too strict: `explain_violations`.
    try:
        _make_decoder(method if method in openrpc.load_methods() else "").decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def matches_row_schema(raw: bytes, method: str) -> bool:
    """Of an array of rows; each may lack some fields."""
    try:
        _make_rows_decoder(method).decode(raw)
    except msgspec.MsgspecError:
        return False
    return True


def explain_violations(value: object, schema: Schema, where: str, found: Findings) -> None:
    for path, expected, got, evidence in islice(_iter_errors(value, schema), _MAX_ERRORS):
        found.add(".".join((where, *path)) if where else ".".join(path), expected, got, evidence)


def _iter_errors(value: object, schema: Schema) -> Iterator[tuple[list[str], str, str, Evidence]]:
    from jsonschema import Draft7Validator

    whole = {**schema, "components": openrpc.load_document()["components"]}
    for error in Draft7Validator(whole).iter_errors(value):
        path = [str(step) for step in error.absolute_path]
        field = next((step for step in reversed(path) if not step.isdigit()), "")
        if error.validator == "additionalProperties":
            known = error.schema.get("properties", {})
            for name in [name for name in error.instance if name not in known]:
                yield [*path, name], "a documented field", "another", "documented"
        elif error.validator == "required":  # one error for each member that is missing
            name = error.message.split("'")[1]
            yield [*path, name], "this member", "none", "documented"
        else:
            expected, got = _format_expected(error), format_value(field, error.instance)
            yield path, expected, got, _choose_evidence(field, error)


def format_value(field: str, value: object) -> str:
    """A value as a finding repeats it: of what is somebody's, only the shape."""
    if is_personal(field):
        return mask_characters(value) if isinstance(value, str) else type(value).__name__
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, RecursionError):
        return type(value).__name__


def _format_expected(error: Any) -> str:
    wanted = error.validator_value
    if error.validator == "type":
        return " or ".join(wanted) if isinstance(wanted, list) else str(wanted)
    if error.validator == "enum":
        some = [value for value in wanted if value is not None]
        if len(some) > _MAX_LISTED_VALUES:
            return f"one of {len(some)} documented values"
        return " or ".join(map(repr, some))
    if error.validator == "pattern":
        return _PATTERN_NAMES.get(wanted, "a text of another form")
    if error.validator == "minimum":
        return f"at least {wanted}"
    return str(error.message)


def _choose_evidence(field: str, error: Any) -> Evidence:
    """No document says which fields can be null, nor what a record's id looks like."""
    if error.instance is None or is_record(field):
        return "assumed"
    return (
        "observed"
        if error.validator == "pattern" and field.endswith("_phone_number")
        else "documented"
    )


@cache
def _make_decoder(method: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(_make_type(openrpc.get_result_schema(method)))


@cache
def _make_rows_decoder(method: str) -> msgspec.json.Decoder[Any]:
    row = {"type": "object", "properties": openrpc.load_methods()[method].row}
    return msgspec.json.Decoder(list[_make_type(row)])  # type: ignore[misc]


def _make_type(schema: Schema) -> Any:
    schema = openrpc.resolve_reference(schema)
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    kinds = schema.get("type")
    if kinds is None:
        return Any
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return Union[tuple(_make_single_type(kind, schema) for kind in kinds)]  # noqa: UP007 - made at run time


def _make_single_type(kind: str, schema: Schema) -> Any:
    if kind == "object" and "properties" in schema:
        return _make_struct(schema)
    if kind == "array" and "items" in schema:
        return list[_make_type(schema["items"])]  # type: ignore[misc]
    if kind == "string" and "pattern" in schema:
        return Annotated[str, Meta(pattern=schema["pattern"])]
    if kind == "integer" and "minimum" in schema:
        return Annotated[int, Meta(ge=schema["minimum"])]
    return _JSON_TYPES[kind]


def _make_struct(schema: Schema) -> Any:
    required = schema.get("required", ())
    fields: list[Any] = []
    for name, part in schema["properties"].items():
        kind = _make_type(part)
        fields.append((name, kind) if name in required else (name, kind | UnsetType, UNSET))
    closed = schema.get("additionalProperties") is False
    return msgspec.defstruct("Shape", fields, kw_only=True, forbid_unknown_fields=closed)
