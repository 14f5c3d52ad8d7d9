"""All operations at the documented maxima, and requests beyond them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from websockets.sync.client import connect

from callmocks.arm import frames
from tests.control.server_client import basic

WORLD = """
calls_per_day = 200_000
[sizes]
operators = 800
groups = 100
departments = 100
lines = 100
scenarios = 100
organisations = 5000
users = [50, 50]
"""
LISTED_WORLD = {
    **{
        kind: [{"name": str(number)} for number in range(100)] for kind in ("groups", "departments")
    },
    "scenarios": [{"name": str(number)} for number in range(100)],
    "lines": [{"scenario": str(number), "night_scenario": "99"} for number in range(100)],
    "operators": [{"group": str(number % 100), "department": "7"} for number in range(800)],
    "organisations": [{"users": [{"patronymic": ""}] * 50}] * 5000,
}
LISTS = {
    "partner": True,
    "allowed_ips": ["127.0.0.1", *(f"10.0.{n >> 8}.{n & 255}" for n in range(4999))],
    "blocked_tokens": [f"b{number}" for number in range(5000)],
    "expired_tokens": [f"e{number}" for number in range(5000)],
    "customer_users": [
        {"id": number, "login": "l", "name": "n", "customer_id": 1} for number in range(5000)
    ],
}
CORE = "http://v8.1c.ru/8.1/data/core"
DAY = {"date_from": "2026-03-02 00:00:00", "date_till": "2026-03-02 23:59:59"}


class MaximalSuite:
    def __init__(self, urls: dict[str, str], world: str) -> None:
        self.urls, self.world = urls, world
        self.tenant = urls["control"] + "/api/tenants/demo"
        operators = json.loads(self.request(self.tenant)[1])["arm"]["operators"]
        self.operators = [each["number"] for each in operators]

    def request(
        self, url: str, body: bytes | None = None, method: str | None = None, **headers: str
    ) -> tuple[int, bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(url, body, named, method=method)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def arm(self, filters: str) -> tuple[int, bytes]:
        url = self.urls["arm"] + "/demo/service/cc/arm/operator_call_history"
        body = f"<in><request><filters {filters}/></request></in>".encode()
        return self.request(url, body, Content_Type="text/xml", **basic(self.operators[0]))

    def cdr(self, method: str, **params: Any) -> tuple[int, bytes]:
        params = {"access_token": "demo-token", **DAY, "limit": 10_000, **params}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.request(self.urls["cdr"], json.dumps(body).encode())

    def cdr_list(self, method: str, field: str) -> tuple[int, bytes]:
        conditions = [{**like(number), "field": field} for number in range(9990)]
        params = {"access_token": "demo-token", "filter": any_of(conditions)}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.request(self.urls["cdr"], json.dumps(body).encode())

    def onec(self, operation: str, params: str = "") -> tuple[int, bytes]:
        body = (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:xs="http://www.w3.org/2001/XMLSchema"'
            f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:c="{CORE}"><e:Body>'
            f'<x:{operation} xmlns:x="http://buhphone.com/PartnerWebAPI2"><x:Params>{params}'
            f"</x:Params></x:{operation}></e:Body></e:Envelope>"
        )
        headers = {"Content_Type": "text/xml", **basic("demo")}
        return self.request(self.urls["onec"], body.encode(), **headers)

    def arm_frames(self, body: bytes, count: int) -> tuple[int, bytes]:
        url = self.urls["arm"].replace("http", "ws", 1) + "/demo/service/cc/arm"
        headers = basic(self.operators[0])
        with connect(url, additional_headers=headers, compression=None) as socket:
            for _ in range(count):
                socket.send(frames.encode_request("0001", "operator_call_history", body))
            return 200, str([socket.recv(60) for _ in range(count)]).encode()

    def lines(self, line: bytes) -> tuple[int, bytes]:
        url, body = f"{self.tenant}/calls", line * (8 * 1024 * 1024 // len(line))
        return self.request(url, body, Content_Type="application/x-ndjson")

    def pin(self) -> tuple[int, bytes]:
        """Six thousand calls, in requests of 600."""
        for hour in range(9, 19):
            start = f"2026-03-03T{hour:02}:00:00"
            calls = ({"start": start, "operator": n, "talk_seconds": 60} for n in self.operators)
            body = "\n".join(map(json.dumps, islice(calls, 600))).encode()
            url, of_lines = f"{self.tenant}/calls", "application/x-ndjson"
            answer = self.request(url, body, Content_Type=of_lines)
            assert answer[0] == 201, answer[1][:200]
        return answer

    def with_faults(
        self, provider: str, faults: Sequence[str], ask: Callable[[], tuple[int, bytes]]
    ) -> tuple[int, bytes]:
        """Faults that read a request, rewrite it or change its answer."""
        for fault in faults:
            switched = json.dumps({"provider": provider, "fault": fault}).encode()
            assert self.request(f"{self.tenant}/faults", switched)[0] == 201
        answer = ask()
        assert self.request(f"{self.tenant}/faults", method="DELETE")[0] == 204
        return answer

    def change(self, method: str, path: str, **body: Any) -> tuple[int, bytes]:
        url = f"{self.urls['control']}/api/tenants{path}"
        return self.request(url, json.dumps(body).encode() if body else None, method)

    def page(self, path: str) -> tuple[int, bytes]:
        return self.request(f"{self.urls['control']}/tenants/demo{path}")


def prop(name: str, value: str) -> str:
    typed = f'<Value xsi:type="xs:dateTime">{value}</Value>'
    return f'<Property xmlns="{CORE}" name="{name}">{typed}</Property>'


def any_of(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"condition": "or", "filters": conditions}


def like(number: int) -> dict[str, Any]:
    return {"field": "calling_phone_number", "operator": "like", "value": f"%{number}%"}


Step = Callable[[MaximalSuite], tuple[int, bytes]]
STEPS: dict[str, Step] = {
    "arm newest": lambda it: it.arm('limit="10000" offset="0"'),
    "arm offset": lambda it: it.arm('limit="10000" offset="100000"'),
    "arm attributes": lambda it: it.arm("".join(f' a{n}=""' for n in range(24_000))),
    "arm namespaces": lambda it: it.arm("".join(f' xmlns:a{n}="a"' for n in range(12_000))),
    "arm elements": lambda it: it.arm('limit="x"/><filters ' * 4000),
    "arm wrong elements": lambda it: it.arm('limit="1"/>' + "<a/>" * 65_000 + "<filters "),
    "arm frames of lists": lambda it: it.arm_frames(
        b"[" + (b"[" * 240 + b"]" * 240 + b",") * 540 + b"1]", 20
    ),
    "arm frames of elements": lambda it: it.arm_frames(
        b'[{"_name":"in","_content":[{"_name":"request","_content":['
        + b",".join([b'{"_name":"filters"}'] * 12_000)
        + b"]}]}]",
        20,
    ),
    "legs": lambda it: it.cdr("get.call_legs_report"),
    "legs offset, sorted": lambda it: it.cdr(
        "get.call_legs_report",
        offset=100_000,
        sort=[{"field": "employee_full_name", "order": "desc"}],
    ),
    "legs like": lambda it: it.cdr(
        "get.call_legs_report", filter=any_of([like(number) for number in range(9990)])
    ),
    "legs in": lambda it: it.cdr(
        "get.call_legs_report",
        filter={
            "field": "calling_phone_number",
            "operator": "in",
            "value": [f"7999{number:07}" for number in range(50_000)],
        },
    ),
    "legs in numbers": lambda it: it.request(
        it.urls["cdr"],
        b'{"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": {"filter": {'
        b'"field": "id", "operator": "in", "value": [' + b"1e-320," * 249_000 + b"1]}}}",
    ),
    "id of numbers": lambda it: it.request(
        it.urls["cdr"], b'{"jsonrpc": "2.0", "id": [' + b"1e308," * 249_000 + b"1]}"
    ),
    "lists beyond values": lambda it: it.request(
        it.urls["cdr"], b'{"jsonrpc": "2.0", "id": [' + b"[]," * 690_000 + b"1]}"
    ),
    "lists with faults": lambda it: it.with_faults(
        "cdr",
        ("missing_rows", "token_expired", "duplicate_rows", "wrong_id") * 5,
        lambda: it.request(
            it.urls["cdr"],
            b'{"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": {"offset": 9,'
            b'"access_token": "none", "a": [' + (b"[" * 240 + b"]" * 240 + b",") * 1000 + b"1]}}",
        ),
    ),
    "employees like": lambda it: it.cdr_list("get.employees", "full_name"),
    "numbers like": lambda it: it.cdr_list("get.virtual_numbers", "virtual_phone_number"),
    "scenarios like": lambda it: it.cdr_list("get.scenarios", "name"),
    "groups like": lambda it: it.cdr_list("get.group_employees", "name"),
    "sessions": lambda it: it.cdr("get.calls_report"),
    "sessions overlap": lambda it: it.cdr(
        "get.calls_report",
        filter={"field": "employees", "operator": "overlap", "value": list(range(50_000))},
    ),
    "1C day": lambda it: it.onec(
        "GetHistoryOfServiceCalls", prop("PeriodFrom", "2026-03-02T00:00:00")
    ),
    "1C hour with faults": lambda it: it.with_faults(
        "onec",
        ("columns_reordered", "nil_everywhere"),
        lambda: it.onec(
            "GetHistoryOfServiceCalls",
            prop("PeriodFrom", "2026-03-02T10:00:00") + prop("PeriodTo", "2026-03-02T11:00:00"),
        ),
    ),
    "1C all": lambda it: it.onec("GetHistoryOfServiceCalls"),
    "1C clients": lambda it: it.onec("ClientRead"),
    "1C users": lambda it: it.onec("ClientUserRead"),
    "1C specialists": lambda it: it.onec("SpecialistRead"),
    "1C departments": lambda it: it.onec("DepartmentRead"),
    "1C lines": lambda it: it.onec("ServiceLineKindRead"),
    "1C subscriptions": lambda it: it.onec("UserServiceLineRead"),
    "1C tags": lambda it: it.onec(
        "ClientRead", '<c:Property name="A"><c:Value>x</c:Value></c:Property>' * 24_900
    ),
    "1C properties": lambda it: it.onec("ClientRead", '<c:Property name="A"/>' * 99_000),
    "1C values": lambda it: it.onec(
        "ClientRead",
        '<c:Property name="A"><c:Value xsi:type="c:Array">'
        + '<c:Value xsi:type="c:None">x</c:Value>' * 49_000
        + "</c:Value></c:Property>",
    ),
    "1C 64 MiB": lambda it: it.onec("ClientRead", ("<a>" + "x" * 660 + "</a>") * 95_000),
    "control 8 MiB": lambda it: it.request(
        f"{it.tenant}/journal/verify", b'{"expect": [' + b'{"times": 1},       ' * 298_000 + b"{}]}"
    ),
    "fields of arrays": lambda it: it.request(
        f"{it.tenant}/journal/verify",
        b'{"expect": [{"unlisted": true, "fields": {"a": [' + b"[[[]]]," * 149_000 + b"1]}}]}",
    ),
    "numbers of faults": lambda it: it.request(
        f"{it.tenant}/faults",
        b'{"provider": "cdr", "fault": "delay", "params": {"a": [' + b"1e-320," * 599_000 + b"9]}}",
    ),
    "a number out of range": lambda it: it.request(
        f"{it.tenant}/faults",
        b'{"provider": "cdr", "fault": "delay", "params": {"a": ['
        + b"1e308," * 599_000
        + b"1e999]}}",
    ),
    "numbers of calls": lambda it: it.lines(
        b'{"start": "2026-03-03T10:00:00", "answered": [' + b"1e308," * 1300 + b"1]}\n"
    ),
    "lines without calls": lambda it: it.lines(b"\n"),
    "quotas": lambda it: it.request(
        f"{it.tenant}/scenario",
        b'{"quotas": {' + b"".join(b'"%x": 1,' % n for n in range(99_000)) + b'"z": []}}',
        "PUT",
    ),
    "members beyond": lambda it: it.request(
        f"{it.tenant}/scenario",
        b'{"quotas": {' + b"".join(b'"%x":1,' % n for n in range(750_000)) + b'"z": []}}',
        "PUT",
    ),
    "unknown fault": lambda it: it.request(
        f"{it.tenant}/faults", b'{"provider": "cdr", "fault": "%b"}' % (b"rpc_errorx" * 800_000)
    ),
    "verify": lambda it: it.request(
        f"{it.tenant}/journal/verify", b'{"expect": [' + b'{"times": 1},' * 999 + b"{}]}"
    ),
    "truth": lambda it: it.request(
        f"{it.tenant}/truth?from=2026-03-01T00:00:00&till=2026-03-02T00:00:00"
    ),
    "pins": lambda it: it.pin(),
    "pins listed": lambda it: it.request(f"{it.tenant}/calls"),
    "truth of pins": lambda it: it.request(
        f"{it.tenant}/truth?from=2026-03-03T10:00:00&till=2026-03-03T11:00:00"
    ),
    "legs with pins": lambda it: it.cdr("get.call_legs_report"),
    "page of calls": lambda it: it.page("/calls?day=2026-03-02"),
    "page of a week": lambda it: it.page("/cdr/legs?day=2026-03-02&span=7"),
    "page of 1C": lambda it: it.page("/onec?day=2026-03-02"),
    "overview": lambda it: it.page(""),
    "find": lambda it: it.page("/find?q=613295627&day=2026-02-24"),
    "journal": lambda it: it.request(f"{it.tenant}/journal"),
    "roster": lambda it: it.request(f"{it.tenant}/roster?from=2025-01-30&till=2026-03-03"),
    "episodes": lambda it: it.request(f"{it.tenant}/episodes?from=2025-01-30&till=2026-03-03"),
    "fingerprint": lambda it: it.request(f"{it.tenant}/fingerprint"),
    "tenant": lambda it: it.request(
        it.urls["control"] + "/api/tenants",
        json.dumps({"name": "second", "seed": 9, "world": it.world}).encode(),
    ),
    "people listed": lambda it: it.change("POST", "", name="a", world=LISTED_WORLD),
    "people listed again": lambda it: it.change("POST", "", name="b", world=LISTED_WORLD),
    "overview of listed people": lambda it: it.request(it.urls["control"] + "/tenants/b"),
    "legs of listed people": lambda it: it.cdr("get.call_legs_report", access_token="b-token"),
    "tenants": lambda it: it.change("GET", ""),
    "scenario of listed people": lambda it: it.change("GET", "/a/scenario"),
    "other calls of listed people": lambda it: it.change("PUT", "/a/scenario", calls_per_day=9),
    "snapshot of listed people": lambda it: it.change("PUT", "/a/snapshots/x"),
    "seed of listed people": lambda it: it.change("PUT", "/a/scenario", seed=5),
    "listed people restored": lambda it: it.change("POST", "/a/snapshots/x"),
    "listed people reset": lambda it: it.change("POST", "/a/reset"),
    "listed people deleted": lambda it: it.change("DELETE", "/a"),
    "operators beyond": lambda it: it.change(
        "POST", "", name="c", world={"operators": [{}] * 298_000}
    ),
    "objects beyond": lambda it: it.request(
        it.urls["control"] + "/api/tenants",
        b'{"world": {"operators": [' + b"{}," * 2_790_000 + b"{}]}}",
    ),
    "lists": lambda it: it.change("POST", "", name="c", cdr=LISTS),
    "lists replaced": lambda it: it.change("PUT", "/c/scenario", seed=5),
    "lists beyond": lambda it: it.change("POST", "", name="d", cdr={"allowed_ips": ["::"] * 10**6}),
    "customer": lambda it: it.cdr("get.call_legs_report", access_token="c-token", user_id=4999),
    "unknown choices": lambda it: it.change(
        "POST", "", name="d", assumptions={f"cdr.sort-null{n}": "" for n in range(1000)}
    ),
    "choices beyond": lambda it: it.change(
        "POST", "", name="d", assumptions={f"cdr.sort-null{n}": "" for n in range(200_000)}
    ),
    "wrong calls": lambda it: it.change(
        "PUT", "/c/scenario", calls=[{"start": "2026-03-02T11:00:00", "operator": "9"}] * 60_000
    ),
}

REFUSED = {
    "arm attributes": 400,
    "arm namespaces": 400,
    "1C properties": 500,
    "1C 64 MiB": 500,
    "control 8 MiB": 422,
    "numbers of faults": 422,
    "a number out of range": 422,
    "numbers of calls": 422,
    "quotas": 422,
    "members beyond": 422,
    "unknown fault": 422,
    "operators beyond": 422,
    "objects beyond": 422,
    "lists beyond": 422,
    "unknown choices": 422,
    "choices beyond": 422,
    "wrong calls": 422,
}
assert REFUSED.keys() <= STEPS.keys()
