"""One call: what happened, and the rows that each provider makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from callmocks.contract.truth import Call
from callmocks.control.dashboard import snippets as requests
from callmocks.control.dashboard.render import render_page as make_page
from callmocks.control.dashboard.snippets import Snippet
from callmocks.control.dashboard.template_filters import format_duration
from callmocks.control.dashboard.views import onec_columns
from callmocks.control.dashboard.window import END_OF_HISTORY
from callmocks.control.problems import ProblemError
from callmocks.history import ids
from callmocks.history.walltime import datetime_to_ms

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import RequestContext
    from callmocks.history.history import History
    from callmocks.tenants.tenant import Tenant

_SECOND = timedelta(seconds=1)
_ARM_TIME, _CDR_TIME, _ONEC_TIME = "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"
_ROLES = {
    "subscriber": "Subscriber",
    "operator": "Operator",
    "initiator": "Dialling operator",
    "transfer": "Transfer target",
    "coach": "Listening coach",
}


@dataclass(frozen=True, slots=True)
class LegBar:
    """A leg on the call's time line; positions and widths in per cent."""

    leg_id: int
    who: str
    start: datetime
    seconds: float
    reason: str
    rings: tuple[float, float]
    talks: tuple[float, float] | None
    says: str


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field of a provider's row: its name in the contract, its value, what that stands for."""

    name: str
    value: str
    means: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """A provider's row of the call."""

    title: str
    href: str
    """The list that holds it."""
    values: list[FieldValue]


@dataclass(frozen=True, slots=True)
class ProviderPanel:
    """What one provider shows of the call: rows and how to ask for them, or why there are none."""

    provider: str
    rows: list[ProviderRow] = field(default_factory=list)
    absent: str = ""
    snippets: list[Snippet] = field(default_factory=list)


async def show_call(context: RequestContext) -> web.Response:
    """The call whose CDR session id the address names."""
    tenant = context.tenant
    history, now = tenant.history, tenant.clock.now()
    session = _find_session(history, context.path_part("call"), datetime_to_ms(now))
    start = int(session["_start"][0])
    truth = _find_truth(history, start, int(session["id"][0]), datetime_to_ms(now))
    return make_page(
        context,
        "call.html",
        "history",
        tenant,
        truth=truth,
        pinned=(ids.session_address(truth.session_id) or (0, 0))[1] >= ids.PINNED_SESSION,
        day=truth.start.date().isoformat(),
        bars=list(_leg_bars(history, truth, now)),
        parts=[
            _arm_panel(context, tenant, truth, now),
            _cdr_panel(context, tenant, truth, now),
            _onec_panel(context, tenant, truth, now),
        ],
    )


def _find_session(history: History, text: str, now_ms: int) -> pl.DataFrame:
    """The row of a call that has begun; 404 when there is none."""
    known = text.isascii() and text.isdigit() and len(text) < 12
    found = history.find_session(int(text), END_OF_HISTORY) if known else history.empty_sessions
    if found.is_empty() or int(found["_start"][0]) > now_ms:
        raise ProblemError(404, f"no call {text!r} has begun", where="call")
    return found


def _find_truth(history: History, start_ms: int, session: int, now_ms: int) -> Call:
    calls = history.truth_between(start_ms, start_ms + 1, now_ms)
    return next(call for call in calls if call.session_id == session)


def _leg_bars(history: History, truth: Call, now: datetime) -> Iterable[LegBar]:
    """The legs that have begun, as far as they have come."""
    names = {each.number: each.full_name for each in history.directory.operators}
    begin, end = truth.start, min(truth.end, now)
    whole = max((end - begin) / _SECOND, 0.001)

    def bar_extent(start: datetime, stop: datetime) -> tuple[float, float]:
        left = 100 * ((start - begin) / _SECOND) / whole
        return round(left, 2), round(max(100 * ((stop - start) / _SECOND) / whole, 0.4), 2)

    for leg in truth.legs:
        start = leg.start
        if start > now:
            continue
        stop = min(leg.end, now)
        answered = leg.answered if leg.answered and leg.answered <= now else None
        who = _ROLES.get(leg.role, leg.role)
        if leg.operator:
            who = f"{who} {leg.operator}, {names.get(leg.operator, '')}"
        over = leg.end <= now
        waits = format_duration((answered or stop) - start)
        talks = (
            f", then connected {format_duration(stop - answered)}" if answered else ", not answered"
        )
        yield LegBar(
            leg.leg_id,
            who,
            start,
            (stop - start) / _SECOND,
            leg.finish_reason if over else "under way",
            bar_extent(start, answered or stop),
            bar_extent(answered, stop) if answered else None,
            f"waited {waits}{talks}",
        )


