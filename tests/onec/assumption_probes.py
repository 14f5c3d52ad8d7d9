"""What shows the effect of each assumption, and its result for each choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import requests

from callmocks.contract.assumptions import load_ledger
from callmocks.onec import EMPTY_DATE, read_answer
from callmocks.onec.contract import ServedOperation, load_operations
from tests.onec.conftest import (
    DAY,
    NIGHT,
    SOAP11,
    SOAP12,
    Client,
    make_call,
    make_envelope,
    make_history_call,
    make_parameter,
    make_property,
    make_value,
)

MINE = {name: entry for name, entry in load_ledger().items() if entry.provider == "onec"}
LONG = make_history_call(PeriodFrom="2026-02-01T00:00:00")
SHORT = make_history_call(PeriodFrom="2026-03-02T00:00:00", PeriodTo="2026-03-02T00:01:00")
EXACT = "2026-02-24T12:00:00"
STRANGER = "00000000-0000-4000-8000-000000000001"
OTHER = "SOMETHING_ELSE"
OTHER_COLUMNS = "Gone=Deleted string, ID=none string(40)?"

Probe = Callable[[Client], object]
PROBES: dict[str, tuple[dict[str, Any], Probe, dict[str, object]]] = {}
"""By assumption: settings of the tenant, the probe, and its result for each choice."""


def probe(name: str, expected: dict[str, object], **settings: Any) -> Callable[[Probe], Probe]:
    """Register what shows an assumption's effect."""

    def register(observe: Probe) -> Probe:
        PROBES[name] = (settings, observe, expected)
        return observe

    return register


def pin_calls(client: Client, *starts: str, **more: Any) -> None:
    for start in starts:
        client.tenant.history.pins.add({"start": start, "talk_seconds": 30, **more})


def read_call_times(client: Client, **parameters: Any) -> list[str]:
    """Minute and second of the calls' answers."""
    return [
        f"{record['CallTime']:%M:%S}" for record in client.records(make_history_call(**parameters))
    ]


@probe(
    "onec.day-hours",
    {
        "08:00-20:00": "010", "07:00-19:00": "110", "08:00-18:00": "010", "08:00-22:00": "011",
        "09:00-18:00": "000", "09:00-21:00": "001", "07:00-23:00": "111", "always": "111",
        "never": "000",
    },
)  # fmt: skip
def _day_hours(client: Client) -> object:
    results = ""
    for clock in ("07:30", "08:30", "20:30"):
        client.tenant.clock.freeze(datetime.fromisoformat(f"2026-03-03T{clock}:00"))
        period = make_history_call(PeriodFrom="2026-02-01T00:00:00", PeriodTo="2026-02-10T00:00:00")
        results += "1" if client.code(period) == "PERIOD_TOO_LONG" else "0"
    return results


@probe(
    "onec.day-clock",
    {"tenant": "PARAM_NOT_EXIST", "Europe/Moscow": "SUCCESS"},
    now="2026-03-03T09:30:00",
    timezone="Asia/Yekaterinburg",
    world="empty",
)
def _day_clock(client: Client) -> object:
    return client.code(make_history_call())


@probe(
    "onec.quota-hour",
    {"clock": ["SUCCESS", "OUT_OF_LIMIT"], "from-first-call": ["OUT_OF_LIMIT", "SUCCESS"]},
    now="2026-03-03T12:50:00",
    limits="documented",
)
def _quota_hour(client: Client) -> object:
    for _ in range(10):
        assert client.code(SHORT) == "SUCCESS"
    client.tenant.clock.freeze(datetime(2026, 3, 3, 13, 40))
    soon = client.code(SHORT)
    for _ in range(9):
        client.code(SHORT)
    client.tenant.clock.freeze(datetime(2026, 3, 3, 13, 50))
    return [soon, client.code(SHORT)]


@probe(
    "onec.quota-counts",
    {"every-call": "OUT_OF_LIMIT", "answered": "SUCCESS"},
    now=DAY,
    limits="documented",
)
def _quota_counts(client: Client) -> object:
    for _ in range(10):
        client.code(make_history_call())
    code = client.code(SHORT)
    for _ in range(9):
        client.code(SHORT)
    assert client.code(SHORT) == "OUT_OF_LIMIT"
    return code


