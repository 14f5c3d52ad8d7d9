"""What requests to a 1C-Connect service and the answers to them show of its assumptions.

A request that is unusual in one way alone, and in a way that a mask keeps, is accepted or refused.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, time, timedelta
from typing import Final

from lxml import etree

from callmocks.contract.assumptions import load_ledger
from callmocks.contract.column_list import parse_columns
from callmocks.contract.numerals import parse_natural
from callmocks.contract.xml import UUID
from callmocks.errors import SettingsError
from callmocks.onec import contract, envelope
from callmocks.onec.contract import HISTORY_OPERATION, ServedOperation, describe_column
from callmocks.onec.decoder import read_answer, resolve_name
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import PROPERTY, SOAP12, XS, XSI_NIL, XSI_TYPE
from callmocks.onec.scalars import read_date, read_datetime
from callmocks.onec.soap import SoapError
from callmocks.onec.values import EMPTY_DATE, BadValue, ValueTable
from callmocks.provider.base import WireExchange
from callmocks.provider.harmless import has_form
from callmocks.verification.decisions import Sighting, see
from callmocks.verification.onec_answers import OnecAnswer, parse_answer

_TIME_TYPES = (f"{{{XS}}}dateTime", f"{{{XS}}}date")
_LONGEST = timedelta(days=7)
_LATEST = timedelta(hours=1)  # that a call is answered after it began
# Of each way in which a request may be unusual, the assumption, its choice when that is accepted,
# and when it is refused.
_CHOICES: Final[Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    "a parameter of another name": ("unknown-parameter", ("ignore",), ("refuse",)),
    "a nil": ("empty-parameter", ("absent",), ("as-is",)),
    "a date of type string": ("value-typing", ("text",), ("typed",)),
    "a reversed period": ("reversed-period", ("empty",), ("refuse",)),
    "no PeriodFrom": ("period-from", ("optional", "required-by-day"), ()),
    "a header that must be understood": ("must-understand", ("ignore",), ("fault",)),
    "a second element of the Body": ("body-elements", ("first",), ("fault",)),
}
_CODES: Final = {
    "a parameter of another name": "code-unknown-parameter",
    "a parameter twice": "code-duplicate-parameter",
    "a date that is none": "code-wrong-type",
    "a UUID that is none": "code-bad-uuid",
    "a CallResult of another number": "code-wrong-value",
    "a period of more than seven days": "code-period-too-long",
}
_FAULTS: Final = {
    "a header that must be understood": ("MustUnderstand",),
    "a second element of the Body": ("Client", "Sender"),
}
_OTHER: Final = "something else"
# Where one of these is there, a refusal may be about it.
_DOUBTS: Final = frozenset({"a UUID", "no PeriodTo", "no PeriodFrom"})
_ZONES: Final = range(2, 13)  # hours that a service in Russia may be ahead of UTC


def find_request_sightings(exchange: WireExchange) -> Iterator[Sighting]:
    answer = parse_answer(exchange.response, exchange.status)
    try:
        message = envelope.read_message(exchange.request)
    except SoapError:
        return
    operation = contract.load_operations().get(message.operation)
    if answer is None or operation is None or answer.code == OUT_OF_LIMIT[0]:
        return
    if message.namespace == SOAP12 and answer.fault == "Sender":
        shown = f"a Fault of the sender: {exchange.status}"
        yield from see("onec.sender-fault-status", str(exchange.status), shown)
    if answer.succeeded and operation.columns_choice:
        yield from _decide_columns(exchange, operation)
    unusual = set(_list_unusual(message, operation))
    ways = unusual & (_CHOICES.keys() | _CODES.keys())
    if len(ways) == 1 and _OTHER not in unusual:
        yield from _decide_unusual(ways.pop(), answer, bool(unusual & _DOUBTS))
    if operation.name == HISTORY_OPERATION and answer.rows:
        yield from _decide_offset(_read_times(message), answer)


def _decide_columns(exchange: WireExchange, operation: ServedOperation) -> Iterator[Sighting]:
    """A column is taken to show the field that it is called by."""
    data = read_answer(exchange.response).get("ResultData")
    if not isinstance(data, ValueTable):
        return
    id = operation.columns_choice
    choice = ", ".join(map(describe_column, data.columns))
    try:
        parse_columns(choice, load_ledger()[id].fields)
    except SettingsError:
        return
    yield from see(id, choice, f"the columns of {operation.name}")


def _decide_unusual(way: str, answer: OnecAnswer, in_doubt: bool) -> Iterator[Sighting]:
    shown = f"{way}: {answer.fault or answer.code}"
    faults = _FAULTS.get(way, ("",))
    if not answer.succeeded and (in_doubt or answer.fault not in faults):
        return
    if way in _CHOICES:
        name, accepted, refused = _CHOICES[way]
        yield from see(f"onec.{name}", accepted if answer.succeeded else refused, shown)
    # Any other text may be a mask.
    if way in _CODES and not answer.succeeded and has_form("code", answer.code):
        yield from see(f"onec.{_CODES[way]}", answer.code, "the code of a refusal")


def _decide_offset(times: Mapping[str, datetime], answer: OnecAnswer) -> Iterator[Sighting]:
    """Of a period with an offset: rows are of its clock's times, or of the service's."""
    if not {"PeriodFrom", "PeriodTo"} <= times.keys():
        return
    begin, end = times["PeriodFrom"], times["PeriodTo"]
    offset = begin.utcoffset()
    if offset is None or offset != end.utcoffset():
        return
    first = begin.replace(tzinfo=None)
    last = end.replace(tzinfo=None) + _LATEST
    found = [row.get("CallTime") for row in answer.rows]
    shown = [time for time in found if isinstance(time, datetime) and time != EMPTY_DATE]
    if any(not first <= time <= last for time in shown):
        yield from see("onec.offset-dates", "convert", "calls at other times than the period's")
    shifts = [abs(timedelta(hours=zone) - offset) for zone in _ZONES]
    if shown and all(first <= time <= last for time in shown) and min(shifts) > last - first:
        yield from see("onec.offset-dates", "drop", "calls at the times of the period")


def _list_unusual(message: envelope.SoapMessage, operation: ServedOperation) -> Iterator[str]:
    if message.find_unsupported_header():
        yield "a header that must be understood"
    if message.extra_body_elements:
        yield "a second element of the Body"
    names = []
    for element in message.payload.iter(PROPERTY):
        name = element.get("name", "").strip()
        parameter = operation.parameters.get(name)
        names.append(name)
        if parameter is None:
            # Under a mask, another spelling of a parameter's name has the same length.
            same = any(len(known) == len(name) for known in operation.parameters)
            yield _OTHER if same else "a parameter of another name"
        elif not len(element):
            yield _OTHER
        else:
            yield from _list_unusual_values(element[0], parameter.type, parameter.values)
    if len(names) != len(set(names)):
        yield "a parameter twice"
    if operation.name == HISTORY_OPERATION:
        yield from _list_unusual_periods(_read_times(message), set(names))


def _list_unusual_values(
    value: etree._Element, kind: str, values: tuple[int, ...]
) -> Iterator[str]:
    text = (value.text or "").strip()
    if value.get(XSI_NIL, "").strip() in ("true", "1"):
        yield "a nil" if kind == "dateTime" else _OTHER
        return
    if not text or len(value):
        yield _OTHER
        return
    try:
        written = value.get(XSI_TYPE)
        type_name = resolve_name(value, written, "Value") if written else ""
    except BadValue:
        type_name = "?"
    if kind == "dateTime":
        if type_name not in ("", *_TIME_TYPES):
            is_text = type_name == f"{{{XS}}}string" and _read_time(text) is not None
            yield "a date of type string" if is_text else _OTHER
        elif _read_time(text) is None:
            yield _OTHER if text[:1].isdigit() else "a date that is none"
    elif kind == "uuid":
        if type_name not in ("", f"{{{XS}}}string"):
            yield _OTHER
        else:
            yield "a UUID" if UUID.fullmatch(text) else "a UUID that is none"
    elif type_name not in ("", f"{{{XS}}}decimal") or (number := parse_natural(text)) is None:
        yield _OTHER
    elif values and number not in values:
        yield "a CallResult of another number"


def _list_unusual_periods(times: Mapping[str, datetime], names: set[str]) -> Iterator[str]:
    begin, end = times.get("PeriodFrom"), times.get("PeriodTo")
    yield from (f"no {name}" for name in ("PeriodFrom", "PeriodTo") if name not in names)
    if begin is None or end is None:
        return
    if begin.tzinfo is not None or end.tzinfo is not None:
        yield _OTHER
    elif end < begin:
        yield "a reversed period"
    elif end - begin > _LONGEST:
        yield "a period of more than seven days"


def _read_times(message: envelope.SoapMessage) -> dict[str, datetime]:
    """Of the parameters that can be read as one."""
    found = {}
    for element in message.payload.iter(PROPERTY):
        if len(element) and (time := _read_time((element[0].text or "").strip())) is not None:
            found[element.get("name", "").strip()] = time
    return found


def _read_time(text: str) -> datetime | None:
    try:
        day = None if "T" in text else read_date(text)
        return datetime.combine(day, time()) if day else read_datetime(text)
    except ValueError:
        return None
