"""Handles on a tenant do by the admin API what a client then meets on a socket."""

from __future__ import annotations

import json
import time
import urllib.request
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from callmocks.errors import AdminError, CallmocksError
from callmocks.history.pin_resolution import PinnedCall
from callmocks.server.providers import PROVIDERS
from callmocks.testing import Cdr, Mocks, Tenant
from callmocks.testing.operations import PinFields
from tests.testing import clients


def test_a_pinned_call_is_seen_by_clients_of_all_three_providers(tenant: Tenant) -> None:
    call = tenant.pin("2026-03-02T11:00:00", operator="101", talk_seconds=75)
    assert clients.leg_ids(tenant.cdr) == list(call.cdr.leg_ids)
    status, text = clients.history(tenant.arm)
    assert status == 200 and f'call_ref="{call.arm[0].call_ref}"' in text
    assert call.onec is not None
    assert call.onec.call_id in clients.service_calls(tenant.onec)[1]


def test_a_pinned_call_has_its_times_and_legs(tenant: Tenant) -> None:
    call = tenant.pin(
        datetime(2026, 3, 2, 11), operator="101", wait_seconds=10, talk_seconds=75, rating=5
    )
    assert (call.start, call.answered) == (
        datetime(2026, 3, 2, 11),
        datetime(2026, 3, 2, 11, 0, 10),
    )
    assert call.end == datetime(2026, 3, 2, 11, 1, 25) and call.finished
    assert [(leg.role, leg.operator) for leg in call.legs] == [
        ("subscriber", None),
        ("operator", "101"),
    ]
    assert call.session_id == call.cdr.call_session_id
    rows = {row["id"]: row for row in clients.legs(tenant.cdr)["result"]["data"]}
    for leg in call.legs:
        assert rows[leg.leg_id]["start_time"] == leg.start.strftime("%Y-%m-%d %H:%M:%S")
        assert rows[leg.leg_id]["finish_reason"] == leg.finish_reason


def test_a_contradicting_pin_is_refused_with_the_reason(tenant: Tenant) -> None:
    with pytest.raises(AdminError, match="talk_seconds") as refused:
        tenant.pin("2026-03-02T11:00:00", answered=False, talk_seconds=5)
    assert refused.value.status == 422


def test_pinned_calls_are_taken_away_one_or_all(tenant: Tenant) -> None:
    kept, other = (tenant.pin(f"2026-03-02T11:0{minute}:00") for minute in (0, 5))
    tenant.unpin(other)
    assert clients.leg_ids(tenant.cdr) == list(kept.cdr.leg_ids)
    tenant.unpin()
    assert clients.leg_ids(tenant.cdr) == []


def test_every_property_of_a_pinned_call_can_be_given() -> None:
    known = {field.name for field in msgspec.structs.fields(PinnedCall)} - {"start"}
    assert set(PinFields.__annotations__) == known


def test_the_truth_is_what_was_pinned(tenant: Tenant) -> None:
    call = tenant.pin("2026-03-02T11:00:00")
    assert tenant.truth("2026-03-02", "2026-03-03") == [call]
    assert tenant.truth(date(2026, 3, 2), datetime(2026, 3, 2, 11)) == []
    assert tenant.cdr.truth(date(2026, 3, 2), date(2026, 3, 3)) == [call]


def test_the_truth_of_generated_calls_agrees_with_the_data_api(mocks: Mocks) -> None:
    with mocks.tenant(seed=7, world="default") as tenant:
        calls = tenant.truth("2026-03-02T09:00:00", "2026-03-02T10:00:00")
        assert {call.onec is None for call in calls} == {True, False}
        shown = clients.legs(
            tenant.cdr, date_from="2026-03-02 09:00:00", date_till="2026-03-02 11:59:59"
        )
        ids = {row["id"] for row in shown["result"]["data"]}
        assert len(calls) > 10
        assert {id for call in calls if call.finished for id in call.cdr.leg_ids} <= ids


def test_the_clock_freezes_moves_and_goes_on(tenant: Tenant) -> None:
    assert tenant.now == datetime(2026, 3, 2, 12)
    assert tenant.freeze("2026-03-02T10:00:00") == datetime(2026, 3, 2, 10)
    assert tenant.advance(90) == datetime(2026, 3, 2, 10, 1, 30)
    assert tenant.advance(timedelta(hours=-1)) == datetime(2026, 3, 2, 9, 1, 30)
    assert tenant.freeze(datetime(2026, 3, 2, 8)) == tenant.now == datetime(2026, 3, 2, 8)
    shown = tenant.release()
    assert abs(shown.timestamp() - time.time()) < 86_400
    assert tenant.freeze() <= tenant.now < shown + timedelta(seconds=60)


