"""The same job: twelve expectations on the provider's own path, told apart by the body.

The asked request stands at a seeded place among eleven others that a client of the provider sends
as well: other methods or operations, other ids, other windows. A mock server tries its expectations
in order, so the place decides what the answer costs it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from lxml import etree

from benchmarks.cases import (
    DAY,
    Case,
    cdr_case,
    cdr_request,
    fetch_answer,
    find_one_leg_sessions,
    find_period,
    legs_between,
    legs_of_session,
    onec_call,
    onec_case,
    record_answer,
)
from benchmarks.processes import BenchError

SEED = 22
EXPECTATIONS = 12
NAMES = ("cdr-1", "cdr-100", "onec-1", "onec-100")
"""The cases that peers are given."""
NAMESPACES = {
    "soap": "http://schemas.xmlsoap.org/soap/envelope/",
    "par": "http://buhphone.com/PartnerWebAPI2",
    "core": "http://v8.1c.ru/8.1/data/core",
}


def add_expectations(case: Case, ports: dict[str, int]) -> Case:
    """The case with the twelve expectations, their answers recorded."""
    if case.name not in NAMES:
        return case
    find = _find_cdr_requests if case.provider == "cdr" else _find_onec_requests
    others = [record_answer(other, ports) for other in find(ports[case.provider])]
    others = [other for other in others if other.bodies != case.bodies]
    chosen = random.Random(f"{SEED} {case.name}")
    chosen.shuffle(others)
    place = chosen.randrange(EXPECTATIONS)
    expectations = (*others[:place], case, *others[place:])
    if len(expectations) != EXPECTATIONS:
        raise BenchError(f"{case.name}: {len(expectations)} expectations, not {EXPECTATIONS}")
    return replace(case, expectations=expectations)


def place_of(case: Case) -> int:
    """Place of the asked request among the expectations, counted from 1."""
    return next(n for n, each in enumerate(case.expectations, 1) if each.bodies == case.bodies)


def _find_cdr_requests(port: int) -> list[Case]:
    sessions = find_one_leg_sessions(port)
    days = [(f"2026-03-0{day} 00:00:00", f"2026-03-0{day} 23:59:59") for day in (3, 4, 5)]
    day = {"date_from": DAY[0], "date_till": DAY[1]}
    bodies = [
        cdr_request("get.account"),
        cdr_request("get.employees", limit=100),
        cdr_request("get.virtual_numbers", limit=100),
        cdr_request("get.calls_report", **day, limit=100),
        cdr_request("get.calls_report", **day, filter=_by_id(sessions[0])),
        *(legs_of_session(session) for session in sessions[:3]),
        *(legs_between(window, limit=100) for window in (DAY, *days[:2])),
        legs_between(days[2], limit=50, offset=100),
    ]
    return [cdr_case(f"cdr-other-{number}", body) for number, body in enumerate(bodies)]


def _by_id(session: int) -> dict[str, Any]:
    return {"field": "id", "operator": "=", "value": session}


def _find_onec_requests(port: int) -> list[Case]:
    changed, history = datetime(2026, 1, 1), "GetHistoryOfServiceCalls"
    hours = [
        (datetime(2026, 3, day, begin), datetime(2026, 3, day, end))
        for day, begin, end in ((3, 9, 12), (4, 9, 12), (5, 8, 20), (6, 8, 20))
    ]
    name = "onec-other"
    cases = [
        onec_call(name, "ClientRead", ChangedFrom=changed),
        onec_call(name, "ClientUserRead", ChangedFrom=changed),
        onec_call(name, "SpecialistRead", ChangedFrom=changed),
        onec_call(name, "DepartmentRead", ChangedFrom=changed),
        onec_call(name, "ServiceLineKindRead"),
        onec_call(name, "UserServiceLineRead"),
        *(onec_case(name, *find_period(port, rows)) for rows in (1, 100)),
        *(onec_case(name, begin, end) for begin, end in hours[:2]),
        *(
            onec_call(name, history, PeriodFrom=begin, PeriodTo=end, CallResult=result)
            for result, (begin, end) in enumerate(hours[2:], 1)
        ),
    ]
    return [replace(case, name=f"{name}-{number}") for number, case in enumerate(cases)]


def told_apart_json(case: Case) -> dict[str, Any]:
    """What of a JSON-RPC request tells it from others: its method and parameters."""
    request = json.loads(case.bodies[0])
    params = {key: value for key, value in request["params"].items() if key != "access_token"}
    return {"method": request["method"], **({"params": params} if params else {})}


def json_leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path, as ``.params.limit``, and value of everything in an object."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from json_leaves(inner, f"{path}.{key}")
    else:
        yield path, value


def soap_parameters(case: Case) -> tuple[str, dict[str, str]]:
    """Operation and parameters of a SOAP request."""
    body = etree.fromstring(case.bodies[0]).find("soap:Body", NAMESPACES)
    assert body is not None
    operation = body[0]
    values = {
        prop.get("name", ""): prop.findtext("core:Value", "", NAMESPACES)
        for prop in operation.iterfind("par:Params/core:Property", NAMESPACES)
    }
    return etree.QName(operation).localname, values


def soap_xpath(case: Case) -> str:
    """An XPath that finds the operation element when its parameters are those of the request."""
    operation, values = soap_parameters(case)
    path = f"/soap:Envelope/soap:Body/par:{operation}"
    conditions = "".join(
        f"[core:Property[@name='{name}']/core:Value='{value}']" for name, value in values.items()
    )
    return f"{path}[par:Params{conditions}]" if conditions else path


def check_answers(
    case: Case,
    name: str,
    address: tuple[int, str],
    is_answer: Callable[[Case, bytes], bool],
) -> None:
    """Ask for all twelve, and for one that is not among them; ``BenchError`` at a wrong answer."""
    port, path = address
    for place, expected in enumerate(case.expectations, 1):
        status, _, body = fetch_answer(expected, port, path)
        if status != 200 or not is_answer(expected, body):
            raise BenchError(f"{name}: expectation {place} of {case.name}: {status} {body[:200]!r}")
        if expected.bodies != case.bodies and is_answer(case, body):
            raise BenchError(f"{name}: expectation {place} has the answer of {case.name}")
    unknown = make_unknown_request(case)
    _, _, body = fetch_answer(unknown, port, path)
    if any(is_answer(expected, body) for expected in case.expectations):
        raise BenchError(f"{name}: a request it was not told of has an answer: {body[:200]!r}")


def make_unknown_request(case: Case) -> Case:
    """The case's request with another day, which no expectation has."""
    body = case.bodies[0].replace(b"2026-03-02", b"2026-03-12")
    assert body != case.bodies[0]
    return replace(case, bodies=(body,))
