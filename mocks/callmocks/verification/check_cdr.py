"""The check of a Data API: some twenty-five requests, a dozen of which cost a point each.

Reports are asked for one day that is over, so that nothing changes between two requests. Errors
are provoked by requests that the provider refuses, which costs nothing (documented).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec

from callmocks.cdr import tables, validate
from callmocks.errors import CheckError, SettingsError
from callmocks.history.clock import Clock, zone
from callmocks.verification import check_cdr_limits, check_cdr_refusals
from callmocks.verification.http_client import Wire
from callmocks.verification.report import REFUSED, Probe
from callmocks.verification.runner import BrokenError, Check, SkipError, Step, StopError, Target

SAMPLE = 200
"""Rows looked at."""
PAGE = 20
"""Rows of a page, three of which are put together."""
SPARE = 3
"""Points of a window that are left to others."""

_LEGS, _SESSIONS = "get.call_legs_report", "get.calls_report"
_REFUSED = {
    "auth_error",
    "access_token_invalid",
    "access_token_expired",
    "access_token_blocked",
    "ip_not_whitelisted",
    "account_inactive",
}
_RECORDS = ("call_records", "wav_call_records")
_TIME = "%Y-%m-%d %H:%M:%S"


class CdrCheck(Check):
    """The probes of the Data API, in order."""

    provider = "cdr"
    example = "https://HOST/v2.0"

    def __init__(self, target: Target, wire: Wire) -> None:
        super().__init__(target, wire)
        self.token = target.token
        self.number = 0
        self.meter = check_cdr_limits.Meter()
        self.logged_in = False
        self.day = target.day or _yesterday(Clock(zone("Europe/Moscow")))
        self.window = self._window(self.day, 1)
        self.fields = list(tables.legs().fields)
        self.rows: list[dict[str, Any]] = []
        self.total = 0

    def steps(self) -> list[Step]:
        """See ``Check.steps``."""
        return [
            ("account", "log in, and the account behind the token", self.account),
            ("legs", f"up to {SAMPLE} legs of a day with all fields", self.legs),
            ("default-fields", "the fields that come when none are named", self.default_fields),
            ("paging", "pages put together are the whole", self.paging),
            ("filter", "the legs of one session, by filter", self.filter),
            ("sort", "legs by length, longest first", self.sort),
            ("sessions", "the sessions that the legs belong to", self.sessions),
            (REFUSED[0], "requests that must be refused", self.errors),
            ("limits", "the numbers in metadata.limits", self.limits),
        ]

    async def account(self, probe: Probe) -> None:
        """A token, and whose it is."""
        if not self.token:
            params = {"login": self.target.login, "password": self.target.password}
            result = await self.ask(probe, "login.user", params, user=False)
            self.token = str(result["data"].get("access_token", ""))
            self.report.hide(self.token)
            self.logged_in = True
        result = await self.ask(probe, "get.account", {})
        data = result.get("data")
        if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
            probe.add("get.account: result.data", "a list of one account", "something else")
            raise BrokenError
        if self.target.day is None:
            self._take_zone(str(data[0].get("timezone")), probe)

    async def legs(self, probe: Probe) -> None:
        """A sample of rows, from one day or, when it has none, from the week before its end."""
        for days in (1, 7):
            self.window = self._window(self.day, days)
            result = await self._report(probe, _LEGS, fields=self.fields, limit=SAMPLE)
            self.rows, self.total = self._list(result)
            if self.rows:
                break
        first, last = self.window
        probe.notes.append(f"{len(self.rows)} of {self.total} legs, {first} to {last}")
        if not self.rows:
            raise SkipError(f"no legs from {first} to {last}: rows were not looked at")

    async def default_fields(self, probe: Probe) -> None:
        """One row without naming fields."""
        self._need_rows()
        await self._report(probe, _LEGS, limit=1)

    async def paging(self, probe: Probe) -> None:
        """Three pages, then one past the end."""
        self._need_rows(2)
        size = min(PAGE, -(-len(self.rows) // 3))
        put_together: list[Any] = []
        for offset in range(0, 3 * size, size):
            result = await self._report(probe, _LEGS, fields=["id"], limit=size, offset=offset)
            rows, total = self._list(result)
            put_together += [_number(row, "id") for row in rows]
            if total != self.total:
                expected = f"{self.total}, whatever limit and offset"
                probe.add(f"{_LEGS}: result.metadata.total_items", expected, total)
        whole = [_number(row, "id") for row in self.rows[: 3 * size]]
        for place, (one, other) in enumerate(zip(whole, put_together, strict=False)):
            if one != other:
                page, row = divmod(place, size)
                where = f"{_LEGS}: page {page + 1} of {size}, row {row + 1}"
                doubled = "a row of the page before" if other in whole[:place] else "another"
                probe.add(where, f"leg {one}, as without pages", f"{doubled}, {other}")
                break
        if len(whole) != len(put_together):
            probe.add(f"{_LEGS}: 3 pages", f"{len(whole)} rows", len(put_together))
        if self.total < 100_000:
            await self._report(probe, _LEGS, fields=["id"], limit=size, offset=self.total)

    async def filter(self, probe: Probe) -> None:
        """An id is a filter whose answer is known."""
        self._need_rows()
        session = _number(self.rows[0], "call_session_id")
        same = [row for row in self.rows if _number(row, "call_session_id") == session]
        wanted = {_number(row, "id") for row in same}
        by_session = {"field": "call_session_id", "operator": "=", "value": session}
        fields = ["id", "call_session_id", "start_time"]
        rows, _ = self._list(await self._report(probe, _LEGS, fields=fields, filter=by_session))
        for missing in sorted(wanted - {_number(row, "id") for row in rows}, key=str):
            probe.add(f"{_LEGS}: result.data", f"leg {missing} of session {session}", "none")

    async def sort(self, probe: Probe) -> None:
        """Descending by a number; ``judge`` sees to the order."""
        self._need_rows(2)
        longest = [{"field": "total_duration", "order": "desc"}]
        fields = ["id", "start_time", "total_duration"]
        result = await self._report(probe, _LEGS, fields=fields, sort=longest, limit=PAGE)
        rows, _ = self._list(result)
        most = max((_length(row) for row in self.rows), default=0)
        if rows and _length(rows[0]) < most:
            where = f"{_LEGS}: result.data.0.total_duration"
            probe.add(where, f"the longest, {most} or more", _length(rows[0]))

    async def sessions(self, probe: Probe) -> None:
        """Every leg's session is there (documented)."""
        self._need_rows()
        numbers = (_number(row, "call_session_id") for row in self.rows)
        wanted = list(dict.fromkeys(n for n in numbers if n is not None))[:PAGE]
        begin = datetime.strptime(self.window[0], _TIME) - timedelta(days=1)
        result = await self.ask(
            probe,
            _SESSIONS,
            {
                "date_from": f"{begin:{_TIME}}",
                "date_till": self.window[1],
                "filter": {"field": "id", "operator": "in", "value": wanted},
                "fields": list(tables.sessions().fields),
                "limit": SAMPLE,
            },
        )
        rows, _ = self._list(result)
        found = {_number(row, "id") for row in rows}
        for session in wanted:
            if session not in found:
                where = f"{_SESSIONS}: result.data"
                probe.add(where, f"session {session} of the legs' call_session_id", "none")

    async def errors(self, probe: Probe) -> None:
        """Each refusal is the vendor's."""
        for case in check_cdr_refusals.cases(self.token, self._user(), self.window):
            got = await self._post(probe, case.name, case.body)
            if got is not None:
                check_cdr_refusals.check(case, got, probe)
                self.meter.failed(got)

    async def limits(self, probe: Probe) -> None:
        """What the answers so far said of limits."""
        self.meter.check(probe)

    async def finish(self) -> None:
        """Log out, when this check logged in."""
        if self.logged_in:
            probe = self.report.probes[0]
            await self.ask(probe, "logout.user", {}, user=False)

    async def ask(
        self, probe: Probe, method: str, params: Mapping[str, Any], *, user: bool = True
    ) -> dict[str, Any]:
        """The result of a call that is right; anything else is a finding and ends the probe."""
        left = self.meter.left
        if left is not None and left <= SPARE:
            raise StopError(f"{left} points are left of the account's limit")
        given = dict(params)
        if method != "login.user":
            given = {"access_token": self.token, **(self._user() if user else {}), **given}
        self.number += 1
        request = {"jsonrpc": "2.0", "id": self.number, "method": method, "params": given}
        answer = await self._post(probe, method, msgspec.json.encode(request))
        if answer is None:
            raise BrokenError
        if isinstance(answer.get("error"), dict):
            self._failed(probe, method, answer["error"])
        result = answer.get("result")
        if not isinstance(result, dict):
            raise BrokenError
        self.meter.succeeded(result)
        return result

    def _failed(self, probe: Probe, method: str, error: dict[str, Any]) -> None:
        data = error.get("data")
        mnemonic = data.get("mnemonic") if isinstance(data, dict) else None
        if mnemonic == "limit_exceeded":
            raise StopError(str(error.get("message")))
        if mnemonic in _REFUSED and not self.rows:
            raise CheckError(f"{self.target.url} refuses the credentials: {mnemonic}")
        if mnemonic in ("forbidden", "method_component_disabled"):
            raise SkipError(f"the account may not use {method}: {mnemonic}")
        probe.add(f"{method}: answer", "a result", f"the error {mnemonic}")
        raise BrokenError

    async def _report(self, probe: Probe, method: str, **params: Any) -> dict[str, Any]:
        window = {"date_from": self.window[0], "date_till": self.window[1]}
        return await self.ask(probe, method, window | params)

    async def _post(self, probe: Probe, name: str, body: bytes) -> dict[str, Any] | None:
        """One request and its verdict; None when its answer is no JSON object."""
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        got = await self.send(probe, name, "POST", self.target.url, headers, body)
        if got.media != "application/json":
            probe.add(f"{name}: Content-Type", "application/json", repr(got.media), "assumed")
        self.judged(probe, validate.answer(got.body, body, got.status), name)
        try:
            answer = msgspec.json.decode(got.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return answer if isinstance(answer, dict) else None

    def _user(self) -> dict[str, Any]:
        return {} if self.target.user_id is None else {"user_id": self.target.user_id}

    def _need_rows(self, count: int = 1) -> None:
        if len(self.rows) < count:
            raise SkipError("not enough legs")

    def _take_zone(self, name: str, probe: Probe) -> None:
        """The day before today is the account's, by its zone."""
        try:
            self.day = _yesterday(Clock(zone(name)))
        except SettingsError:
            probe.add("get.account: result.data.0.timezone", "the name of a time zone", repr(name))

    @staticmethod
    def _window(day: date, days: int) -> tuple[str, str]:
        first = datetime.combine(day - timedelta(days=days - 1), time())
        return f"{first:{_TIME}}", f"{datetime.combine(day, time(23, 59, 59)):{_TIME}}"

    @staticmethod
    def _list(result: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
        data, metadata = result.get("data"), result.get("metadata")
        if not isinstance(data, list) or not isinstance(metadata, dict):
            raise BrokenError
        total = metadata.get("total_items")
        rows = [row for row in data if isinstance(row, dict)]
        return rows, total if isinstance(total, int) else len(rows)


def _number(row: dict[str, Any], name: str) -> int | None:
    """A number of a row; what else stands there was found already."""
    value = row.get(name)
    return value if type(value) is int else None


def _length(row: dict[str, Any]) -> int:
    return _number(row, "total_duration") or 0


def _yesterday(clock: Clock) -> date:
    return clock.now().date() - timedelta(days=1)
