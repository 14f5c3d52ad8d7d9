"""What is measured: requests a user makes, and the answers callmocks gave when they were recorded.

All cases look at one working day of the default world, with the clock standing a week later, so
that every answer to a request has the same bytes and a stub can repeat them.
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from benchmarks.processes import BenchError

NOW = "2026-03-10T12:00:00"
DAY = ("2026-03-02 00:00:00", "2026-03-02 23:59:59")
MONTH = ("2026-02-01 00:00:00", "2026-03-02 23:59:59")
TITLES = {
    "cdr-1": "CDR, 1 row by call_session_id",
    "cdr-100": "CDR, first 100 rows of a day",
    "cdr-30-days": "CDR, filter + sort over 30 days, 100 rows, another filter each time",
    "cdr-30-days-again": "CDR, the same with the same filter (the next page)",
    "onec-1": "1C, 1 row",
    "onec-100": "1C, 100 rows",
    "arm-50": "ARM, frame of 50 rows, the newest again and again",
    "arm-50-pages": "ARM, frame of 50 rows, another page each time",
}
NAMES = tuple(TITLES)
_FILTERS = 1500
"""Different filters of ``cdr-30-days``; more than a run of the benchmark repeats quickly."""
_PAGES = 1000
"""Different pages of ``arm-50-pages``; more than the workplace remembers."""
_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:par="http://buhphone.com/PartnerWebAPI2" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soap:Body>'
    "<par:{0}><par:Params>{1}</par:Params></par:{0}></soap:Body></soap:Envelope>"
)
_PROPERTY = (
    '<Property xmlns="http://v8.1c.ru/8.1/data/core" name="{}">'
    '<Value xsi:type="xs:{}">{}</Value></Property>'
)


@dataclass(frozen=True)
class Case:
    """Requests, and the recorded answer to the first of them."""

    name: str
    path: str
    headers: dict[str, str]
    bodies: tuple[bytes, ...]
    transport: str = "http"
    answer: bytes = b""
    content_type: str = ""
    expectations: tuple[Case, ...] = ()
    """What a peer at the same job holds for this path, this case among them; see same_job.py."""

    @property
    def provider(self) -> str:
        """``arm``, ``cdr`` or ``onec``."""
        return self.name.partition("-")[0]


def cdr_request(method: str, **params: Any) -> bytes:
    whole = {"access_token": "demo-token", **params}
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": whole}
    return json.dumps(request, separators=(",", ":")).encode()


def cdr_case(name: str, *bodies: bytes) -> Case:
    return Case(name, "/v2.0", {"Content-Type": "application/json"}, bodies)


def legs_between(window: tuple[str, str], **params: Any) -> bytes:
    method = "get.call_legs_report"
    return cdr_request(method, date_from=window[0], date_till=window[1], **params)


def longest_legs(seconds: int, window: tuple[str, str] = MONTH, limit: int = 100) -> bytes:
    """The longest operators' legs of a window among those longer than some seconds."""
    filters = [
        {"field": "is_operator", "operator": "=", "value": True},
        {"field": "total_duration", "operator": ">", "value": seconds},
    ]
    order = [{"field": "total_duration", "order": "desc"}]
    both = {"filters": filters, "condition": "and"}
    return legs_between(window, limit=limit, filter=both, sort=order)


def onec_case(name: str, begin: datetime, end: datetime) -> Case:
    """A case of 1C: the calls of a period."""
    return onec_call(name, "GetHistoryOfServiceCalls", PeriodFrom=begin, PeriodTo=end)