def test_a_call_is_seen_when_the_clock_has_passed_its_end(tenant: Tenant) -> None:
    tenant.pin("2026-03-02T11:59:50", wait_seconds=5, talk_seconds=60)
    assert clients.leg_ids(tenant.cdr) == []
    tenant.cdr.advance(60)
    assert len(clients.leg_ids(tenant.cdr)) == 2


def test_sessions_can_be_exempted_from_a_move_of_the_clock(tenant: Tenant) -> None:
    def log_in() -> str:
        params = {"login": tenant.cdr.login, "password": tenant.cdr.password}
        request = {"jsonrpc": "2.0", "id": 1, "method": "login.user", "params": params}
        answer = json.loads(clients.post(tenant.cdr.url, json.dumps(request))[1])
        return str(answer["result"]["data"]["access_token"])

    token = log_in()
    tenant.advance(timedelta(days=2), keep_sessions=True)
    assert "result" in clients.legs(tenant.cdr, token)
    tenant.advance(timedelta(days=2))
    assert "error" in clients.legs(tenant.cdr, token)


def test_the_data_api_fails_with_any_error_of_its_table(cdr: Cdr) -> None:
    known = PROVIDERS["cdr"]
    assert known is not None
    for mnemonic in known.list_errors():
        cdr.fail_next(mnemonic)
        assert clients.legs(cdr)["error"]["data"]["mnemonic"] == mnemonic
    assert "result" in clients.legs(cdr)


def test_an_error_says_what_its_parameters_say(cdr: Cdr) -> None:
    cdr.fail_next("limit_exceeded", limit_type="day", limit_max_value=7)
    assert "limit per day is 7" in clients.legs(cdr)["error"]["message"]


def test_several_requests_fail_after_some_have_passed(cdr: Cdr) -> None:
    cdr.fail_next("limit_exceeded", times=2, skip=1, operation="get.call_legs_report")
    assert ["error" in clients.legs(cdr) for _ in range(5)] == [False, True, True, False, False]


def test_the_next_request_can_meet_any_kind_of_fault(cdr: Cdr) -> None:
    cdr.fail_next("status", status=502, body="Bad Gateway")
    request = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "get.account",
        "params": {"access_token": cdr.token},
    }
    assert clients.post(cdr.url, json.dumps(request)) == (502, "Bad Gateway")
    assert clients.post(cdr.url, json.dumps(request))[0] == 200


def test_a_request_is_answered_with_a_status(tenant: Tenant) -> None:
    tenant.cdr.fail_next(503)
    answer = requests.post(tenant.cdr.url, json={"params": {"access_token": tenant.cdr.token}})
    assert (answer.status_code, answer.text) == (503, "Service Unavailable")
    tenant.arm.fail_next(HTTPStatus.BAD_GATEWAY)
    assert clients.history(tenant.arm)[0] == 502
    tenant.onec.fail_next(504)
    assert clients.service_calls(tenant.onec)[0] == 504


def test_the_arm_fails_with_its_own_errors(tenant: Tenant) -> None:
    tenant.arm.fail_next("cannot_perform_cmd", text="timeout")
    assert 'reason="cannot_perform_cmd"' in clients.history(tenant.arm)[1]
    tenant.arm.fail_next("unauthorized")
    assert clients.history(tenant.arm)[0] == 401
    assert clients.history(tenant.arm)[0] == 200


