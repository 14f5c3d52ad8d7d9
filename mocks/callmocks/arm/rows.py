"""One operator's day as the rows of an answer, each rendered and validated when first sent.

The attributes, their order and the empty strings are those of the documented answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.arm import schema, tree
from callmocks.arm.tree import Node

TIME = "%Y/%m/%d %H:%M:%S"
RECORDS = "call_record"
FAXES = "fax"

_BYTES_A_ROW = 2048
"""Memory of a rendered row, JSON and XML, with some room for long names and addresses."""


class Style(NamedTuple):
    """All that changes the text of a finished row.

    ``base`` is the address below which records and faxes are served; ``contract`` the profile;
    ``urls`` what ``url_list`` holds: ``record`` or nothing (``empty``). ``checked``: rows are
    validated when they are rendered.
    """

    base: str
    contract: str
    urls: str
    checked: bool = True


class Row(NamedTuple):
    """One ``call_history`` in both forms."""

    json: bytes
    xml: bytes


class Rows:
    """The rows of one operator and day, newest first; ``starts`` and ``releases`` are exact.

    ``finished`` is the instant at which the last of them has ended.
    """

    def __init__(self, frame: pl.DataFrame, style: Style) -> None:
        self.frame = frame
        self.style = style
        self.starts: NDArray[np.int64] = frame["_start"].to_numpy()
        self.releases: NDArray[np.int64] = frame["_release"].to_numpy()
        self.finished = int(self.releases.max())
        self._kept: list[Row | None] = [None] * len(frame)
        self._faults: list[schema.Fault] = []

    def __len__(self) -> int:
        return len(self._kept)

    @cached_property
    def _shown(self) -> pl.DataFrame:
        """The columns that rows are made of: taking rows of all of them costs three times that."""
        return self.frame.select("_start", "_answer", *_ORDER, *_MORE, "_leg_id")

    @property
    def nbytes(self) -> int:
        """Memory these rows take when all of them are rendered, without the frame."""
        return _BYTES_A_ROW * len(self._kept)

    def render(self, places: Sequence[int], now_ms: int) -> tuple[list[Row], list[schema.Fault]]:
        """The rows at these places, as they are at an instant.

        The faults are places where our own rows break the schema. There must be none, and an
        answer that holds such a row says so in the journal.
        """
        if self.finished > now_ms:
            return self._with_unfinished(places, now_ms)
        kept = self._kept
        rows = [kept[place] for place in places]
        if None in rows:
            self._keep([place for place in places if kept[place] is None])
            rows = [kept[place] for place in places]
        return rows, self._faults  # type: ignore[return-value]

    def call_ref(self, place: int) -> str:
        """The reference of a row."""
        ref: str = self.frame["call_ref"][place]
        return ref

    def _with_unfinished(
        self, places: Sequence[int], now_ms: int
    ) -> tuple[list[Row], list[schema.Fault]]:
        running = [place for place in places if self.releases[place] > now_ms]
        self._keep([p for p in places if self._kept[p] is None and self.releases[p] <= now_ms])
        rows, faults = self._make(running, _so_far(now_ms)) if running else ([], [])
        made = dict(zip(running, rows, strict=True))
        together = [made.get(place) or self._kept[place] for place in places]
        return together, self._faults + faults  # type: ignore[return-value]

    def _keep(self, places: list[int]) -> None:
        if places:
            rows, faults = self._make(places, _FINISHED)
            self._faults += faults
            for place, row in zip(places, rows, strict=True):
                self._kept[place] = row

    def _make(
        self, places: list[int], columns: list[pl.Expr]
    ) -> tuple[list[Row], list[schema.Fault]]:
        values = self._shown[places].select(columns).rows()
        nodes = [_node(dict(zip(_NAMES, row, strict=True)), self.style) for row in values]
        rows = [Row(tree.encode_element(node), tree.to_xml(node)) for node in nodes]
        if not self.style.checked:
            return rows, []
        document = b"<out><response><history>%b</history></response></out>"
        judge = schema.of(schema.HISTORY, self.style.contract)
        return rows, judge.faults_of(document % b"".join(row.xml for row in rows))


def _text(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.String).fill_null("")


def _time(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime(TIME).fill_null("")


_ORDER: dict[str, Callable[[str], pl.Expr]] = {
    "total_duration": _text,
    "waiting_duration": _text,
    "talk_duration": _text,
    "release_reason": _text,
    "digits": _text,
    "remote_digits": _text,
    "call_ref": _text,
    "duration": _text,
    "release_time": _time,
    "answer_time": _time,
    "start_time": _time,
    "direction": _text,
    "_record": _text,
    "remote_display_name": _text,
    "display_name": _text,
    "remote_agent_id": _text,
}
_MORE = ("queue_id", "_fax", "_ss")
_NAMES = (*_ORDER, *_MORE, "_leg_id")
_FINISHED = [
    *(make(column).alias(column) for column, make in _ORDER.items()),
    *(pl.col(column).cast(pl.String) for column in _MORE),
    pl.col("_leg_id"),
]


def _so_far(now_ms: int) -> list[pl.Expr]:
    """Calls that have not ended: no release yet, durations up to this instant.

    Whole seconds are counted between the shown times, as for finished calls; ``duration`` counts
    by the millisecond clock.
    """
    now = now_ms // 1000
    start, answer = pl.col("_start") // 1000, pl.col("_answer") // 1000
    answered = (pl.col("_answer") <= now_ms).fill_null(False)
    waiting = pl.when(answered).then(answer).otherwise(now) - start
    talk = pl.when(answered).then(now - answer).otherwise(0)
    exact = pl.when(answered).then((now_ms - pl.col("_answer")) // 1000).otherwise(0)
    changed = {
        "total_duration": (waiting + talk).cast(pl.String),
        "waiting_duration": waiting.cast(pl.String),
        "talk_duration": talk.cast(pl.String),
        "duration": exact.cast(pl.String),
        "release_reason": pl.lit(""),
        "release_time": pl.lit(""),
        "answer_time": pl.when(answered).then(_time("answer_time")).otherwise(pl.lit("")),
        "_record": pl.lit(""),
    }
    return [
        *(changed.get(column, make(column)).alias(column) for column, make in _ORDER.items()),
        pl.col("queue_id").cast(pl.String),
        *(pl.lit(None, pl.String).alias(column) for column in ("_fax", "_ss")),
        pl.col("_leg_id"),
    ]


def _node(values: dict[str, Any], style: Style) -> Node:
    """A row as the tree has it: attributes in the documented order, then the lists."""
    record, leg, digits = values["_record"], values.pop("_leg_id"), values["digits"]
    queue, fax, service = (values.pop(column) for column in _MORE)
    address = f"{style.base}/{RECORDS}/{record}.wav" if record else ""
    attributes = {
        "call_record" if name == "_record" else name: value for name, value in values.items()
    }
    attributes["call_record"] = address
    if style.contract == "strict":
        del attributes["release_reason"]
    if queue is not None:
        attributes["queue_id"] = queue
    content: list[Node | str] = [_urls("url_list", address if style.urls == "record" else "")]
    if service is not None:
        content.append(Node("ss_list", content=[Node("ss", {"name": service})]))
    if fax is not None:
        name = "success_faxes" if fax == "success" else "failed_faxes"
        content.append(_urls(name, f"{style.base}/{FAXES}/{digits}/{leg}.pdf"))
    return Node("call_history", attributes, content)


def _urls(name: str, url: str) -> Node:
    return Node(name, content=[Node("url", content=[url])] if url else [])
