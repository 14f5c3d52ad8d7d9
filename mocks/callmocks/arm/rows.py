"""The rows of an operator, each rendered and validated when it is first sent.

The attributes, their order and the empty strings are those of the documented answer.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.arm import schema, tree
from callmocks.arm.tree import Node

TIME_FORMAT = "%Y/%m/%d %H:%M:%S"
RECORDS_PATH = "call_record"
FAXES_PATH = "fax"

# Memory of a rendered row, JSON and XML, with room for long names and URLs.
ROW_BYTES = 2048


class RenderOptions(NamedTuple):
    """All that changes the text of a finished row.

    ``base_url`` is that of records and faxes; ``url_list``, ``queue_id`` and ``unfinished`` are
    choices of the ledger. With ``self_check`` rows are validated when they are rendered.
    """

    base_url: str
    contract: str
    url_list: str
    queue_id: str
    unfinished: str
    self_check: bool = True


class CallRow(NamedTuple):
    json: bytes
    xml: bytes


RenderedRows = tuple[list[CallRow], list[schema.SchemaViolation]]


class OperatorRows:
    """Rows of one operator, newest first; ``starts`` and ``releases`` are exact."""

    def __init__(self, frame: pl.DataFrame, options: RenderOptions) -> None:
        self.frame = frame
        self.options = options
        self.starts: NDArray[np.int64] = frame["_start"].to_numpy()
        self.releases: NDArray[np.int64] = frame["_release"].to_numpy()
        self.last_release = int(self.releases.max())
        self._rendered: list[CallRow | None] = [None] * len(frame)
        self._violations: list[schema.SchemaViolation] = []

    def __len__(self) -> int:
        return len(self._rendered)

    @cached_property
    def _visible_columns(self) -> pl.DataFrame:
        # Taking rows of all columns takes three times as long.
        return self.frame.select("_start", "_answer", *_ATTRIBUTES, *_OPTIONAL_COLUMNS, "_leg_id")

    def render(self, positions: Sequence[int], now_ms: int) -> RenderedRows:
        """The rows as they are at an instant, and where our own rows break the schema."""
        if self.last_release > now_ms:
            return self._render_unfinished(positions, now_ms)
        rendered = self._rendered
        rows = [rendered[position] for position in positions]
        if None in rows:
            self._cache_finished([p for p in positions if rendered[p] is None])
            rows = [rendered[position] for position in positions]
        return rows, self._violations  # type: ignore[return-value]

    def get_call_ref(self, position: int) -> str:
        ref: str = self.frame["call_ref"][position]
        return ref

    def _render_unfinished(self, positions: Sequence[int], now_ms: int) -> RenderedRows:
        running = [p for p in positions if self.releases[p] > now_ms]
        finished = [p for p in positions if self.releases[p] <= now_ms]
        self._cache_finished([p for p in finished if self._rendered[p] is None])
        columns = _running_call_columns(now_ms, self.options.unfinished)
        rows, violations = self._render_rows(running, columns)
        by_position = dict(zip(running, rows, strict=True))
        all_rows = [by_position.get(p) or self._rendered[p] for p in positions]
        return all_rows, self._violations + violations  # type: ignore[return-value]

    def _cache_finished(self, positions: list[int]) -> None:
        rows, violations = self._render_rows(positions, _FINISHED_COLUMNS)
        self._violations += violations
        for position, row in zip(positions, rows, strict=True):
            self._rendered[position] = row

    def _render_rows(self, positions: list[int], columns: list[pl.Expr]) -> RenderedRows:
        if not positions:
            return [], []
        values = self._visible_columns[positions].select(columns).rows(named=True)
        nodes = [_build_node(row, self.options) for row in values]
        rows = [CallRow(tree.encode_element(node), tree.to_xml(node)) for node in nodes]
        if not self.options.self_check:
            return rows, []
        document = b"<out><response><history>%b</history></response></out>"
        history_schema = schema.get_schema(schema.HISTORY, self.options.contract)
        return rows, history_schema.validate_bytes(document % b"".join(row.xml for row in rows))


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
_FINISHED_COLUMNS = [
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