def test_1c_fails_with_a_result_code_a_fault_or_its_limit(tenant: Tenant) -> None:
    tenant.onec.fail_next("ACCESS_DENIED", text="no")
    assert "ACCESS_DENIED" in clients.service_calls(tenant.onec)[1]
    tenant.onec.fail_next("soap_fault", code="client")
    assert "faultcode" in clients.service_calls(tenant.onec)[1]
    tenant.onec.fail_next("limit_reached")
    assert "OUT_OF_LIMIT" in clients.service_calls(tenant.onec)[1]
    assert "SUCCESS" in clients.service_calls(tenant.onec)[1]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("cdr", "limit_exceded", "one of parse_error, .* or one of close, .* mean limit_exceeded"),
        ("arm", "limit_exceeded", "use cannot_perform_cmd, a status .* or one of .*unauthorized"),
        (
            "onec",
            "limit_reachd",
            "a ResultCode in capitals such as INTERNAL_ERROR, .* limit_reached",
        ),
        ("cdr", "soap_fault", "'cdr' is not one of onec"),
    ],
)
def test_an_unknown_error_names_the_known_ones(
    tenant: Tenant, name: str, error: str, message: str
) -> None:
    with pytest.raises(CallmocksError, match=message):
        getattr(tenant, name).fail_next(error)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"operator": "999"}, "no operator '999'; there are 101, 102, 103, 104, 105, …$"),
        ({"line": "+7"}, r"no line '\+7'; there are \d+, \d+, \d+, \d+, [\da-f-]+, …$"),
        ({"operater": "101"}, "unknown field `operater`; there are start, direction, operator, "),
    ],
)
def test_a_pin_of_something_unknown_names_the_known(
    cdr: Cdr, call: dict[str, Any], message: str
) -> None:
    with pytest.raises(AdminError, match=message):
        cdr.pin("2026-03-02T11:00:00", **call)


def test_a_fault_lasts_as_long_as_its_block_and_counts(cdr: Cdr) -> None:
    with cdr.fault("rpc_error", mnemonic="internal_error") as fault:
        assert all("error" in clients.legs(cdr) for _ in range(3))
        assert fault.applied == 3
    assert "result" in clients.legs(cdr)
    with pytest.raises(CallmocksError, match="not on any more"):
        _ = fault.applied


def test_a_fault_that_is_off_already_ends_its_block_without_an_error(cdr: Cdr) -> None:
    with cdr.fault("status") as fault:
        fault.remove()
        assert "result" in clients.legs(cdr)
    with cdr.fault("status"):
        cdr.tenant.reset()
    assert "result" in clients.legs(cdr)


def test_all_faults_are_switched_off_at_once(tenant: Tenant) -> None:
    tenant.cdr.fault("status")
    tenant.onec.fault("status")
    tenant.clear_faults()
    assert "result" in clients.legs(tenant.cdr)
    assert clients.service_calls(tenant.onec)[0] == 200


def test_no_parameter_of_a_fault_hides_behind_its_scope(mocks: Mocks) -> None:
    kinds = mocks.control.get("/api/faults")["faults"]
    names = {name for kind in kinds for name in kind["params"]["properties"]}
    assert names and names.isdisjoint({"operation", "times", "skip", "probability", "unlisted"})


def test_exchanges_have_the_fields_of_the_journal(tenant: Tenant) -> None:
    tenant.cdr.fail_next("internal_error")
    clients.legs(tenant.cdr, limit=5, sort=[{"field": "nonsense", "order": "asc"}])
    clients.legs(tenant.cdr, limit="ten")
    clients.history(tenant.arm)
    failed, refused = tenant.cdr.exchanges()
    assert failed.faults == ("rpc_error",) and failed.at == datetime(2026, 3, 2, 12)
    assert refused.operation == "get.call_legs_report"
    assert [(each.side, each.where) for each in refused.violations] == [("request", "limit")]
    assert json.loads(refused.request)["params"]["limit"] == "ten"
    assert json.loads(refused.response)["error"]["code"] == -32602
    assert [each.provider for each in tenant.exchanges()] == ["cdr", "cdr", "arm"]
    assert tenant.exchanges("operator_call_history")[0].assumptions
    tenant.forget_exchanges()
    assert tenant.exchanges() == []


