from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, Unpack
from urllib.parse import quote

from callmocks.contract.json_model import from_json
from callmocks.contract.truth import Call
from callmocks.errors import AdminError
from callmocks.testing.hidden_frames import hide_frame

if TYPE_CHECKING:
    from callmocks.testing.tenant import TenantHandle

__tracebackhide__ = hide_frame
# A wall time of the tenant's, without a zone; text is ISO, such as `2026-03-02T12:00:00`.
TimeInput = datetime | date | str


def format_time(time: TimeInput) -> str:
    return time if isinstance(time, str) else time.isoformat()


class PinFields(TypedDict, total=False):
    """What can be given of a pinned call besides its start; the rest is filled in.

    Operators are internal numbers; ``line`` is a virtual number or a ServiceID, ``user`` a
    ServiceUserID. ``finish_reason`` is a mnemonic of the Data API.
    """

    direction: str  # `in`, `out`, `auto` or `internal`
    operator: str
    to_operator: str
    client_phone: str
    anonymous: bool
    user: str
    line: str
    finish_reason: str
    answered: bool
    wait_seconds: float  # from the start to the answer, or to giving up
    talk_seconds: float
    transfer_to: str
    transfer_talk_seconds: float
    coach: str
    recorded: bool
    rating: int
    vendor: bool
    number: int  # among the pinned calls of its day; it decides the call's ids
    legs: list[dict[str, object]]  # each as docs/history.md lists it
    session_finish_reason: str


class TenantOperations:
    """Clock, pinned calls and truth: on the handles of a tenant and of its providers alike."""

    def _get_tenant(self) -> TenantHandle:
        raise NotImplementedError

    def _request_clock(self, method: str, body: object = None, path: str = "clock") -> datetime:
        return datetime.fromisoformat(self._get_tenant().request(method, path, body)["now"])

    @property
    def now(self) -> datetime:
        return self._request_clock("GET")

    def freeze(self, at: TimeInput | None = None) -> datetime:
        """Stop the clock, now or at a given time; returns its time."""
        body = {"mode": "frozen"} if at is None else {"mode": "frozen", "now": format_time(at)}
        return self._request_clock("PUT", body)

    def advance(self, by: timedelta | float, *, keep_sessions: bool = False) -> datetime:
        """Move the clock by a span or by seconds, back when negative; returns its time.

        ``keep_sessions``: tokens and logins do not age by the move.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        body = {"seconds": seconds, "keep_sessions": keep_sessions}
        return self._request_clock("POST", body, "clock/advance")

    def release(self) -> datetime:
        """Let the clock follow the machine; returns its time."""
        return self._request_clock("PUT", {"mode": "real"})

    def pin(self, start: TimeInput, **call: Unpack[PinFields]) -> Call:
        """Add a call to the history; each provider shows it as it shows others.

        What is not given is filled in consistently. ``AdminError`` when the call contradicts
        itself or another pinned one.
        """
        body = {"start": format_time(start), **call}
        return from_json(Call, self._get_tenant().request("POST", "calls", body))

    def unpin(self, call: Call | None = None) -> None:
        if not isinstance(call, Call | None):
            raise AdminError(f"unpin takes what pin returned, not {call!r}")
        path = "calls" if call is None else f"calls/{call.session_id}"
        self._get_tenant().request("DELETE", path)

    def truth(self, start: TimeInput, till: TimeInput) -> list[Call]:
        """The calls that start in [start, till), with their ids at each provider."""
        query = f"from={quote(format_time(start))}&till={quote(format_time(till))}"
        calls = self._get_tenant().request("GET", f"truth?{query}")["calls"]
        return [from_json(Call, raw) for raw in calls]