def register_columns_probe(operation: ServedOperation) -> None:
    name = operation.columns_choice

    @probe(name, {MINE[name].default: operation.columns.specs[0].name, "*": "Gone"})
    def _columns(client: Client) -> object:
        return client.table(make_call(operation.name)).columns[0].name


for _operation in load_operations().values():
    if _operation.columns_choice:
        register_columns_probe(_operation)


@probe("onec.vendor-clients", {"named": True, "absent": False})
def _vendor_clients(client: Client) -> object:
    directory = client.tenant.history.directory
    found = {row["ClientID"] for row in client.read("ClientRead")}
    users = {row["ServiceUserID"] for row in client.read("UserServiceLineRead")}
    assert found >= {each.client_id for each in directory.organisations}
    known = found.issuperset(directory.vendor_clients)
    assert known == users.issuperset(directory.vendor_users)
    return known


def read_morning(client: Client, **parameters: Any) -> list[dict[str, Any]]:
    begin, end = "2026-03-02T09:00:00", "2026-03-02T12:00:00"
    return client.records(make_history_call(PeriodFrom=begin, PeriodTo=end, **parameters))


@probe("onec.failed-duration", {"zero": True, "whole-call": False})
def _failed_duration(client: Client) -> object:
    return all(row["Duration"] == 0 for row in read_morning(client, CallResult=2))


@probe("onec.failed-callee", {"last-rung": [True, True], "nil": [False, False]})
def _failed_callee(client: Client) -> object:
    specialists = {each.specialist_id for each in client.tenant.history.directory.operators}
    named = {row["CalleeID"] for row in read_morning(client, CallResult=2)} & specialists
    selected = [read_morning(client, CallResult=2, SpecialistID=each) for each in specialists]
    sides = {row["CalleeID"] for rows in selected for row in rows} & specialists
    return [bool(named), bool(sides)]


@probe(
    "onec.unknown-callers",
    {"nil-ids": (True, False), "with-line": (True, True), "absent": (False, False)},
)
def _unknown_callers(client: Client) -> object:
    rows = [row for row in read_morning(client) if row["ServiceUserID"] is None]
    assert all(row["ClientID"] is None and row["CallerID"] is None for row in rows)
    lines = {each.service_id for each in client.tenant.history.directory.lines}
    return bool(rows), bool(rows) and all(row["ServiceID"] in lines for row in rows)


@probe("onec.body-elements", {"first": 200, "fault": 400})
def _body_elements(client: Client) -> object:
    one = "<par:DepartmentRead><par:Params/></par:DepartmentRead>"
    return client.post(make_envelope(one + one)).status_code


@probe("onec.request-encoding", {"declared": "'ы'", "charset": "'СЛ'"})
def _request_encoding(client: Client) -> object:
    text = make_call("ClientUserRead", make_parameter("ClientID", "СЛ")).decode()
    body = f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()
    if client.tenant.assumptions.choices["onec.request-encoding"] == "declared":
        body = body.replace("СЛ".encode(), "ы".encode())
        headers = {"Content-Type": "text/xml; charset=windows-1251"}
    else:
        body = f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode("cp1251")
        headers = {"Content-Type": "text/xml; charset=windows-1251"}
    reason = read_answer(client.post(body, headers=headers).content)["ResultData"]
    return str(reason).rpartition("got ")[2]


@probe("onec.version-mismatch", {"VersionMismatch": True, "Client": False})
def _version_mismatch(client: Client) -> object:
    return b":VersionMismatch<" in client.post(make_envelope("<x/>", "urn:soap")).content


@probe("onec.sender-fault-status", {"400": [400, 500], "500": [500, 500]})
def _sender_fault_status(client: Client) -> object:
    return [client.post(make_call("Nothing", version=v)).status_code for v in (SOAP12, SOAP11)]


@probe("onec.realm", {"1C:Enterprise": "1C:Enterprise", "*": OTHER})
def _realm(client: Client) -> object:
    answer = client.post(b"", auth=(client.tenant.name, "wrong"))
    assert answer.status_code == 401
    return re.findall(r'^Basic realm="([^"]*)"$', answer.headers["WWW-Authenticate"])[0]


@probe("onec.answer-layout", {"indented": b"\r\n\t<soap:Body>\r\n", "compact": b"<soap:Body>"})
def _answer_layout(client: Client) -> object:
    found = re.search(rb"\s*<soap:Body>\s*", client.post(SHORT).content)
    assert found is not None
    return found[0].rstrip(b"\t")


