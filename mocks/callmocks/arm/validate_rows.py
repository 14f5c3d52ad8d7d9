"""The rows of a response compared with the documented arithmetic and with the request's filters.

Documented by eleven rows: waiting and talk are differences of the shown times, total is their sum,
``duration`` is the talk by the millisecond clock, so the talk or a second less.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from lxml import etree

from callmocks.arm import tag
from callmocks.arm.rows import TIME_FORMAT
from callmocks.contract.findings import Findings, mask_characters

RELEASE_REASONS = ("released_by_system", "released_by_a", "released_by_b")
_TIME_PATTERN = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", re.ASCII)
_NUMBER_PATTERN = re.compile(r"\d{1,40}", re.ASCII)
_TIME_SHAPE = "YYYY/MM/DD HH:MM:SS"
_HISTORY_PATH = "/out/response/history"

Attributes = Mapping[str, str]


def check_rows(root: etree._Element, filters: Attributes, findings: Findings) -> None:
    response = root.find("response")
    history = None if response is None else response.find("history")
    if response is None or history is None:
        return
    if _parse_time(response.get("timestamp", "")) is None:
        findings.add("/out/response/@timestamp", _TIME_SHAPE, repr(response.get("timestamp")))
    elements = history.findall("call_history")
    rows = [{str(name): str(value) for name, value in row.attrib.items()} for row in elements]
    for number, row in enumerate(rows, 1):
        _check_row(row, f"{_HISTORY_PATH}/call_history[{number}]", findings)
    _check_order(rows, findings)
    _check_filters(rows, filters, findings)
    _check_tag(history.get("tag"), rows, filters, findings)


def _check_row(row: Attributes, where: str, findings: Findings) -> None:
    names = ("start_time", "answer_time", "release_time")
    start, answer, release = (_read_time(row, name, where, findings) for name in names)
    if start is None or not all(
        _NUMBER_PATTERN.fullmatch(row.get(name, ""))
        for name in ("total_duration", "waiting_duration", "talk_duration", "duration")
    ):
        return
    waiting, talk = int(row["waiting_duration"]), int(row["talk_duration"])
    if int(row["total_duration"]) != waiting + talk:
        text = f"waiting_duration + talk_duration, {waiting + talk}"
        findings.add(f"{where}/@total_duration", text, row["total_duration"])
    if release is not None:
        _check_durations(row, start, answer, release, where, findings)
    ref = row.get("call_ref")
    if not _NUMBER_PATTERN.fullmatch(ref or ""):
        findings.add(f"{where}/@call_ref", "a decimal number", repr(ref), "observed")
    for name in ("digits", "remote_digits"):
        number = row.get(name, "")
        if number and not _NUMBER_PATTERN.fullmatch(number):
            findings.add(f"{where}/@{name}", "digits", mask_characters(number), "observed")


def _check_durations(
    row: Attributes,
    start: datetime,
    answer: datetime | None,
    release: datetime,
    where: str,
    findings: Findings,
) -> None:
    waiting, talk = int(row["waiting_duration"]), int(row["talk_duration"])
    expected = _whole_seconds((answer or release) - start)
    if waiting != expected:
        what = "answer_time - start_time" if answer else "release_time - start_time"
        findings.add(f"{where}/@waiting_duration", f"{what}, {expected}", waiting)
    expected = _whole_seconds(release - answer) if answer else 0
    if talk != expected:
        what = "release_time - answer_time" if answer else "0 of an unanswered call"
        findings.add(f"{where}/@talk_duration", f"{what}, {expected}", talk)
    allowed = (talk, talk - 1) if answer and talk else (0,)
    if int(row["duration"]) not in allowed:
        text = "talk_duration or one less" if answer else "0 of an unanswered call"
        findings.add(f"{where}/@duration", f"{text}, {allowed[0]}", row["duration"])
    reason = row.get("release_reason")
    if reason is not None and reason not in RELEASE_REASONS:
        known = " or ".join(RELEASE_REASONS)
        findings.add(f"{where}/@release_reason", known, repr(reason), "observed")


def _check_order(rows: list[dict[str, str]], findings: Findings) -> None:
    for number, (newer, older) in enumerate(pairwise(rows), 2):
        if newer.get("start_time", "") < older.get("start_time", ""):
            where = f"{_HISTORY_PATH}/call_history[{number}]/@start_time"
            expected = f"newest first, {newer.get('start_time')} at most"
            findings.add(where, expected, older["start_time"])
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        ref = row.get("call_ref", "")
        if ref in seen:
            where = f"{_HISTORY_PATH}/call_history[{number}]/@call_ref"
            findings.add(where, "each call once", ref, "observed")
        seen.add(ref)
    digits = {row.get("digits") for row in rows}
    if len(digits) > 1:
        where = f"{_HISTORY_PATH}/call_history/@digits"
        findings.add(where, "the logged-in operator's number in all rows", f"{len(digits)} numbers")


def _check_filters(rows: list[dict[str, str]], filters: Attributes, findings: Findings) -> None:
    limit = filters.get("limit", "").strip()
    if _NUMBER_PATTERN.fullmatch(limit) and len(rows) > int(limit):
        findings.add(_HISTORY_PATH, f"at most {limit} rows, the request's limit", len(rows))
    if filters.get("tag"):
        return  # it may carry other filters
    direction = filters.get("direction", "").strip()
    earliest = filters.get("from_date", "").strip()
    for number, row in enumerate(rows, 1):
        where = f"{_HISTORY_PATH}/call_history[{number}]"
        if direction and row.get("direction") != direction:
            findings.add(f"{where}/@direction", f"{direction}, as requested", row.get("direction"))
        if earliest and row.get("start_time", "") < earliest:
            text = f"{earliest} at least, as requested"
            findings.add(f"{where}/@start_time", text, row.get("start_time"), "assumed")


def _check_tag(
    text: str | None, rows: list[dict[str, str]], filters: Attributes, findings: Findings
) -> None:
    """The tag is a term like the vendor's, and stands at the last row."""
    if text is None:
        if rows:
            findings.add(f"{_HISTORY_PATH}/@tag", "a tag, as every documented page has one", "none")
        return
    try:
        cursor = tag.decode(text)
    except tag.TagError as error:
        where, expected = f"{_HISTORY_PATH}/@tag", "a term like the vendor's"
        findings.add(where, expected, str(error), "assumed", "arm.tag-properties")
        return
    last = _parse_time(rows[-1].get("start_time", "")) if rows else None
    if last is not None and cursor.start != last:
        expected = f"the start of the last row, {last:{TIME_FORMAT}}"
        findings.add(f"{_HISTORY_PATH}/@tag", expected, f"{cursor.start:{TIME_FORMAT}}")


def _read_time(row: Attributes, name: str, where: str, findings: Findings) -> datetime | None:
    """An invalid time is a finding; an empty one is none where it may be empty."""
    text = row.get(name, "")
    time = _parse_time(text)
    if time is None and (text or name == "start_time"):
        findings.add(f"{where}/@{name}", _TIME_SHAPE, repr(text))
    return time


def _parse_time(text: str) -> datetime | None:
    if not _TIME_PATTERN.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, TIME_FORMAT)
    except ValueError:
        return None


def _whole_seconds(length: timedelta) -> int:
    return int(length.total_seconds())
