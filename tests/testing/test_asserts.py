"""Asserts on the journal, and the text they fail with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from textwrap import dedent
from typing import Any
from uuid import UUID

import pytest
import requests

from callmocks.errors import AdminError
from callmocks.testing import Cdr, Mocks, Tenant
from tests.testing import clients

IN = {"field": "direction", "operator": "=", "value": "in"}
OUT = {"field": "direction", "operator": "=", "value": "out"}


def failure_text(assertion: Callable[[], Any]) -> str:
    """The text an assertion fails with."""
    with pytest.raises(AssertionError) as failed:
        assertion()
    return str(failed.value)


def lines(text: str) -> str:
    return dedent(text).strip("\n")


def test_a_request_is_found_by_the_parameters_named_alone(cdr: Cdr) -> None:
    clients.legs(cdr, limit=2, filter=IN)
    cdr.assert_called()
    cdr.assert_called("get.call_legs_report")
    cdr.assert_called("get.call_legs_report", limit=2, filter=IN, sort=None, status=200, times=1)
    cdr.assert_called("get.call_legs_report", request={"jsonrpc": "2.0", "params.limit": 2})
    cdr.assert_not_called("get.calls_report")
    cdr.assert_not_called("get.call_legs_report", limit=3)


def test_times_are_written_as_each_provider_writes_them(tenant: Tenant) -> None:
    start = datetime(2026, 3, 2)
    clients.legs(tenant.cdr)
    clients.history(tenant.arm, from_date="2026/03/02 00:00:00")
    clients.service_calls(tenant.onec)
    tenant.cdr.assert_called("get.call_legs_report", date_from=start)
    tenant.arm.assert_called("operator_call_history", from_date=start, limit=50)
    tenant.onec.assert_called("GetHistoryOfServiceCalls", PeriodFrom=start, ClientID=None)


def test_a_login_to_the_arm_has_its_parameters_in_the_request(tenant: Tenant) -> None:
    body = f'<in><request login="101" password="{tenant.name}"/></in>'
    clients.post(f"{tenant.arm.service_url}/login", body)
    tenant.arm.assert_called("login", login="101", status=200)
    tenant.arm.assert_not_called("login", login="102")


def test_headers_are_asserted_in_any_case(tenant: Tenant) -> None:
    clients.service_calls(tenant.onec)
    wanted = {"content-type": "text/xml; charset=utf-8", "SOAPAction": None}
    tenant.onec.assert_called("GetHistoryOfServiceCalls", headers=wanted, times=1)
    tenant.onec.assert_not_called(headers={"Content-Type": "application/soap+xml"})
    message = failure_text(lambda: tenant.onec.assert_called(headers={"content-type": "text/html"}))
    assert '    headers.content-type = "text/html"' in message
    assert 'headers.content-type: expected "text/html", got "text/xml; charset=utf-8"' in message


def test_values_inside_values_may_be_pythons_own(tenant: Tenant) -> None:
    tree = {"field": "start_time", "operator": ">", "value": "2026-03-02 10:00:00"}
    clients.legs(tenant.cdr, filter=tree, fields=["id", "start_time"])
    tenant.cdr.assert_called(
        filter={**tree, "value": datetime(2026, 3, 2, 10)}, fields=("id", "start_time")
    )
    tenant.cdr.assert_called(date_from=date(2026, 3, 2), date_till=datetime(2026, 3, 2, 23, 59, 59))
    with pytest.raises(AdminError, match="has an offset; the tenant's wall clock has none"):
        tenant.cdr.assert_not_called(date_from=datetime(2026, 3, 2, tzinfo=UTC))
    unknown = UUID("00000000-0000-0000-0000-000000000001")
    text = failure_text(lambda: tenant.onec.assert_called(ClientID=unknown))
    assert 'Params.ClientID = "00000000-0000-0000-0000-000000000001"' in text


def test_the_nearest_requests_are_shown_with_the_innermost_differences(cdr: Cdr) -> None:
    clients.legs(cdr, limit=1)
    clients.legs(cdr, limit=2, filter=IN, fields=["id", "direction", "duration"])
    wanted: dict[str, Any] = {"limit": 2, "filter": OUT, "fields": ["id", "duration"]}
    assert failure_text(lambda: cdr.assert_called("get.call_legs_report", **wanted)) == lines(
        """
        cdr: get.call_legs_report, with
            params.limit = 2
            params.filter = {"field": "direction", "operator": "=", "value": "out"}
            params.fields = ["id", "duration"]
        was expected at least once, and never came.

        Nearest of 2 requests:
          #2 12:00:00.000 cdr get.call_legs_report → 200
              params.filter.value: expected "out", got "in"
              params.fields[1]: expected "duration", got "direction"
              params.fields[2]: expected (absent), got "duration"
          #1 12:00:00.000 cdr get.call_legs_report → 200
              params.limit: expected 2, got 1
              params.filter: expected {"field": "direction", "operator": "=", "value": "out"}, \
