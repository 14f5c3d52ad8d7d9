"""Our own answers against the OpenRPC document.

A violation is logged and journaled on the answer's side; the client still gets the answer.
"""

import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

import polars as pl

from callmocks.cdr import openrpc
from callmocks.cdr.limits import PointLimits
from callmocks.cdr.openrpc import Schema
from callmocks.cdr.rows import FEW_ROWS, OWN_WAV_IDS, RECORDS, MethodData, render_few_rows
from callmocks.cdr.schema_validation import matches_row_schema
from callmocks.history.slices import FrameSlice
from callmocks.tenants.exchange import Exchange

RESULT_BYTES = 200

_log = logging.getLogger(__name__)

_DTYPES: dict[str, tuple[Any, ...]] = {
    "integer": (pl.Int64, pl.UInt8, pl.Int32),
    "string": (pl.String, pl.Enum, pl.Datetime),
    "boolean": (pl.Boolean,),
}


def check_slices(
    exchange: Exchange, method: str, slices: list[FrameSlice], sent: MethodData | None = None
) -> None:
    """With ``sent``, the answer's rows, what is not of whole days is checked as it is sent."""
    if not exchange.tenant.settings.self_check:
        return
    passed = sent is not None and _match_sent_rows(method, sent)
    for each in slices:
        if passed and each.day is None:
            continue
        frame = each.to_frame() if each.day is None else each.frame
        check_frame(exchange, method, frame, each.day)


def check_frame(
    exchange: Exchange, method: str, frame: pl.DataFrame, day: int | None = None
) -> None:
    """With ``day`` it is all of that day, and the result is kept."""
    if not exchange.tenant.settings.self_check:
        return
    generated, name = exchange.tenant.history.generated, f"checked {method}"
    found: tuple[str, ...] | None = None if day is None else generated.peek(name, day)
    if found is None:
        found = find_violations(method, frame)
        if day is not None:
            generated.get_or_create(name, day, lambda: found, lambda _: RESULT_BYTES)
    report_self_violation(exchange, method, found)


def check_limits(exchange: Exchange, limits: PointLimits) -> None:
    if not exchange.tenant.settings.self_check:
        return
    for name, minimum in _load_minimums():
        if getattr(limits, name) < minimum:
            report_self_violation(exchange, f"metadata.limits.{name}", (f"at least {minimum}",))


@cache
def _load_minimums() -> tuple[tuple[str, int], ...]:
    shapes = openrpc.load_shared_schema("Limits")["properties"]
    return tuple((name, shape["minimum"]) for name, shape in shapes.items())


def find_violations(method: str, frame: pl.DataFrame) -> tuple[str, ...]:
    if len(frame) <= FEW_ROWS and _match_as_json(method, frame):
        return ()
    schema = frame.schema  # costly to build
    checks: dict[str, pl.Expr] = {}
    violations: list[str] = []
    for name, shape in openrpc.load_methods()[method].row.items():
        dtype = schema.get(name)
        kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
        if name in RECORDS:
            pattern = shape["items"]["pattern"]
            for column in ("_record_1", "_record_2"):
                checks[f"{name}: {column}"] = ~pl.col(column).str.contains(pattern)
        if dtype is None or kinds[0] == "array":
            continue
        if not any(dtype == allowed for allowed in _DTYPES[kinds[0]]):
            violations.append(f"{name}: {kinds[0]}, not {dtype}")
            continue
        for rule, broken in _build_rules(name, shape, dtype):
            checks[f"{name}: {rule}"] = broken
    found = frame.select(**{rule: broken.any() for rule, broken in checks.items()})
    return (*violations, *(rule for rule in checks if found[rule][0]))


def _match_as_json(method: str, frame: pl.DataFrame) -> bool:
    """Much cheaper for a few rows; what breaks is found column by column."""
    fields = openrpc.load_methods()[method].row.keys() & {*frame.columns, *RECORDS}
    return matches_row_schema(b"".join(render_few_rows(frame, [*fields], OWN_WAV_IDS)), method)


def _match_sent_rows(method: str, sent: MethodData) -> bool:
    few = sent.row_count is not None and sent.row_count <= FEW_ROWS
    return few and matches_row_schema(b"".join(sent.body), method)


def _build_rules(name: str, shape: Schema, dtype: pl.DataType) -> Iterator[tuple[str, pl.Expr]]:
    """Expressions that are true where a rule of the schema is broken."""
    column = pl.col(name)
    if "null" not in shape["type"]:
        yield "not null", column.is_null()
    if "minimum" in shape:
        yield f"at least {shape['minimum']}", column < shape["minimum"]
    if "enum" in shape:
        if isinstance(dtype, pl.Enum) and set(dtype.categories) <= set(shape["enum"]):
            return  # the type itself keeps other values out
        allowed = [value for value in shape["enum"] if value is not None]
        yield "one of the enumeration", ~column.cast(pl.String).is_in(allowed)
    if "pattern" in shape and not isinstance(dtype, pl.Datetime):
        values = column.cast(pl.String) if isinstance(dtype, pl.Enum) else column
        yield f"like {shape['pattern']}", ~values.str.contains(shape["pattern"])


def report_self_violation(exchange: Exchange, where: str, violations: tuple[str, ...]) -> None:
    for violation in violations:
        _log.error("our own answer breaks its schema: %s: %s", where, violation)
        exchange.add_violation(where, violation, "something else", side="answer")