@probe(
    "onec.read-limits",
    {"as-client-read": "OUT_OF_LIMIT", "none": "SUCCESS"},
    now=DAY,
    limits="documented",
    world="empty",
)
def _read_limits(client: Client) -> object:
    for _ in range(250):
        client.post(make_call("DepartmentRead"))
    return client.code(make_call("DepartmentRead"))


@probe(
    "onec.period-from",
    {"required-by-day": "10", "required": "11", "optional": "00"},
    world="empty",
)
def _period_from(client: Client) -> object:
    client.tenant.assumptions.set_choice("onec.missing-period-from", "seven-days-before")
    results = ""
    for now in (DAY, NIGHT):
        client.tenant.clock.freeze(datetime.fromisoformat(now))
        results += "1" if client.code(make_history_call()) == "PARAM_NOT_EXIST" else "0"
    return results


@probe(
    "onec.missing-period-from",
    {"beginning": ["01:00", "02:00"], "seven-days-before": ["02:00"]},
    world="empty",
)
def _missing_period_from(client: Client) -> object:
    pin_calls(client, "2026-01-10T12:00:50", "2026-03-01T12:01:50", wait_seconds=10)
    return read_call_times(client, PeriodTo="2026-03-03T00:00:00")


@probe(
    "onec.missing-period-to",
    {"now": ["01:00", "02:00"], "seven-days-after": ["01:00"]},
    world="empty",
)
def _missing_period_to(client: Client) -> object:
    pin_calls(client, "2026-01-10T12:00:50", "2026-03-01T12:01:50", wait_seconds=10)
    return read_call_times(client, PeriodFrom="2026-01-10T00:00:00")


@probe(
    "onec.period-bounds",
    {
        "from-included": ["00:01", "30:01"],
        "both-included": ["00:01", "30:01", "00:01"],
        "both-excluded": ["30:01"],
        "to-included": ["30:01", "00:01"],
    },
    world="empty",
)
def _period_bounds(client: Client) -> object:
    starts = (f"2026-03-01T{clock}:00.400" for clock in ("12:00", "12:30", "13:00"))
    pin_calls(client, *starts, wait_seconds=1)
    return read_call_times(client, PeriodFrom="2026-03-01T12:00:00", PeriodTo="2026-03-01T13:00:00")


@probe("onec.reversed-period", {"empty": "SUCCESS", "refuse": "PARAM_WRONG_VALUE"}, world="empty")
def _reversed_period(client: Client) -> object:
    return client.code(make_history_call(PeriodFrom=DAY, PeriodTo=EXACT))


@probe(
    "onec.failed-call-time",
    {"attempt": datetime(2026, 2, 24, 12), "empty-date": EMPTY_DATE},
    world="empty",
)
def _failed_call_time(client: Client) -> object:
    client.tenant.history.pins.add({"start": EXACT, "operator": "101", "answered": False})
    (record,) = client.records(make_history_call())
    assert record["CallResult"] == 2
    return record["CallTime"]


@probe(
    "onec.row-order",
    {
        "call-start": ["05:00", "01:30", "02:20"],
        "call-start-descending": ["02:20", "01:30", "05:00"],
        "call-time": ["01:30", "02:20", "05:00"],
    },
    world="empty",
)
def _row_order(client: Client) -> object:
    pin_calls(client, "2026-03-01T12:00:00", wait_seconds=300, operator="101")
    pin_calls(client, "2026-03-01T12:01:00", wait_seconds=30, operator="102")
    pin_calls(client, "2026-03-01T12:02:00", wait_seconds=20, operator="103")
    return read_call_times(client)


@probe("onec.unknown-uuid", {"empty": "SUCCESS", "refuse": "PARAM_WRONG_UUID"})
def _unknown_uuid(client: Client) -> object:
    line = client.tenant.history.directory.lines[0].service_id
    assert client.code(make_history_call(PeriodFrom=NIGHT, ServiceID=line)) == "SUCCESS"
    return client.code(make_history_call(PeriodFrom=NIGHT, ClientID=STRANGER))


@probe("onec.unknown-parameter", {"refuse": "PARAM_UNKNOWN", "ignore": "SUCCESS"})
def _unknown_parameter(client: Client) -> object:
    return client.code(make_call("DepartmentRead", make_parameter("Colour", "red")))