def test_an_assumption_is_chosen_by_its_id(tenant: Tenant) -> None:
    tenant.assume("arm.content-type", "application/xml; charset=utf-8")
    headers = clients.basic("101", tenant.arm.operators[0].password)
    body = b'<in><request><filters limit="5"/></request></in>'
    request = urllib.request.Request(
        f"{tenant.arm.service_url}/operator_call_history", body, headers
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "application/xml; charset=utf-8"
    with pytest.raises(AdminError, match="no assumption"):
        tenant.assume("arm.nothing", "x")


def test_a_reset_tenant_is_as_new(tenant: Tenant) -> None:
    tenant.pin("2026-03-02T11:00:00")
    tenant.advance(3600)
    tenant.cdr.fault("status")
    tenant.reset()
    assert tenant.now == datetime(2026, 3, 2, 12)
    assert clients.leg_ids(tenant.cdr) == []
    assert len(tenant.exchanges()) == 1


def test_tenants_are_isolated(mocks: Mocks) -> None:
    with mocks.tenant() as one, mocks.tenant() as other:
        one.pin("2026-03-02T11:00:00")
        one.cdr.fault("status")
        one.advance(60)
        assert clients.leg_ids(other.cdr) == []
        assert other.now == datetime(2026, 3, 2, 12)
        assert one.exchanges() == []
    with pytest.raises(AdminError, match="no tenant"):
        _ = one.now
    one.delete()


def test_a_tenant_has_the_settings_of_its_keywords(mocks: Mocks) -> None:
    with mocks.tenant(
        "orders", seed=7, now=datetime(2026, 5, 1, 9), limits="documented", cdr={"token": "abc"}
    ) as tenant:
        assert (tenant.name, tenant.arm.domain, tenant.seed) == ("orders", "orders", 7)
        assert tenant.now == datetime(2026, 5, 1, 9)
        assert tenant.cdr.token == "abc"
        with pytest.raises(AdminError, match="exists already") as refused:
            mocks.tenant("orders")
        assert refused.value.status == 409
    with pytest.raises(AdminError, match="Expected `int`"):
        mocks.tenant(seed="seven")  # type: ignore[arg-type]


def test_the_limits_of_a_suite_in_tests_are_off(mocks: Mocks) -> None:
    with mocks.tenant(cdr={"minute_limit": 1}) as free:
        assert all("result" in clients.legs(free.cdr) for _ in range(3))
    with mocks.tenant(cdr={"minute_limit": 1}, limits="documented") as counted:
        assert ["result" in clients.legs(counted.cdr) for _ in range(2)] == [True, False]


def test_names_in_use_are_skipped(mocks: Mocks) -> None:
    with mocks.create_numbered_tenant("Тест: a_b[ю]", {}) as first:
        stem, _, number = first.name.rpartition("-")
        assert stem == "a-b"
        with (
            mocks.tenant(f"a-b-{int(number) + 1}"),
            mocks.create_numbered_tenant("a b", {}) as next_free,
        ):
            assert next_free.name == f"a-b-{int(number) + 2}"
    with mocks.create_numbered_tenant("x" * 200, {}) as long:
        assert len(long.name) <= 40
    with mocks.create_numbered_tenant("тест", {}) as nameless:
        assert nameless.name.startswith("t-")


def test_a_tenant_goes_back_to_what_was_kept(tenant: Tenant) -> None:
    call = tenant.pin("2026-03-02T11:00:00")
    fault = tenant.cdr.fail_next("limit_exceeded")
    tenant.snapshot()
    assert "error" in clients.legs(tenant.cdr)
    tenant.unpin()
    tenant.clear_faults()
    tenant.advance(3600)
    tenant.snapshot("later-on")
    tenant.restore()
    assert tenant.now == datetime(2026, 3, 2, 12)
    assert fault.applied == 0
    assert "error" in clients.legs(tenant.cdr)
    assert clients.leg_ids(tenant.cdr) == list(call.cdr.leg_ids)
    with pytest.raises(AdminError, match="no snapshot 'another'"):
        tenant.restore("another")


def test_a_test_sees_and_drops_the_websockets_of_its_client(tenant: Tenant) -> None:
    number, password = tenant.arm.operators[0].number, tenant.arm.operators[0].password
    headers = clients.basic(number, password)
    with connect(tenant.arm.websocket_url, additional_headers=headers) as first:
        (shown,) = tenant.arm.connections
        assert (shown.operator, shown.since, shown.frames) == (number, tenant.now, 0)
        assert tenant.arm.drop(shown, how="reset") == (shown,)
        with pytest.raises(ConnectionClosed):
            first.recv(timeout=5)
        assert tenant.arm.drop(shown) == ()
    with connect(tenant.arm.websocket_url, additional_headers=headers) as second:
        assert len(tenant.arm.drop()) == 1
        with pytest.raises(ConnectionClosed) as closed:
            second.recv(timeout=5)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
    assert tenant.arm.drop() == ()
    with pytest.raises(AdminError, match="how"):
        tenant.arm.drop(how="softly")  # type: ignore[arg-type]