got (absent)
              params.fields: expected ["id", "duration"], got (absent)
        """
    )


def test_too_many_requests_are_listed(cdr: Cdr) -> None:
    clients.legs(cdr)
    clients.legs(cdr)
    assert failure_text(lambda: cdr.assert_called("get.call_legs_report", times=1)) == lines(
        """
        cdr: get.call_legs_report
        was expected exactly once, and came 2 times.

        It came as
          #1 12:00:00.000 cdr get.call_legs_report → 200
          #2 12:00:00.000 cdr get.call_legs_report → 200
        """
    )
    assert "was expected not to come, and came 2 times." in failure_text(cdr.assert_not_called)
    message = failure_text(lambda: cdr.assert_called(at_least=3, at_most=5))
    assert "cdr: any request\nwas expected at least 3 times and at most 5 times" in message


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"times": 1, "at_least": 1}, "times stands alone, without at_least and at_most"),
        ({"times": 0, "at_most": 2}, "times stands alone, without at_least and at_most"),
        ({"at_least": 3, "at_most": 2}, "at_least 3 is more than at_most 2"),
    ],
)
def test_counts_that_contradict_each_other_are_refused(
    cdr: Cdr, counts: dict[str, Any], message: str
) -> None:
    clients.legs(cdr)
    with pytest.raises(AdminError, match=message):
        cdr.assert_called(**counts)


def test_no_request_at_all_is_reported(tenant: Tenant) -> None:
    clients.history(tenant.arm)
    message = failure_text(lambda: tenant.cdr.assert_called("get.account"))
    assert message.endswith("No request reached cdr as this tenant's.")


def test_an_unmatched_request_is_pointed_out(mocks: Mocks, tenant: Tenant) -> None:
    clients.legs(tenant.cdr, token="not-a-token")
    message = failure_text(lambda: tenant.cdr.assert_called("get.call_legs_report"))
    assert "A request came with an address, credentials or a domain that are nobody's; " in message
    assert "get.call_legs_report → 200" in message
    assert "nobody's" not in failure_text(lambda: tenant.onec.assert_called())
    assert "nobody's" in tenant.transcript()
    with mocks.tenant() as later:
        assert "nobody's" not in later.transcript()


def test_a_request_that_came_as_another_tenant_is_pointed_out(mocks: Mocks) -> None:
    clients.legs(mocks.demo.cdr, limit=7)  # before the tenant was there
    with mocks.tenant() as tenant, mocks.tenant("another") as other:
        for _ in range(2):
            clients.legs(mocks.demo.cdr, limit=7, sort=[{"field": "nonsense"}])
        clients.legs(other.cdr, limit=8)
        message = failure_text(lambda: tenant.cdr.assert_called(limit=7, violations=False))
        last = mocks.demo.exchanges()[-1].seq
        assert message.endswith(
            "No request reached cdr as this tenant's.\n\n"
            f"2 such requests came as tenant demo, the last as #{last} there."
        )
        message = failure_text(lambda: tenant.cdr.assert_called("get.call_legs_report"))
        assert "Such a request came as tenant another, the last as #1 there." in message
        tenant.forget_exchanges()
        assert "as tenant" not in failure_text(lambda: tenant.cdr.assert_called(limit=7))
        assert "as tenant" not in failure_text(lambda: other.cdr.assert_called("get.account"))
        tenant.cdr.assert_not_called(limit=7)


def test_a_request_to_a_wrong_address_or_by_a_wrong_method_is_pointed_out(tenant: Tenant) -> None:
    for method, path in (("POST", "/v2"), ("GET", "/v2.0"), ("HEAD", "/v2.0/"), ("GET", "/")):
        url = tenant.cdr.url.removesuffix("/v2.0") + path
        answer = requests.request(method, url, timeout=10)
        known = path.startswith("/v2.0")
        assert answer.status_code == (405 if known else 404)
        assert answer.headers.get("Allow") == ("POST" if known else None)
        why = "the method is POST" if known else "nothing is there"
        last = f"cdr (none) → {answer.status_code} {method} {path}: {why}."
        assert failure_text(tenant.cdr.assert_called).endswith(last)


def test_unmatched_requests_from_before_the_tenant_are_not(mocks: Any, cdr: Cdr) -> None:
    clients.legs(cdr, token="not-a-token")
    with mocks.tenant() as later:
        assert "nobody's" not in failure_text(later.cdr.assert_called)


def test_violations_are_listed_by_request_and_path(cdr: Cdr) -> None:
    clients.legs(cdr)
    cdr.assert_no_violations()
    clients.legs(cdr, sort=[{"field": "nonsense", "order": "asc"}])
    assert failure_text(cdr.assert_no_violations) == lines(
        """
        cdr: requests broke the contract
          #2 12:00:00.000 cdr get.call_legs_report → 200 error unexpected_parameters
              sort.0.field: expected a field's name, got nonsense
        """
    )
    cdr.assert_called("get.call_legs_report", violations=True, times=1)
    cdr.assert_called("get.call_legs_report", violations=False, times=1)


def test_the_order_of_requests_is_asserted_across_providers(tenant: Tenant) -> None:
    clients.legs(tenant.cdr)
    clients.service_calls(tenant.onec)
    clients.history(tenant.arm)
    legs = tenant.cdr.expect("get.call_legs_report")
    calls = tenant.onec.expect("GetHistoryOfServiceCalls")
    rows = tenant.arm.expect("operator_call_history")
    tenant.verify(legs, calls, rows, in_order=True)
    tenant.verify(rows, legs)
    message = failure_text(lambda: tenant.verify(rows, legs, in_order=True))
    assert "Out of order: no match after number 3, where the one before was found." in message


def test_all_unmet_expectations_are_reported_at_once(tenant: Tenant) -> None:
    expected = tenant.cdr.expect("get.account"), tenant.onec.expect("wsdl")
    message = failure_text(lambda: tenant.verify(*expected))
    assert "cdr: get.account\n" in message and "onec: wsdl\n" in message


def test_a_long_value_is_cut(cdr: Cdr) -> None:
    clients.legs(cdr, filter={"field": "direction", "operator": "in", "value": ["in"] * 500})
    assert all(
        len(line) < 700 for line in failure_text(lambda: cdr.assert_called(filter=1)).split("\n")
    )


def test_a_transcript_shows_messages_violations_and_faults(tenant: Tenant) -> None:
    assert tenant.transcript() == "Nobody sent a request as this tenant."
    tenant.cdr.fail_next("internal_error")
    clients.legs(tenant.cdr)
    clients.legs(tenant.cdr, sort=[{"field": "nonsense", "order": "asc"}])
    clients.history(tenant.arm)
    start = '{"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report"'
    text = tenant.transcript(body=len(start))
    assert "#1 12:00:00.000 cdr get.call_legs_report → 200 error internal_error in " in text
    assert "  ! by fault: rpc_error" in text
    assert "  ! the request breaks the contract: sort.0.field: expected" in text
    assert "  ? rests on: arm.basic" in text
    assert f"\n  > {start} … " in text
    assert text.count("\n  < ") >= 3
    assert tenant.transcript(most=1).startswith("(2 earlier)\n\n#3 ")
    assert "more characters" not in tenant.transcript(body=None)


def test_nothing_but_text_gets_to_the_terminal(tenant: Tenant) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "\x1b[31m\u202e"}
    body["params"] = {"access_token": tenant.cdr.token, "limit": "\x1b[2J\u202e"}
    clients.post(tenant.cdr.url, json.dumps(body, ensure_ascii=False))
    clients.legs(tenant.cdr, limit="\x1b[2J\u202e")
    message = (
        tenant.transcript(body=None),
        failure_text(lambda: tenant.cdr.assert_called("\u202e", unlisted=True, limit=1)),
    )
    for text in (*message, failure_text(tenant.cdr.assert_no_violations)):
        assert "\ufffd" in text
        assert text.replace("\n", "").isprintable()
