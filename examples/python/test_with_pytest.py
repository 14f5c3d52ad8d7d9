"""The client against callmocks, by the fixtures of its pytest plugin."""

from datetime import datetime

import pytest
from call_report import DataApi, ProviderError, ServiceCalls, Workplace, merge

DAY, NIGHT = datetime(2026, 3, 2), datetime(2026, 3, 2, 23, 59, 59)


@pytest.fixture
def data_api(cdr):
    return DataApi(cdr.url, sleep=cdr.advance, token=cdr.token)


@pytest.mark.callmocks(seed=7, now="2026-03-03T12:00:00")
def test_a_day_is_complete(cdr, data_api):
    legs = data_api.legs(DAY, NIGHT)
    expected = {call.cdr.call_session_id for call in cdr.truth("2026-03-02", "2026-03-03")}
    assert {leg["call_session_id"] for leg in legs} == expected
    assert len({leg["id"] for leg in legs}) == len(legs) > 800
    cdr.assert_no_violations()


@pytest.mark.callmocks(seed=7, now="2026-03-03T12:00:00")
@pytest.mark.parametrize(
    ("fault", "params", "seconds"),
    [
        ("limit_exceeded", {"limit_type": "minute"}, 60),
        ("status", {"status": 503}, 5),
        ("close", {}, 5),
    ],
)
def test_an_error_that_passes_costs_only_time(cdr, data_api, fault, params, seconds):
    before = cdr.now
    cdr.fail_next(fault, times=2, **params)
    assert len(data_api.legs(DAY, NIGHT)) > 800
    assert (cdr.now - before).total_seconds() == 2 * seconds


def test_an_error_that_stays_is_raised(cdr, data_api):
    cdr.fail_next("access_token_blocked")
    with pytest.raises(ProviderError, match="access_token_blocked"):
        data_api.legs(DAY, NIGHT)
    cdr.assert_called("get.call_legs_report", times=1)


@pytest.mark.callmocks(world="empty", now="2026-03-02T12:00:00")
def test_a_used_up_hour_is_waited_for(onec):
    call = onec.pin("2026-03-02T11:00:00", talk_seconds=75)
    onec.fail_next("limit_reached")
    client = ServiceCalls(onec.url, sleep=onec.advance, user=onec.user, password=onec.password)
    (row,) = client.rows(DAY, NIGHT)
    assert row["CallID"] == call.onec.call_id
    assert onec.now == datetime(2026, 3, 2, 13)


@pytest.mark.callmocks(world="empty", now="2026-03-02T12:00:00")
def test_a_call_under_way_comes_when_it_has_ended(cdr, data_api):
    cdr.pin("2026-03-02T11:59:30", wait_seconds=10, talk_seconds=80)
    assert data_api.legs(DAY, NIGHT) == []
    cdr.advance(60)
    assert len(data_api.legs(DAY, NIGHT)) == 2


@pytest.mark.callmocks(seed=7, now="2026-03-02T13:00:00")
def test_three_providers_tell_of_the_same_calls(callmocks_tenant, arm, cdr, onec, data_api):
    pinned = callmocks_tenant.pin("2026-03-02T11:00:00", operator="101", talk_seconds=75)
    rows = []
    for operator in arm.operators:
        rows += Workplace(arm.service_url, number=operator.number, password=operator.password).rows(
            DAY
        )
    client = ServiceCalls(onec.url, user=onec.user, password=onec.password)
    merged = merge(data_api.legs(DAY, NIGHT), rows, client.rows(DAY, NIGHT))

    truth = {call.cdr.call_session_id: call for call in callmocks_tenant.truth(DAY, NIGHT)}
    assert len(merged) > 100
    for call in merged:
        true = truth[call.session_id]
        assert call.call_id == (true.onec and true.onec.call_id)
        assert set(call.call_refs) <= {row.call_ref for row in true.arm}
    (shown,) = [call for call in merged if call.session_id == pinned.cdr.call_session_id]
    assert shown.call_refs == [row.call_ref for row in pinned.arm]
    for provider in (arm, cdr, onec):
        provider.assert_no_violations()
