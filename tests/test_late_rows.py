"""Late rows: at any instant each view holds the rows whose lag is over, whatever came before."""

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from callmocks import running
from callmocks.contract.truth import Call
from callmocks.history.columns import DayColumns
from callmocks.history.day_generator import DayGenerator
from callmocks.testing import Mocks, Tenant
from tests.testing import clients

FROM, TILL = datetime(2026, 2, 24), datetime(2026, 3, 3)
LATER = datetime(2026, 4, 1)  # all rows are there
WINDOW = {"date_from": "2026-02-24 00:00:00", "date_till": "2026-03-02 23:59:59"}
WEEK = 604_800
LAGS: dict[str, dict[str, Any]] = {
    "none": {},
    "fixed": {"arm_lag": 600, "cdr_lag": 60, "onec_lag": 0.5, "records_lag": 300},
    "spread": {
        "arm_lag": {"min": 0, "max": 3600},
        "cdr_lag": {"min": 60, "max": 5400},
        "onec_lag": {"min": 0, "max": 7200},
        "records_lag": {"min": 0, "max": 1800},
    },
    "rows alone": {"arm_lag": {"min": 0, "max": 90_000}, "cdr_lag": {"min": 0, "max": 90_000}},
    "week": {
        name: {"min": 0, "max": WEEK} for name in ("arm_lag", "cdr_lag", "onec_lag", "records_lag")
    },
}
NAMES = (*LAGS, "none with pins", "spread with pins")
PINS = ("2026-03-01T23:50:00", "2026-03-02T10:00:00", "2026-03-02T10:01:00")
Row = dict[str, Any]