def onec_call(name: str, operation: str, **parameters: datetime | int) -> Case:
    properties = "".join(
        _PROPERTY.format(key, "dateTime", value.isoformat())
        if isinstance(value, datetime)
        else _PROPERTY.format(key, "decimal", value)
        for key, value in parameters.items()
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", **_basic_auth("demo")}
    body = _SOAP.format(operation, properties).encode()
    return Case(name, "/cus/ws/PartnerWebAPI2", headers, (body,))


def arm_case(name: str, offsets: Iterable[int], limit: int = 50) -> Case:
    """A case of the workplace: so many of an operator's calls in a frame, newest first."""
    frames = tuple(
        history_frame({"limit": str(limit), "offset": str(offset)}) for offset in offsets
    )
    return Case(name, "/demo/service/cc/arm", _basic_auth("101"), frames, "frame")


def history_frame(attributes: dict[str, str]) -> bytes:
    filters = {"_name": "filters", "_attributes": attributes}
    request = {"_name": "request", "_content": [filters]}
    body = json.dumps([{"_name": "in", "_content": [request]}], separators=(",", ":")).encode()
    return b"01%010d0001%-32b" % (48 + len(body), b"operator_call_history") + body


def record_cases(ports: dict[str, int], names: tuple[str, ...] = NAMES) -> list[Case]:
    """The cases of those names with what a running callmocks answers them."""
    return [record_answer(case, ports) for case in _make_cases(ports, names)]


def fetch_answer(case: Case, port: int, path: str = "") -> tuple[int, str, bytes]:
    """Status, content type and body of the answer to a case's first request over HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path or case.path, case.bodies[0], case.headers)
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", ""), response.read()
    finally:
        connection.close()


def _make_cases(ports: dict[str, int], names: tuple[str, ...]) -> Iterator[Case]:
    makers = {
        "cdr-1": lambda name: cdr_case(
            name, legs_of_session(find_one_leg_sessions(ports["cdr"])[0])
        ),
        "cdr-100": lambda name: cdr_case(name, legs_between(DAY, limit=100)),
        "cdr-30-days": lambda name: cdr_case(name, *map(longest_legs, range(20, 20 + _FILTERS))),
        "cdr-30-days-again": lambda name: cdr_case(name, longest_legs(20)),
        "onec-1": lambda name: onec_case(name, *find_period(ports["onec"], 1)),
        "onec-100": lambda name: onec_case(name, *find_period(ports["onec"], 100)),
        "arm-50": lambda name: arm_case(name, (0,)),
        "arm-50-pages": lambda name: arm_case(name, range(_PAGES)),
    }
    for name in names:
        yield makers[name](name)


def legs_of_session(session: int) -> bytes:
    same_id = {"field": "call_session_id", "operator": "=", "value": session}
    return legs_between(DAY, filter=same_id)


def find_one_leg_sessions(port: int) -> list[int]:
    """Ids of the day's sessions that have one leg."""
    body = fetch_answer(cdr_case("day", legs_between(DAY, limit=1000)), port)[2]
    sessions = [row["call_session_id"] for row in json.loads(body)["result"]["data"]]
    return [number for number in sessions if sessions.count(number) == 1]


def find_period(port: int, rows: int) -> tuple[datetime, datetime]:
    """A period that holds exactly so many calls of the day."""
    first = datetime.fromisoformat(DAY[0]) + timedelta(hours=9)
    for begin in (first + timedelta(minutes=minute) for minute in range(60)):
        low, high = 1, 36_000  # seconds; more of them never hold fewer calls
        while low < high:
            middle = (low + high) // 2
            case = onec_case("period", begin, begin + timedelta(seconds=middle))
            low, high = (low, middle) if _count_rows(case, port) >= rows else (middle + 1, high)
        end = begin + timedelta(seconds=low)
        if _count_rows(onec_case("period", begin, end), port) == rows:
            return begin, end
    raise BenchError(f"no period of the day has exactly {rows} calls")


def _count_rows(case: Case, port: int) -> int:
    return fetch_answer(case, port)[2].count(b"<row>")


def record_answer(case: Case, ports: dict[str, int]) -> Case:
    port = ports[case.provider]
    if case.transport == "frame":
        return replace(case, answer=fetch_frame(case, port))
    status, content_type, body = fetch_answer(case, port)
    if status != 200 or b'"error"' in body[:200]:
        raise BenchError(f"{case.name}: callmocks answered {status} {body[:300]!r}")
    return replace(case, answer=body, content_type=content_type)


def fetch_frame(case: Case, port: int) -> bytes:
    """The answer to a frame, by an ordinary websocket client."""
    from websockets.sync.client import connect

    url = f"ws://127.0.0.1:{port}{case.path}"
    with connect(url, additional_headers=case.headers, compression=None) as socket:
        socket.send(case.bodies[0].decode())
        answer = socket.recv(timeout=60)
    whole = answer.encode() if isinstance(answer, str) else answer
    if whole[16:19] != b"200":
        raise BenchError(f"{case.name}: callmocks answered {whole[:200]!r}")
    return whole


def _basic_auth(user: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:demo".encode()).decode()}
