from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from callmocks.contract.json_model import from_json
from callmocks.contract.truth import Call
from callmocks.testing.calls import PinFields
from callmocks.testing.times import TimeInput, format_time, parse_time, to_seconds

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Unpack

    from callmocks.testing.tenant import TenantHandle


class TenantOperations:
    """Clock, pinned calls and truth: on the handles of a tenant and of its providers alike."""

    def _get_tenant(self) -> TenantHandle:
        raise NotImplementedError

    @property
    def now(self) -> datetime:
        return parse_time(self._get_tenant().request("GET", "clock")["now"])

    def freeze(self, at: TimeInput | None = None) -> datetime:
        """Stop the clock, now or at a given time; returns its time."""
        body = {"mode": "frozen"} if at is None else {"mode": "frozen", "now": format_time(at)}
        return parse_time(self._get_tenant().request("PUT", "clock", body)["now"])

    def advance(self, by: timedelta | float, *, keep_sessions: bool = False) -> datetime:
        """Move the clock by a span or by seconds, back when negative; returns its time.

        ``keep_sessions``: tokens and logins do not age by the move.
        """
        body = {"seconds": to_seconds(by), "keep_sessions": keep_sessions}
        return parse_time(self._get_tenant().request("POST", "clock/advance", body)["now"])

    def release(self) -> datetime:
        """Let the clock follow the machine; returns its time."""
        return parse_time(self._get_tenant().request("PUT", "clock", {"mode": "real"})["now"])

    def pin(self, start: TimeInput, **call: Unpack[PinFields]) -> Call:
        """Add a call to the history; each provider shows it as it shows others.

        What is not given is filled in consistently. ``AdminError`` when the call contradicts
        itself or another pinned one.
        """
        body = {"start": format_time(start), **call}
        return from_json(Call, self._get_tenant().request("POST", "calls", body))

    def unpin(self, call: Call | None = None) -> None:
        self._get_tenant().request(
            "DELETE", "calls" if call is None else f"calls/{call.session_id}"
        )

    def truth(self, start: TimeInput, till: TimeInput) -> list[Call]:
        """The calls that start in [start, till), with their ids at each provider."""
        query = f"from={quote(format_time(start))}&till={quote(format_time(till))}"
        calls = self._get_tenant().request("GET", f"truth?{query}")["calls"]
        return [from_json(Call, raw) for raw in calls]