@probe("onec.parameter-case", {"exact": "PARAM_UNKNOWN", "any": "SUCCESS"}, now=DAY)
def _parameter_case(client: Client) -> object:
    since = make_property("PERIODFROM", make_value("xs:dateTime", "2026-03-03T00:00:00"))
    return client.code(make_call("GetHistoryOfServiceCalls", since))


@probe("onec.empty-parameter", {"absent": "SUCCESS", "as-is": "PARAM_WRONG_TYPE"})
def _empty_parameter(client: Client) -> object:
    return client.code(
        make_call("DepartmentRead", make_property("ChangedFrom", '<Value xsi:nil="true"/>'))
    )


@probe("onec.value-typing", {"typed": "PARAM_WRONG_TYPE", "text": "SUCCESS"})
def _value_typing(client: Client) -> object:
    since = make_property("ChangedFrom", make_value("xs:string", "2026-01-01T00:00:00"))
    return client.code(make_call("DepartmentRead", since))


@probe("onec.offset-dates", {"convert": ["00:10"], "drop": []}, world="empty")
def _offset_dates(client: Client) -> object:
    pin_calls(client, "2026-03-01T12:00:00", wait_seconds=10)
    return read_call_times(
        client, PeriodFrom="2026-03-01T13:00:00+05:00", PeriodTo="2026-03-01T13:00:00"
    )


@probe("onec.changed-times", {"yearly": 3, "at-creation": 0})
def _changed_times(client: Client) -> object:
    return len(client.read("DepartmentRead", ChangedFrom="2025-03-03T02:30:00"))


@probe("onec.must-understand", {"fault": 500, "ignore": 200})
def _must_understand(client: Client) -> object:
    header = '<soap:Header><x:S xmlns:x="urn:x" soap:mustUnderstand="1"/></soap:Header>'
    inside = "<par:DepartmentRead><par:Params/></par:DepartmentRead>"
    return client.post(make_envelope(inside, SOAP12, header)).status_code


@probe("onec.wsdl-access", {"open": 200, "basic": 401})
def _wsdl_access(client: Client) -> object:
    wrong = (client.tenant.name, "wrong")
    return requests.get(f"{client.url}?wsdl", auth=wrong, timeout=30).status_code


@probe("onec.body-limit", {"64 MiB": "101", "1 MiB": "000", "16 MiB": "100"})
def _body_limit(client: Client) -> object:
    comment = b"<!--" + b"-".ljust(250_000) + b"-->"
    results = ""
    for mebibytes in (2, 65, 17):
        body = make_call("DepartmentRead") + comment * (mebibytes * 1024 * 1024 // len(comment) + 1)
        results += "1" if client.post(body).status_code == 200 else "0"
    return results


def register_code_probe(name: str, code: str, body: bytes, now: str = NIGHT) -> None:
    """An assumption that is nothing but a ResultCode."""
    settings = {"now": now, "world": "empty"}
    PROBES[name] = (settings, lambda client: client.code(body), {code: code, "*": OTHER})


register_code_probe("onec.code-missing-parameter", "PARAM_NOT_EXIST", make_history_call(), DAY)
register_code_probe(
    "onec.code-unknown-parameter",
    "PARAM_UNKNOWN",
    make_call("ClientRead", make_parameter("Colour", 1)),
)
register_code_probe("onec.code-duplicate-parameter", "PARAM_DUPLICATE",
      make_call("ClientUserRead", make_parameter("ClientID", STRANGER) * 2))  # fmt: skip
register_code_probe("onec.code-wrong-type", "PARAM_WRONG_TYPE", make_history_call(CallResult="x"))
register_code_probe("onec.code-bad-uuid", "PARAM_WRONG_UUID", make_history_call(ClientID="x"))
register_code_probe("onec.code-wrong-value", "PARAM_WRONG_VALUE", make_history_call(CallResult=3))
register_code_probe("onec.code-period-too-long", "PERIOD_TOO_LONG", LONG, DAY)


@probe(
    "onec.code-too-many-rows", {"TOO_MANY_ROWS": "TOO_MANY_ROWS", "*": OTHER}, calls_per_day=5000
)
def _too_many_rows(client: Client) -> object:
    answer = client.answer(make_history_call(PeriodFrom="2020-01-01T00:00:00"))
    assert "2000000 rows" in str(answer["ResultData"])
    return answer["ResultCode"]
