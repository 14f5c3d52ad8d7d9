"""The rows of an operator, rendered and validated.

The attributes, their order and the empty strings are those of the documented answer.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import polars as pl

from callmocks.arm import schema, tree
from callmocks.arm.tree import Node

TIME_FORMAT = "%Y/%m/%d %H:%M:%S"
RECORDS_PATH = "call_record"
FAXES_PATH = "fax"


class RenderOptions(NamedTuple):
    """All that changes the text of a finished row.

    ``base_url`` is that of records and faxes; ``url_list``, ``queue_id`` and ``unfinished`` are
    choices of the ledger, ``display_name`` is the operator's or empty. With ``self_check`` rows are
    validated when they are rendered.
    """

    base_url: str
    contract: str
    url_list: str
    queue_id: str
    unfinished: str
    display_name: str
    self_check: bool = True


class CallRow(NamedTuple):
    """``violations``: where our own row breaks the schema."""

    json: bytes
    xml: bytes
    call_ref: str
    violations: Sequence[schema.SchemaViolation] = ()


def render_frame(frame: pl.DataFrame, options: RenderOptions, now_ms: int) -> list[CallRow]:
    """The rows of a frame as they are at an instant."""
    running = frame["_release"] > now_ms
    finished = frame.filter(~running).select(_finished_call_columns()).iter_rows(named=True)
    columns = _running_call_columns(now_ms, options.unfinished)
    unfinished = frame.filter(running).select(columns).iter_rows(named=True)
    values = [next(unfinished if each else finished) for each in running]
    nodes = [_build_node(row, options) for row in values]
    rows = [
        CallRow(tree.encode_element(node), tree.to_xml(node), node.attributes["call_ref"])
        for node in nodes
    ]
    if options.self_check and _validate_rows(rows, options.contract):
        return [row._replace(violations=_validate_rows([row], options.contract)) for row in rows]
    return rows


def _validate_rows(rows: list[CallRow], contract: str) -> list[schema.SchemaViolation]:
    document = b"<out><response><history>%b</history></response></out>"
    history_schema = schema.get_schema(schema.HISTORY, contract)
    return history_schema.validate_bytes(document % b"".join(row.xml for row in rows))


def _format_column(name: str) -> pl.Expr:
    column = pl.col(name)
    text = column.dt.strftime(TIME_FORMAT) if name in _TIMES else column.cast(pl.String)
    return text.fill_null("")


_TIMES = ("release_time", "answer_time", "start_time")
_ATTRIBUTES = (
    *("total_duration", "waiting_duration", "talk_duration", "release_reason", "digits"),
    *("remote_digits", "call_ref", "duration", *_TIMES, "direction", "_record"),
    *("remote_display_name", "display_name", "remote_agent_id"),
)
_OPTIONAL_COLUMNS = ("queue_id", "_fax", "_ss")


# At the first row: idle, a process does without Polars' code for expressions.
@cache
def _finished_call_columns() -> list[pl.Expr]:
    return [
        *(_format_column(name).alias(name) for name in _ATTRIBUTES),
        *(pl.col(column).cast(pl.String) for column in _OPTIONAL_COLUMNS),
        pl.col("_leg_id"),
    ]


def _running_call_columns(now_ms: int, durations: str) -> list[pl.Expr]:
    """Calls that have not ended: no release yet, ``durations`` are so far or zero."""
    # Whole seconds are counted between the shown times, as for finished calls; ``duration`` counts
    # by the millisecond clock.
    now = now_ms // 1000
    start, answer = pl.col("_start") // 1000, pl.col("_answer") // 1000
    answered = (pl.col("_answer") <= now_ms).fill_null(False)
    waiting = pl.when(answered).then(answer).otherwise(now) - start
    talk = pl.when(answered).then(now - answer).otherwise(0)
    exact = pl.when(answered).then((now_ms - pl.col("_answer")) // 1000).otherwise(0)
    if durations == "zero":
        waiting = talk = exact = pl.lit(0)
    changed = {
        "total_duration": (waiting + talk).cast(pl.String),
        "waiting_duration": waiting.cast(pl.String),
        "talk_duration": talk.cast(pl.String),
        "duration": exact.cast(pl.String),
        "release_reason": pl.lit(""),
        "release_time": pl.lit(""),
        "answer_time": pl.when(answered).then(_format_column("answer_time")).otherwise(pl.lit("")),
        "_record": pl.lit(""),
    }
    return [
        *(changed.get(name, _format_column(name)).alias(name) for name in _ATTRIBUTES),
        pl.col("queue_id").cast(pl.String),
        *(pl.lit(None, pl.String).alias(column) for column in ("_fax", "_ss")),
        pl.col("_leg_id"),
    ]


def _build_node(values: dict[str, Any], options: RenderOptions) -> Node:
    record, leg, digits = values["_record"], values.pop("_leg_id"), values["digits"]
    queue, fax, service = (values.pop(column) for column in _OPTIONAL_COLUMNS)
    record_url = f"{options.base_url}/{RECORDS_PATH}/{record}.wav" if record else ""
    attributes = {
        "call_record" if name == "_record" else name: value for name, value in values.items()
    }
    attributes["call_record"] = record_url
    attributes["display_name"] = options.display_name
    if options.contract == "strict":
        del attributes["release_reason"]
    if queue is not None or options.queue_id == "always":
        attributes["queue_id"] = queue or ""
    listed_url = record_url if options.url_list == "record" else ""
    content: list[Node | str] = [_build_url_list("url_list", listed_url)]
    if service is not None:
        content.append(Node("ss_list", content=[Node("ss", {"name": service})]))
    if fax is not None:
        name = "success_faxes" if fax == "success" else "failed_faxes"
        content.append(_build_url_list(name, f"{options.base_url}/{FAXES_PATH}/{digits}/{leg}.pdf"))
    return Node("call_history", attributes, content)


def _build_url_list(name: str, url: str) -> Node:
    return Node(name, content=[Node("url", content=[url])] if url else [])
