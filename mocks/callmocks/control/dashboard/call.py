"""One call: what happened, and the rows that each provider makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from callmocks.control.dashboard import snippets as requests
from callmocks.control.dashboard.render import page as make_page
from callmocks.control.dashboard.snippets import Snippet
from callmocks.control.dashboard.template_filters import duration
from callmocks.control.dashboard.views import onec_columns
from callmocks.control.dashboard.window import EVER
from callmocks.control.problems import RefusedError
from callmocks.history import ids
from callmocks.history.walltime import to_ms

if TYPE_CHECKING:
    from aiohttp import web

    from callmocks.control.routing import Call
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
class Bar:
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
class Value:
    """A field of a provider's row: its name in the contract, its value, what that stands for."""

    name: str
    value: str
    means: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A provider's row of the call."""

    title: str
    href: str
    """The list that holds it."""
    values: list[Value]


@dataclass(frozen=True, slots=True)
class Part:
    """What one provider shows of the call: rows and how to ask for them, or why there are none."""

    provider: str
    rows: list[Shown] = field(default_factory=list)
    absent: str = ""
    snippets: list[Snippet] = field(default_factory=list)


async def page(call: Call) -> web.Response:
    """The call whose CDR session id the address names."""
    tenant = call.tenant
    history, now = tenant.history, tenant.clock.now()
    session = _session(history, call.part("call"), to_ms(now))
    start = int(session["_start"][0])
    truth = _truth(history, start, int(session["id"][0]), to_ms(now))
    return make_page(
        call,
        "call.html",
        "history",
        tenant,
        truth=truth,
        pinned=(ids.session_address(truth["cdr"]["call_session_id"]) or (0, 0))[1]
        >= ids.PINNED_SESSION,
        day=truth["start"][:10],
        bars=list(_bars(history, truth, now)),
        parts=[
            _arm(call, tenant, truth, now),
            _cdr(call, tenant, truth, now),
            _onec(call, tenant, truth, now),
        ],
    )


def _session(history: History, text: str, now_ms: int) -> pl.DataFrame:
    """The row of a call that has begun; 404 when there is none."""
    known = text.isascii() and text.isdigit() and len(text) < 12
    found = history.session(int(text), EVER) if known else history.no_sessions
    if found.is_empty() or int(found["_start"][0]) > now_ms:
        raise RefusedError(404, f"no call {text!r} has begun", where="call")
    return found


def _truth(history: History, start_ms: int, session: int, now_ms: int) -> dict[str, Any]:
    calls: list[dict[str, Any]] = history.truth(start_ms, start_ms + 1, now_ms)
    return next(each for each in calls if each["cdr"]["call_session_id"] == session)


def _bars(history: History, truth: dict[str, Any], now: datetime) -> Iterable[Bar]:
    """The legs that have begun, as far as they have come."""
    names = {each.number: each.full_name for each in history.cast.operators}
    begin = datetime.fromisoformat(truth["start"])
    end = min(datetime.fromisoformat(truth["end"]), now)
    whole = max((end - begin) / _SECOND, 0.001)

    def place(start: datetime, stop: datetime) -> tuple[float, float]:
        left = 100 * ((start - begin) / _SECOND) / whole
        return round(left, 2), round(max(100 * ((stop - start) / _SECOND) / whole, 0.4), 2)

    for leg in truth["legs"]:
        start = datetime.fromisoformat(leg["start"])
        if start > now:
            continue
        stop = min(datetime.fromisoformat(leg["end"]), now)
        answered = datetime.fromisoformat(leg["answered"]) if leg["answered"] else None
        answered = answered if answered and answered <= now else None
        who = _ROLES.get(leg["role"], leg["role"])
        if leg["operator"]:
            who = f"{who} {leg['operator']}, {names.get(leg['operator'], '')}"
        over = datetime.fromisoformat(leg["end"]) <= now
        waits = duration((answered or stop) - start)
        talks = f", then connected {duration(stop - answered)}" if answered else ", not answered"
        yield Bar(
            leg["leg_id"],
            who,
            start,
            (stop - start) / _SECOND,
            leg["finish_reason"] if over else "under way",
            place(start, answered or stop),
            place(answered, stop) if answered else None,
            f"waited {waits}{talks}",
        )


def _arm(call: Call, tenant: Tenant, truth: dict[str, Any], now: datetime) -> Part:
    """The rows of the operators whose phones rang."""
    base = f"/tenants/{tenant.name}/arm?day={truth['start'][:10]}&operator="
    begin, end = (datetime.fromisoformat(truth[name]) for name in ("start", "end"))
    wanted = truth["cdr"]["leg_ids"]
    found, snippets = [], []
    for operator in dict.fromkeys(each["operator"] for each in truth["arm"]):
        frames = tenant.history.arm_days(operator, to_ms(end), to_ms(begin))
        found += [row for frame in frames for row in frame.to_dicts() if row["_leg_id"] in wanted]
        if call.desk.addresses.arm:
            period = {
                "from_date": f"{begin:{_ARM_TIME}}",
                "to_date": f"{end:{_ARM_TIME}}",
                "offset": "0",
                "limit": "10",
            }
            text = requests.arm_post(tenant, call.desk.addresses.arm, operator, period)
            snippets.append(Snippet(f"As operator {operator}", "shell", text))
    begun = [row for row in found if row["_start"] <= to_ms(now)]
    rows = [_arm_row(base, row, now) for row in sorted(begun, key=lambda row: row["_start"])]
    absent = "" if rows else "No operator's phone rang: none of them has this call in his history."
    return Part("arm", rows, absent, snippets if rows and end <= now else [])


