"""The rows of an answer held against the documented arithmetic, and against what was asked for.

Documented by eleven rows: waiting and talk are differences of the shown times, total is their sum,
``duration`` is the talk by the millisecond clock, so the talk or a second less.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from lxml import etree

from callmocks.arm import tag
from callmocks.arm.rows import TIME
from callmocks.contract.findings import Findings, shape_of

REASONS = ("released_by_system", "released_by_a", "released_by_b")
"""The known values of ``release_reason``."""
_TIME = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", re.ASCII)
_NUMBER = re.compile(r"\d+", re.ASCII)
_WANTED = "YYYY/MM/DD HH:MM:SS"
_HISTORY = "/out/response/history"

Attributes = Mapping[str, str]


def check(root: etree._Element, asked: Attributes, found: Findings) -> None:
    """Note where an answer's rows disagree with themselves or with the filters asked for."""
    response = root.find("response")
    history = None if response is None else response.find("history")
    if response is None or history is None:
        return
    if _moment(response.get("timestamp", "")) is None:
        found.add("/out/response/@timestamp", _WANTED, repr(response.get("timestamp")))
    rows = [_strings(element) for element in history.findall("call_history")]
    for place, row in enumerate(rows, 1):
        _row(row, f"{_HISTORY}/call_history[{place}]", found)
    _order(rows, found)
    _asked(rows, asked, found)
    _tag(history.get("tag"), rows, asked, found)


def _strings(element: etree._Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.attrib.items()}


def _row(row: Attributes, where: str, found: Findings) -> None:
    times = {name: _time(row, name, where, found) for name in ("start_time", "answer_time")}
    start, answer = times.values()
    release = _time(row, "release_time", where, found)
    if start is None or not all(
        _NUMBER.fullmatch(row.get(name, ""))
        for name in ("total_duration", "waiting_duration", "talk_duration", "duration")
    ):
        return
    waiting, talk = int(row["waiting_duration"]), int(row["talk_duration"])
    if int(row["total_duration"]) != waiting + talk:
        text = f"waiting_duration + talk_duration, {waiting + talk}"
        found.add(f"{where}/@total_duration", text, row["total_duration"])
    if release is not None:
        _finished(row, start, answer, release, where, found)
    if not _NUMBER.fullmatch(row.get("call_ref", "")):
        found.add(f"{where}/@call_ref", "a decimal number", repr(row.get("call_ref")), "observed")
    for name in ("digits", "remote_digits"):
        number = row.get(name, "")
        if number and not _NUMBER.fullmatch(number):
            found.add(f"{where}/@{name}", "digits", shape_of(number), "observed")


def _finished(
    row: Attributes,
    start: datetime,
    answer: datetime | None,
    release: datetime,
    where: str,
    found: Findings,
) -> None:
    """The arithmetic of a call that has ended."""
    waiting, talk = int(row["waiting_duration"]), int(row["talk_duration"])
    expected = _seconds((answer or release) - start)
    if waiting != expected:
        what = "answer_time - start_time" if answer else "release_time - start_time"
        found.add(f"{where}/@waiting_duration", f"{what}, {expected}", waiting)
    expected = _seconds(release - answer) if answer else 0
    if talk != expected:
        what = "release_time - answer_time" if answer else "0 of an unanswered call"
        found.add(f"{where}/@talk_duration", f"{what}, {expected}", talk)
    allowed = (talk, talk - 1) if answer and talk else (0,)
    if int(row["duration"]) not in allowed:
        text = "talk_duration or one less" if answer else "0 of an unanswered call"
        found.add(f"{where}/@duration", f"{text}, {allowed[0]}", row["duration"])
    reason = row.get("release_reason")
    if reason is not None and reason not in REASONS:
        found.add(f"{where}/@release_reason", " or ".join(REASONS), repr(reason), "observed")


def _order(rows: list[dict[str, str]], found: Findings) -> None:
    for place, (newer, older) in enumerate(pairwise(rows), 2):
        if newer.get("start_time", "") < older.get("start_time", ""):
            where = f"{_HISTORY}/call_history[{place}]/@start_time"
            expected = f"newest first, {newer.get('start_time')} at most"
            found.add(where, expected, older["start_time"])
    seen: set[str] = set()
    for place, row in enumerate(rows, 1):
        ref = row.get("call_ref", "")
        if ref in seen:
            where = f"{_HISTORY}/call_history[{place}]/@call_ref"
            found.add(where, "each call once", ref, "observed")
        seen.add(ref)
    digits = {row.get("digits") for row in rows}
    if len(digits) > 1:
        where = f"{_HISTORY}/call_history/@digits"
        found.add(where, "the logged-in operator's number in all rows", f"{len(digits)} numbers")


def _asked(rows: list[dict[str, str]], asked: Attributes, found: Findings) -> None:
    limit = asked.get("limit", "").strip()
    if _NUMBER.fullmatch(limit) and len(rows) > int(limit):
        found.add(_HISTORY, f"at most {limit} rows, the limit asked for", len(rows))
    if asked.get("tag"):
        return  # the filters frozen in it may be others
    wanted = asked.get("direction", "").strip()
    earliest = asked.get("from_date", "").strip()
    for place, row in enumerate(rows, 1):
        where = f"{_HISTORY}/call_history[{place}]"
        if wanted and row.get("direction") != wanted:
            found.add(f"{where}/@direction", f"{wanted}, asked for", row.get("direction"))
        if earliest and row.get("start_time", "") < earliest:
            text = f"{earliest} at least, asked for"
            found.add(f"{where}/@start_time", text, row.get("start_time"), "assumed")


def _tag(text: str | None, rows: list[dict[str, str]], asked: Attributes, found: Findings) -> None:
    """The tag is a term like the vendor's, and stands at the last row."""
    if text is None:
        if rows:
            found.add(f"{_HISTORY}/@tag", "a tag, as every documented page has one", "none")
        return
    try:
        cursor = tag.decode(text)
    except tag.TagError as error:
        found.add(f"{_HISTORY}/@tag", "a term like the vendor's", str(error), "assumed")
        return
    last = _moment(rows[-1].get("start_time", "")) if rows else None
    if last is not None and cursor.start != last:
        expected = f"the start of the last row, {last:{TIME}}"
        found.add(f"{_HISTORY}/@tag", expected, f"{cursor.start:{TIME}}")


def _time(row: Attributes, name: str, where: str, found: Findings) -> datetime | None:
    """The moment of an attribute; None, and not a finding, for an empty one that may be empty."""
    text = row.get(name, "")
    moment = _moment(text)
    if moment is None and (text or name == "start_time"):
        found.add(f"{where}/@{name}", _WANTED, repr(text))
    return moment


def _moment(text: str) -> datetime | None:
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, TIME)
    except ValueError:
        return None


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