def _arm_panel(
    context: RequestContext, tenant: Tenant, truth: Call, now: datetime
) -> ProviderPanel:
    """The rows of the operators whose phones rang."""
    base = f"/tenants/{tenant.name}/arm?day={truth.start.date()}&operator="
    begin, end = truth.start, truth.end
    wanted = truth.cdr.leg_ids
    found, snippets = [], []
    for operator in dict.fromkeys(row.operator for row in truth.arm):
        frames = tenant.history.arm_frames(operator, datetime_to_ms(end), datetime_to_ms(begin))
        found += [row for frame in frames for row in frame.to_dicts() if row["_leg_id"] in wanted]
        if context.app_context.addresses.arm:
            period = {
                "from_date": f"{begin:{_ARM_TIME}}",
                "to_date": f"{end:{_ARM_TIME}}",
                "offset": "0",
                "limit": "10",
            }
            text = requests.arm_post(tenant, context.app_context.addresses.arm, operator, period)
            snippets.append(Snippet(f"As operator {operator}", "shell", text))
    begun = [row for row in found if row["_start"] <= datetime_to_ms(now)]
    rows = [_arm_row(base, row, now) for row in sorted(begun, key=lambda row: row["_start"])]
    absent = "" if rows else "No operator's phone rang: none of them has this call in his history."
    return ProviderPanel("arm", rows, absent, snippets if rows and end <= now else [])


def _arm_row(base: str, row: dict[str, Any], now: datetime) -> ProviderRow:
    """A row; of a call under way without what only its end, or its answer, tells."""
    hidden: set[str] = set()
    title = f"Operator {row['digits']} from {row['start_time']:%H:%M:%S}"
    if row["_release"] > datetime_to_ms(now):
        title += ", under way: only with skip_incomplete=false"
        hidden = {"talk_duration", "total_duration", "duration", "release_time", "release_reason"}
        if row["_answer"] is None or row["_answer"] > datetime_to_ms(now):
            hidden |= {"waiting_duration", "answer_time"}
    values = [
        FieldValue(name, "" if name in hidden else _format_value(value, _ARM_TIME))
        for name, value in row.items()
        if not name.startswith("_")
    ]
    return ProviderRow(title, base + row["digits"], values)


def _cdr_panel(
    context: RequestContext, tenant: Tenant, truth: Call, now: datetime
) -> ProviderPanel:
    """The session and its legs."""
    number, now_ms = truth.session_id, datetime_to_ms(now)
    base, day = f"/tenants/{tenant.name}/cdr", truth.start.date().isoformat()
    session = tenant.history.find_session(number, now_ms)
    if session.is_empty():
        return ProviderPanel(
            "cdr", absent="The call is under way; the Data API shows it when it has ended."
        )
    rows = [
        ProviderRow(f"Session {number}", f"{base}?day={day}", _cdr_values(session.to_dicts()[0]))
    ]
    rows += [
        ProviderRow(f"Leg {leg['id']}", f"{base}/legs?day={day}", _cdr_values(leg))
        for leg in tenant.history.legs_of_session(number, now_ms).to_dicts()
    ]
    snippets = []
    if context.app_context.addresses.cdr:
        begin = truth.start.replace(microsecond=0)
        end = truth.end.replace(microsecond=0)
        for title, method, name in (
            ("Its session", "get.calls_report", "id"),
            ("Its legs", "get.call_legs_report", "call_session_id"),
        ):
            only = {"field": name, "operator": "=", "value": number}
            url = context.app_context.addresses.cdr
            text = requests.cdr_report(tenant, url, method, begin, end, filter=only)
            snippets.append(Snippet(title, "shell", text))
    return ProviderPanel("cdr", rows, "", snippets)


def _onec_panel(
    context: RequestContext, tenant: Tenant, truth: Call, now: datetime
) -> ProviderPanel:
    """The row of the ValueTable."""
    known = truth.onec
    if known is None:
        return ProviderPanel("onec", absent=_absence_reason(truth))
    found = tenant.history.find_service_call(known.call_id, datetime_to_ms(now))
    if found.is_empty():
        return ProviderPanel(
            "onec", absent="The call is under way; 1C-Connect shows it when it has ended."
        )
    row, columns = found.to_dicts()[0], onec_columns(tenant.history.directory)
    values = []
    for column in columns:
        text, name = (
            _format_value(row[column.name], _ONEC_TIME),
            column.names.get(str(row[column.name]), ""),
        )
        values.append(FieldValue(column.name, text, name))
    title = "Vendor scheme: its client and specialist are somebody else's"
    title = title if known.vendor_scheme else "Row of GetHistoryOfServiceCalls"
    day = truth.start.date().isoformat()
    shown = ProviderRow(title, f"/tenants/{tenant.name}/onec?day={day}", values)
    snippets = []
    if context.app_context.addresses.onec:
        begin = truth.start.replace(microsecond=0)
        text = requests.onec_history(
            tenant, context.app_context.addresses.onec, begin, begin + _SECOND
        )
        snippets.append(Snippet("Calls that began in this second", "shell", text))
    return ProviderPanel("onec", [shown], "", snippets)


def _absence_reason(truth: Call) -> str:
    if truth.direction == "internal":
        return "1C-Connect does not show calls between two operators."
    if not truth.client_phone:
        return "1C-Connect does not show anonymous callers."
    if truth.user_id is None:
        return "1C-Connect shows only users it knows; nobody has this number."
    return "The call did not reach a line of 1C-Connect."


def _cdr_values(row: dict[str, Any]) -> list[FieldValue]:
    records = [row[name] for name in ("_record_1", "_record_2") if row.get(name)]
    shown = [
        FieldValue(name, _format_value(value))
        for name, value in row.items()
        if not name.startswith("_")
    ]
    return [*shown, FieldValue("call_records", ", ".join(records))]


def _format_value(value: object, form: str = _CDR_TIME) -> str:
    """A value as the providers write it; empty for null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value:{form}}"
    return "" if value is None else str(value)