def _arm_row(base: str, row: dict[str, Any], now: datetime) -> Shown:
    """A row; of a call under way without what only its end, or its answer, tells."""
    hidden: set[str] = set()
    title = f"Operator {row['digits']} from {row['start_time']:%H:%M:%S}"
    if row["_release"] > to_ms(now):
        title += ", under way: only with skip_incomplete=false"
        hidden = {"talk_duration", "total_duration", "duration", "release_time", "release_reason"}
        if row["_answer"] is None or row["_answer"] > to_ms(now):
            hidden |= {"waiting_duration", "answer_time"}
    values = [
        Value(name, "" if name in hidden else _text(value, _ARM_TIME))
        for name, value in row.items()
        if not name.startswith("_")
    ]
    return Shown(title, base + row["digits"], values)


def _cdr(call: Call, tenant: Tenant, truth: dict[str, Any], now: datetime) -> Part:
    """The session and its legs."""
    number, now_ms = truth["cdr"]["call_session_id"], to_ms(now)
    base, day = f"/tenants/{tenant.name}/cdr", truth["start"][:10]
    session = tenant.history.session(number, now_ms)
    if session.is_empty():
        return Part("cdr", absent="The call is under way; the Data API shows it when it has ended.")
    rows = [Shown(f"Session {number}", f"{base}?day={day}", _values(session.to_dicts()[0]))]
    rows += [
        Shown(f"Leg {leg['id']}", f"{base}/legs?day={day}", _values(leg))
        for leg in tenant.history.legs_of_session(number, now_ms).to_dicts()
    ]
    snippets = []
    if call.desk.addresses.cdr:
        begin = datetime.fromisoformat(truth["start"]).replace(microsecond=0)
        end = datetime.fromisoformat(truth["end"]).replace(microsecond=0)
        for title, method, name in (
            ("Its session", "get.calls_report", "id"),
            ("Its legs", "get.call_legs_report", "call_session_id"),
        ):
            only = {"field": name, "operator": "=", "value": number}
            url = call.desk.addresses.cdr
            text = requests.cdr_report(tenant, url, method, begin, end, filter=only)
            snippets.append(Snippet(title, "shell", text))
    return Part("cdr", rows, "", snippets)


def _onec(call: Call, tenant: Tenant, truth: dict[str, Any], now: datetime) -> Part:
    """The row of the ValueTable."""
    known = truth["onec"]
    if known is None:
        return Part("onec", absent=_why_not(truth))
    found = tenant.history.service_call(known["CallID"], to_ms(now))
    if found.is_empty():
        return Part("onec", absent="The call is under way; 1C-Connect shows it when it has ended.")
    row, columns = found.to_dicts()[0], onec_columns(tenant.history.cast)
    values = []
    for column in columns:
        text, name = (
            _text(row[column.name], _ONEC_TIME),
            column.names.get(str(row[column.name]), ""),
        )
        values.append(Value(column.name, text, name))
    title = "Vendor scheme: its client and specialist are somebody else's"
    title = title if known["vendor_scheme"] else "Row of GetHistoryOfServiceCalls"
    day = truth["start"][:10]
    shown = Shown(title, f"/tenants/{tenant.name}/onec?day={day}", values)
    snippets = []
    if call.desk.addresses.onec:
        begin = datetime.fromisoformat(truth["start"]).replace(microsecond=0)
        text = requests.onec_history(tenant, call.desk.addresses.onec, begin, begin + _SECOND)
        snippets.append(Snippet("Calls that began in this second", "shell", text))
    return Part("onec", [shown], "", snippets)


def _why_not(truth: dict[str, Any]) -> str:
    if truth["direction"] == "internal":
        return "1C-Connect does not show calls between two operators."
    if not truth["client_phone"]:
        return "1C-Connect does not show anonymous callers."
    if truth["user_id"] is None:
        return "1C-Connect shows only users it knows; nobody has this number."
    return "The call did not reach a line of 1C-Connect."


def _values(row: dict[str, Any]) -> list[Value]:
    records = [row[name] for name in ("_record_1", "_record_2") if row.get(name)]
    shown = [Value(name, _text(value)) for name, value in row.items() if not name.startswith("_")]
    return [*shown, Value("call_records", ", ".join(records))]


def _text(value: object, form: str = _CDR_TIME) -> str:
    """A value as the providers write it; empty for null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return f"{value:{form}}"
    return "" if value is None else str(value)
