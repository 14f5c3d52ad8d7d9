"""What exchanges of an ARM endpoint show of its assumptions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lxml import etree

from callmocks.arm import frames, schema, tag, tree
from callmocks.contract.numerals import parse_natural
from callmocks.errors import CallmocksError
from callmocks.provider.base import WireExchange
from callmocks.verification.decisions import Sighting, see, see_name

Attributes = dict[str, str]
_DAY = re.compile(r"\d{4}/\d\d/\d\d")
_UNITS: tuple[frames.LengthUnit, ...] = ("bytes", "characters")
LIMITS = ("100", "1000", "10000")
REASONS = {
    "arm.session-minutes": "it shows only to a session that is left alone for minutes or hours",
    "arm.unfinished": "it shows only while the operator is in a call",
    "arm.late-rows": "it shows only after a call has ended and before its row is there",
    "arm.late-records": "it shows only before the record of a call is there",
    "arm.media-access": "it would take fetching the record of a talk",
    "arm.upgrade-credentials": "wrong credentials are not sent: they may lock the operator out",
    "arm.compression": "a recording does not hold what a websocket agrees on",
    "arm.wrong-length": "no frame of a wrong length was answered",
    "arm.to-date": "no row that was looked at starts before to_date and ends after it",
    "arm.party-filters": "no number with % was asked for",
    "arm.tag-filters": "it shows only where a tag holds filters",
    "arm.websocket-path": "where the websocket is cannot be guessed: --websocket-path",
    "arm.basic": "a recording does not hold credentials",
}


@dataclass(frozen=True, slots=True)
class ArmExchange:
    """``logged_in`` is None where it is not known, as in a recording."""

    command: str
    filters: Attributes
    readable: bool
    status: int
    transport: str
    content_type: str
    root: etree._Element
    logged_in: bool | None = None
    rows: list[Attributes] = field(default_factory=list)

    @property
    def error(self) -> etree._Element | None:
        return self.root.find("error")

    @property
    def has_page(self) -> bool:
        return self.root.find("response/history") is not None

    @property
    def tag(self) -> str:
        history = self.root.find("response/history")
        return "" if history is None else history.get("tag", "")


def parse_exchange(exchange: WireExchange, logged_in: bool | None = None) -> ArmExchange | None:
    """None when the response cannot be read."""
    is_frame = exchange.transport == "frame"
    request, response = exchange.request, exchange.response
    try:
        if is_frame:
            response = tree.to_xml(tree.decode(frames.get_body(response)))
        root = schema.parse(response)
    except (CallmocksError, ValueError):
        return None
    if root.tag != "out":
        return None
    try:
        if is_frame:
            request = tree.to_xml(tree.decode(frames.decode_request(request).body))
        sent: etree._Element | None = schema.parse(request)
    except (CallmocksError, ValueError):
        sent = None
    found = None if sent is None else sent.find("request/filters")
    command = exchange.operation if exchange.operation != "upgrade" else ""
    rows = root.findall("response/history/call_history")
    return ArmExchange(
        command,
        {} if found is None else _list_attributes(found),
        sent is not None,
        exchange.status,
        exchange.transport,
        exchange.content_type,
        root,
        logged_in,
        [_list_attributes(row) for row in rows],
    )


def _list_attributes(element: etree._Element) -> Attributes:
    return {str(name): str(value) for name, value in element.attrib.items()}


def find_sightings(exchanges: Sequence[ArmExchange]) -> Iterator[Sighting]:
    known = {row["call_ref"]: row for each in exchanges for row in each.rows if "call_ref" in row}
    for each in exchanges:
        for decide in _ONE_EXCHANGE:
            yield from decide(each)
        for decide_known in (_decide_to_date, _decide_names_and_numbers):
            yield from decide_known(each, known)
    yield from _decide_rows(exchanges)


def _decide_content_type(exchange: ArmExchange) -> Iterator[Sighting]:
    media_type = exchange.content_type.partition(";")[0].strip().lower()
    if exchange.transport != "frame" and media_type.endswith("/xml"):
        choice = f"{media_type}; charset=utf-8"
        yield from see("arm.content-type", choice, f"answers are {media_type}")


def _decide_errors(exchange: ArmExchange) -> Iterator[Sighting]:
    error = exchange.error
    if error is None:
        return
    reason = error.get("reason", "")
    if exchange.logged_in is not None or reason == "cannot_perform_cmd":  # else it may be masked
        yield from see_name("arm.error-reason", reason, "the reason of an error")
    status, early = exchange.status, exchange.logged_in is False or not exchange.readable
    early = early or exchange.command not in schema.COMMANDS
    if early:
        choice = "200" if status == 200 else "http-like"
        shown = f"a request that fails before its command: status {status}"
        yield from see("arm.transport-status", choice, shown)
    elif exchange.logged_in and exchange.command == schema.HISTORY:
        yield from see("arm.error-status", str(status), f"a command that fails: status {status}")


def _decide_limit(exchange: ArmExchange) -> Iterator[Sighting]:
    limit = parse_natural(exchange.filters.get("limit", ""))
    if limit is None:
        return
    if exchange.has_page and limit > 100:
        fitting = [choice for choice in LIMITS if int(choice) >= limit]
        yield from see("arm.limit-most", fitting, f"limit of {limit}: a page")
    elif (
        exchange.error is not None
        and exchange.logged_in
        and set(exchange.filters) == {*("limit", "offset", "from_date")}
    ):
        fitting = [choice for choice in LIMITS if int(choice) < limit]
        if fitting and not _DAY.fullmatch(exchange.filters["from_date"]):
            yield from see("arm.limit-most", fitting, f"limit of {limit}: an error")


def _decide_day(exchange: ArmExchange) -> Iterator[Sighting]:
    days = [exchange.filters.get(name, "") for name in ("from_date", "to_date")]
    if any(_DAY.fullmatch(day) for day in days):
        if exchange.has_page:
            yield from see("arm.date-without-time", "day", "a date without a time: a page")
        elif exchange.logged_in and exchange.filters.get("limit") == "1":
            yield from see("arm.date-without-time", "refused", "a date without a time: an error")


def _decide_empty_filter(exchange: ArmExchange) -> Iterator[Sighting]:
    """Of a date: the empty text is none."""
    if exchange.filters.get("from_date") == "":
        if exchange.has_page:
            yield from see("arm.empty-filter", "absent", "an empty from_date: a page")
        elif exchange.logged_in and exchange.filters.keys() == {"offset", "limit", "from_date"}:
            yield from see("arm.empty-filter", "literal", "an empty from_date: an error")


def _decide_tag(exchange: ArmExchange) -> Iterator[Sighting]:
    sent = exchange.filters
    kept = [name for name, value in sent.items() if name in ("direction", "from_date") and value]
    if exchange.rows and exchange.tag and kept and not sent.get("tag"):
        held = _read_tag_filters(exchange.tag)
        if held is not None:
            choice = "filters-and-after" if held else "documented"
            shown = f"the tag of a filtered page has {'its' if held else 'no'} filters"
            yield from see("arm.tag-properties", choice, shown)
    if sent.get("tag"):
        if exchange.has_page and not exchange.rows:
            choice = "incoming" if exchange.tag else "none"
            shown = f"an empty page: {'a' if exchange.tag else 'no'} tag"
            yield from see("arm.empty-page-tag", choice, shown)
        held = _read_tag_filters(sent["tag"]) or {}
        wanted, asked = held.get("direction"), sent.get("direction")
        if wanted and asked and wanted != asked:
            shown_directions = {row.get("direction") for row in exchange.rows}
            if shown_directions == {wanted}:
                yield from see("arm.tag-filters", "tag", "the direction is the tag's")
            if shown_directions == {asked}:
                yield from see("arm.tag-filters", "request", "the direction is the request's")


def _read_tag_filters(text: str) -> Attributes | None:
    try:
        return dict(tag.decode(text).filters)
    except CallmocksError:
        return None


def _decide_to_date(exchange: ArmExchange, known: dict[str, Attributes]) -> Iterator[Sighting]:
    sent, limit = exchange.filters, exchange.filters.get("limit", "")
    end = sent.get("to_date", "")
    if not exchange.has_page or len(end) != len("YYYY/MM/DD HH:MM:SS") or sent.get("tag"):
        return
    there = {row.get("call_ref") for row in exchange.rows}
    plain = not {*sent} - {"offset", "limit", "from_date", "to_date"}
    most = parse_natural(limit) or 0
    whole = plain and sent.get("offset") == "0" and len(there) < most
    shown = "a call that starts before to_date and ends after it"
    for ref, row in known.items():
        if not row.get("start_time", "~") <= end < row.get("release_time", ""):
            continue
        if ref in there:
            yield from see("arm.to-date", "start", f"{shown}: there")
        elif whole and sent.get("from_date", "") <= row["start_time"]:
            yield from see("arm.to-date", "release", f"{shown}: not there")


def _decide_names_and_numbers(
    exchange: ArmExchange, known: dict[str, Attributes]
) -> Iterator[Sighting]:
    """Of filters by the beginning of a known number, or by a part of a known name."""
    sent = exchange.filters
    names = {"offset", "limit", "from_date", "number", "display_name"}
    if not exchange.has_page or {*sent} - names or not exchange.logged_in:
        return  # in a recording numbers and names are masked
    since = sent.get("from_date", "")
    rows = [row for row in known.values() if row.get("start_time", "") >= since]
    number, name = sent.get("number", ""), sent.get("display_name", "")
    if number.endswith("%") and len(number) > 1:
        fits = any(row.get("remote_digits", "").startswith(number[:-1]) for row in rows)
        if exchange.rows or fits:
            choice = "wildcards" if exchange.rows else "either-and-equal"
            shown = f"a number with %: {'rows' if exchange.rows else 'no row'}"
            yield from see("arm.party-filters", choice, shown)
    if name:
        shown_names = {row.get("remote_display_name", "") for row in rows}
        if name not in shown_names and any(name in each for each in shown_names):
            choice = "substring" if exchange.rows else "equal"
            shown = f"a part of a name: {'rows' if exchange.rows else 'no row'}"
            yield from see("arm.display-name", choice, shown)


def _decide_urls(exchange: ArmExchange) -> Iterator[Sighting]:
    for row in exchange.root.findall("response/history/call_history"):
        if row.get("call_record"):
            filled = row.find("url_list/url") is not None
            shown = f"rows with a record: url_list is {'filled' if filled else 'empty'}"
            yield from see("arm.url-list", "record" if filled else "empty", shown)


def _decide_rows(exchanges: Sequence[ArmExchange]) -> Iterator[Sighting]:
    rows = [row for each in exchanges for row in each.rows]
    if any("queue_id" not in row for row in rows):
        yield from see("arm.queue-id", "when-queued", "some rows have no queue_id")
    elif any(not row["queue_id"] for row in rows):
        yield from see("arm.queue-id", "always", "some rows have an empty queue_id")
    named = [row for row in rows if row.get("display_name")]
    if rows:
        choice = "full-name" if named else "empty"
        yield from see(
            "arm.own-display-name", choice, f"display_name is {'' if named else 'not '}filled"
        )


def decide_frame(message: bytes) -> Iterator[Sighting]:
    """Of a response's frame whose text is not ASCII alone."""
    id, status = frames.get_id_field(message).decode(), int(frames.get_status_field(message))
    body, declared = frames.get_body(message), frames.get_declared_length(message)
    lengths = {
        unit: frames.get_declared_length(frames.encode_response(id, status, body, unit=unit))
        for unit in _UNITS
    }
    if lengths["bytes"] != lengths["characters"]:
        for unit, length in lengths.items():
            if length == declared:
                yield from see("arm.frame-length", unit, f"the length counts {unit}")


def find_frame_sightings(exchanges: Sequence[WireExchange]) -> Iterator[Sighting]:
    for each in exchanges:
        if each.transport == "frame":
            try:
                yield from decide_frame(each.response)
                yield from _decide_wrong_length(each)
            except (ValueError, CallmocksError):
                continue


def _decide_wrong_length(exchange: WireExchange) -> Iterator[Sighting]:
    """An error may have another cause."""
    answer = parse_exchange(exchange)
    page = answer is not None and answer.has_page
    if page and frames.decode_request(exchange.request).deviations:
        yield from see("arm.wrong-length", "tolerated", "a frame of another length: a page")


_ONE_EXCHANGE = (
    *(_decide_content_type, _decide_errors, _decide_limit, _decide_day, _decide_empty_filter),
    *(_decide_tag, _decide_urls),
)