class LateTenant:
    """A tenant, its calls by the truth, and its rows once all of them are there."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.truth = tenant.cdr.truth(FROM, TILL)
        self.legs, self.sessions = read_legs(tenant), read_sessions(tenant)
        self.service_calls = read_onec(tenant)
        self.arm = read_arm(tenant)
        assert {row["id"] for row in self.sessions} == {call.session_id for call in self.truth}
        assert self.arm and len(self.service_calls) > 50

    def __repr__(self) -> str:
        return repr(self.tenant)

    @property
    def instants(self) -> list[datetime]:
        """At which something comes."""
        found = {call.start for call in self.truth}
        for call in self.truth:
            found |= {call.cdr.shown_at, call.cdr.record_shown_at or call.end}
            found |= {row.shown_at for row in call.arm} | {call.end}
            found |= {row.record_shown_at for row in call.arm if row.record_shown_at}
            found |= {call.onec.shown_at} if call.onec else set()
        return sorted(found)


@pytest.fixture(scope="module")
def mocks() -> Iterator[Mocks]:
    with running(calls_per_day=40, history_from="2026-02-24") as mocks:
        yield mocks


@pytest.fixture(scope="module")
def tenants(mocks: Mocks) -> dict[str, LateTenant]:
    """All share one history, so what is cached of it too."""
    made = {}
    for name in NAMES:
        tenant = mocks.tenant(now=LATER, **LAGS[name.removesuffix(" with pins")])
        for start in PINS if name.endswith(" with pins") else ():
            tenant.cdr.pin(start, operator="101" if start < PINS[2] else "102", talk_seconds=30)
        made[name] = LateTenant(tenant)
    return made


def read_legs(tenant: Tenant, **params: Any) -> list[Row]:
    return read_report(tenant, "get.call_legs_report", **params)


def read_sessions(tenant: Tenant, ongoing: bool = True, **params: Any) -> list[Row]:
    fields = ["id", "finish_time", "call_records", "wav_call_records", "full_record_file_link"]
    params = {"fields": fields, "include_ongoing_calls": ongoing, **params}
    return read_report(tenant, "get.calls_report", **params)


def read_report(tenant: Tenant, method: str, **params: Any) -> list[Row]:
    answer = clients.call(tenant.cdr, method, **{**WINDOW, "limit": 10_000, **params})
    rows: list[Row] = answer["result"]["data"]
    return rows


def read_onec(tenant: Tenant) -> dict[str, str]:
    onec = tenant.onec
    start = re.findall(r"<Property .*?</Property>", clients.SOAP)[0]
    end = start.replace("PeriodFrom", "PeriodTo").replace("02T", "03T")
    soap = clients.SOAP.replace(start, start.replace("2026-03-02", "2026-02-24") + end)
    headers = clients.basic(onec.user, onec.password) | {"Content-Type": "text/xml"}
    status, text = clients.post(onec.url, soap, headers)
    assert status == 200 and "SUCCESS" in text
    rows = re.findall(r"<row>.*?</row>", text, re.DOTALL)
    return {re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", row)[0]: row for row in rows}


def read_arm(tenant: Tenant, **filters: object) -> dict[str, str]:
    """Rows as they are sent, by ``call_ref``, newest first."""
    given: dict[str, Any] = {"limit": 10_000, "from_date": "2026/02/24", **filters}
    status, text = clients.history(tenant.arm, **given)
    assert status == 200
    rows = re.findall(r"<call_history .*?</call_history>", text)
    rows = [row for row in rows if re.findall(r'start_time="([^"]+)"', row)[0] < "2026/03/03"]
    return {re.findall(r'call_ref="(\d+)"', row)[0]: row for row in rows}


def fetch_status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def without_records(row: Row) -> Row:
    names: Row = {"call_records": [], "wav_call_records": [], "full_record_file_link": None}
    return row | {name: empty for name, empty in names.items() if name in row}


def check_cdr(late: LateTenant, now: datetime) -> None:
    calls = {call.session_id: call for call in late.truth}
    legs, sessions = read_legs(late.tenant), read_sessions(late.tenant)

    def expect_rows(rows: list[Row], session: str) -> list[Row]:
        shown = [row for row in rows if calls[row[session]].cdr.shown_at <= now]
        times = [calls[row[session]].cdr.record_shown_at for row in shown]
        pairs = zip(shown, times, strict=True)
        return [row if at is None or at <= now else without_records(row) for row, at in pairs]

    assert legs == expect_rows(late.legs, "call_session_id")
    finished = [row for row in sessions if row["finish_time"] is not None]
    assert finished == expect_rows(late.sessions, "id")
    begun = [call for call in late.truth if call.start <= now < call.cdr.shown_at]
    ongoing = [row["id"] for row in sessions if row["finish_time"] is None]
    assert ongoing == [call.session_id for call in begun]
    assert read_legs(late.tenant, limit=7, offset=40) == legs[40:47]
    one = {"operator": "=", "value": max(begun or late.truth, key=lambda call: call.end).session_id}
    own = [row for row in legs if row["call_session_id"] == one["value"]]
    assert read_legs(late.tenant, filter={"field": "call_session_id", **one}) == own
    own = [row for row in finished if row["id"] == one["value"]]
    found = read_sessions(late.tenant, filter={"field": "id", **one})
    assert found == [row for row in sessions if row["id"] == one["value"]]
    assert read_sessions(late.tenant, False, filter={"field": "id", **one}) == own


def check_onec(late: LateTenant, now: datetime) -> None:
    shown = {call.onec.call_id: call.onec.shown_at for call in late.truth if call.onec}
    expected = {call: row for call, row in late.service_calls.items() if shown[call] <= now}
    assert list(read_onec(late.tenant).items()) == list(expected.items())


def check_arm(late: LateTenant, now: datetime) -> None:
    rows = {
        row.call_ref: (row, leg)
        for call in late.truth
        for leg, row in zip(_ringing_legs(call), call.arm, strict=True)
        if row.operator == "101"
    }
    expected = {}
    for ref, text in late.arm.items():
        row, _ = rows[ref]
        if row.shown_at <= now:
            lacks = row.record_shown_at is not None and row.record_shown_at > now
            text = re.sub(r'call_record="[^"]*"', 'call_record=""', text) if lacks else text
            expected[ref] = re.sub(r"<url_list>.*?</url_list>", "<url_list/>", text)
    found = {
        ref: re.sub(r"<url_list>.*?</url_list>", "<url_list/>", text)
        for ref, text in read_arm(late.tenant).items()
    }
    assert list(found.items()) == list(expected.items())
    running_rows = read_arm(late.tenant, skip_incomplete="false")
    begun = [ref for ref in late.arm if rows[ref][1].start <= now]
    assert list(running_rows) == begun
    empty = [ref for ref, text in running_rows.items() if 'release_time=""' in text]
    assert empty == [ref for ref in begun if ref not in expected]


def _ringing_legs(call: Call) -> list[Any]:
    return [leg for leg in call.legs if leg.rang and leg.operator and leg.role != "coach"]


offsets = st.sampled_from([timedelta(milliseconds=ms) for ms in (-1, 0, 1, 45_000)])
moves = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 10_000), offsets), min_size=2, max_size=6
)


@pytest.mark.proves("arm.late-rows", "arm.late-records", "cdr.late-calls", "cdr.late-records")
@hypothesis.given(moves)
@hypothesis.settings(max_examples=15)
def test_at_any_instant_each_view_has_the_rows_whose_lag_is_over(
    tenants: dict[str, LateTenant], moves: list[tuple[str, int, timedelta]]
) -> None:
    for name, number, offset in moves:
        late = tenants[name]
        now = late.instants[number % len(late.instants)] + offset
        late.tenant.cdr.freeze(now)
        check_arm(late, now)
        check_cdr(late, now)
        check_onec(late, now)


@pytest.mark.proves("onec.row-appearance")
def test_lags_are_uniform_by_the_call_and_rows_come_behind_newer_ones(
    tenants: dict[str, LateTenant],
) -> None:
    none, fixed, spread = (tenants[name].truth for name in ("none", "fixed", "spread"))
    for plain, same, call in zip(none, fixed, spread, strict=True):
        ends = [leg.end for leg in _ringing_legs(plain)]
        assert plain.cdr.shown_at == plain.cdr.record_shown_at or not plain.recorded
        assert [row.shown_at for row in plain.arm] == ends
        assert [row.shown_at - timedelta(seconds=600) for row in same.arm] == ends
        assert same.cdr.shown_at == plain.end + timedelta(seconds=60)
        assert same.onec is None or same.onec.shown_at == plain.end + timedelta(seconds=0.5)
        if plain.recorded:
            assert same.cdr.record_shown_at == plain.end + timedelta(seconds=360)
        assert len({row.shown_at - end for row, end in zip(call.arm, ends, strict=True)}) <= 1
    lags = [(call.cdr.shown_at - call.end).total_seconds() for call in spread]
    assert 60 <= min(lags) < 200 and 5200 < max(lags) <= 5400
    assert 2600 < sum(lags) / len(lags) < 2900  # of 200 calls
    arrivals = [call.cdr.shown_at for call in sorted(spread, key=lambda call: call.end)]
    assert arrivals != sorted(arrivals)
    halves = [call.onec.shown_at - call.end > timedelta(hours=1) for call in spread if call.onec]
    own = [call.cdr.shown_at - call.end > timedelta(minutes=45) for call in spread if call.onec]
    assert 0.35 < sum(map(bool.__eq__, halves, own)) / len(own) < 0.65  # each view's are its own


def test_audio_plays_when_the_record_is_there(mocks: Mocks) -> None:
    # A link of the Data API names no tenant: this one has a history of its own.
    late = LateTenant(mocks.tenant(seed=8, now=LATER, **LAGS["spread"]))
    row = next(row for row in late.sessions if row["full_record_file_link"])
    call = next(call for call in late.truth if call.session_id == row["id"])
    arm_row = next(text for text in late.arm.values() if "<url>" in text)
    ref, arm_url = re.findall(r'call_ref="(\d+)".*<url>(.*)</url>', arm_row)[0]
    (shown_in_arm,) = {
        each.record_shown_at for call in late.truth for each in call.arm if each.call_ref == ref
    }
    for url, at in (
        (row["full_record_file_link"], call.cdr.record_shown_at),
        (arm_url, shown_in_arm),
    ):
        assert at is not None
        for now, status in ((at - timedelta(milliseconds=1), 404), (at, 200)):
            late.tenant.cdr.freeze(now)
            assert fetch_status(url) == status


def test_a_tenant_made_again_with_another_lag_has_no_page_of_the_first(mocks: Mocks) -> None:
    now = datetime(2026, 3, 2, 12)
    with mocks.tenant("again", now=now) as first:
        assert len(read_arm(first)) > 5
    with mocks.tenant("again", now=now, arm_lag=WEEK) as second:
        assert not read_arm(second)


def test_a_lag_of_a_week_draws_no_more_days_than_it_has(
    mocks: Mocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    generate = DayGenerator.generate

    def count_days(self: DayGenerator, first: int, count: int) -> DayColumns:
        drawn.append(count)
        return generate(self, first, count)

    monkeypatch.setattr(DayGenerator, "generate", count_days)
    counts: list[list[int]] = []
    for seed, lag in ((901, 0), (902, WEEK)):
        lags: dict[str, Any] = dict.fromkeys(("arm_lag", "cdr_lag", "onec_lag"), lag)
        lags |= {"history_from": "2015-01-01", "now": "2026-03-02T23:00:00", "seed": seed}
        with mocks.tenant(**lags) as tenant:
            reads = (partial(read_arm, limit=50, from_date="2015/01/01"), read_legs, read_onec)
            counts.append([])
            for read in reads:
                drawn.clear()
                read(tenant)
                counts[-1].append(sum(drawn))
    (arm, *others), (late_arm, *late_others) = counts
    assert 0 < late_arm <= arm + 24 and late_others == others


def test_late_calls_may_be_hidden_and_late_records_listed(mocks: Mocks) -> None:
    late = LateTenant(mocks.tenant(now=LATER, **LAGS["spread"]))
    for choice in ("arm.late-rows=hidden", "cdr.late-calls=hidden"):
        late.tenant.assume(*choice.split("="))
    for provider in ("arm", "cdr"):
        late.tenant.assume(f"{provider}.late-records", "listed")
    calls = {call.session_id: call for call in late.truth}
    legs = {
        row.call_ref: (row, leg)
        for call in late.truth
        for leg, row in zip(_ringing_legs(call), call.arm, strict=True)
    }
    hidden = 0
    for now in late.instants[100:700:60]:
        late.tenant.cdr.freeze(now)
        shown = [row for row in late.sessions if calls[row["id"]].cdr.shown_at <= now]
        sessions = read_sessions(late.tenant)
        assert [row for row in sessions if row["finish_time"]] == shown
        running_ids = [row["id"] for row in sessions if not row["finish_time"]]
        assert running_ids == [id for id, call in calls.items() if call.start <= now < call.end]
        found = read_arm(late.tenant, skip_incomplete="false")
        begun = [ref for ref in late.arm if legs[ref][1].start <= now]
        assert list(found) == [
            ref for ref in begun if legs[ref][0].shown_at <= now or now < legs[ref][1].end
        ]
        hidden += len(begun) - len(found)
        finished = [text for text in found.values() if 'release_time=""' not in text]
        assert finished == [late.arm[ref] for ref in begun if legs[ref][0].shown_at <= now]
    assert hidden > 3
