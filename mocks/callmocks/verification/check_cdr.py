"""Probes of a Data API: some thirty requests, fourteen of which cost a point each.

Reports are requested for a past day, so that nothing changes between two requests. Requests that
are refused cost no point (documented).
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec

from callmocks.cdr import tables, validate
from callmocks.cdr.provider import CDR
from callmocks.contract.json_values import decode_json
from callmocks.errors import CheckError, SettingsError
from callmocks.history.clock import Clock, load_time_zone
from callmocks.verification import check_cdr_limits, check_cdr_refusals
from callmocks.verification.report import REFUSAL_PROBES
from callmocks.verification.runner import EndOfProbe, ProbeStep, ProviderCheck, SkipProbe, StopCheck

SAMPLE_ROWS = 200
PAGE_SIZE = 20
RESERVED_POINTS = 3  # points of a window that are left to other users of the account

LEGS_METHOD, SESSIONS_METHOD = "get.call_legs_report", "get.calls_report"
# Of a leg's field: the method that lists what it names, and the field there.
DIRECTORY = {
    "employee_id": ("get.employees", "id"),
    "group_id": ("get.group_employees", "id"),
    "virtual_phone_number": ("get.virtual_numbers", "virtual_phone_number"),
    "scenario_id": ("get.scenarios", "id"),
}
CREDENTIAL_ERRORS = {
    *("auth_error", "access_token_invalid", "access_token_expired", "access_token_blocked"),
    *("ip_not_whitelisted", "account_inactive"),
}
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


class CdrCheck(ProviderCheck):
    provider = CDR
    example_url = "https://HOST/v2.0"
    has_http_login = False
    row_probes = ("legs", "default-fields", "paging", "filter", "sort", "sessions")
    too_few_rows = "not enough legs"

    def prepare(self) -> None:
        self.token = self.target.token
        self.request_id = 0
        self.observed_limits = check_cdr_limits.ObservedLimits()
        self.logged_in = False
        self.day = self.target.day or _previous_day(Clock(load_time_zone("Europe/Moscow")))
        self.window = self._day_window(self.day, 1)
        self.fields = list(tables.load_fields("get.call_legs_report").fields)
        self.rows: list[dict[str, Any]] = []
        self.total = 0

    def probe_steps(self) -> list[ProbeStep]:
        return [
            ("account", "log in, and the account behind the token", self.check_account),
            ("legs", f"up to {SAMPLE_ROWS} legs of a day with all fields", self.check_legs),
            ("default-fields", "fields when the request names none", self.check_default_fields),
            ("paging", "pages joined are the whole", self.check_paging),
            ("filter", "the legs of one session, by filter", self.check_filter),
            ("sort", "legs by length, longest first", self.check_sort),
            ("sessions", "the sessions that the legs belong to", self.check_sessions),
            ("directory", "whom and what the legs name", self.check_directory),
            (REFUSAL_PROBES[0], "requests that must be refused", self.check_refusals),
            ("limits", "the numbers in metadata.limits", self.check_limits),
        ]

    async def check_account(self) -> None:
        await self.log_in()
        result = await self.call_method("get.account", {})
        data = result.get("data")
        if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
            self.probe.add("get.account: result.data", "a list of one account", "something else")
            raise EndOfProbe
        if self.target.day is None:  # yesterday depends on the account's time zone
            time_zone = str(data[0].get("timezone"))
            try:
                self.day = _previous_day(Clock(load_time_zone(time_zone)))
            except SettingsError:
                where = "get.account: result.data.0.timezone"
                self.probe.add(where, "the name of a time zone", repr(time_zone))

    async def check_legs(self) -> None:
        """A sample of one day or, when it is empty, of the week that ends with it."""
        for days in (1, 7):
            self.window = self._day_window(self.day, days)
            self.rows, self.total = await self._fetch_legs(fields=self.fields, limit=SAMPLE_ROWS)
            if self.rows:
                break
        first, last = self.window
        self.probe.notes.append(f"{len(self.rows)} of {self.total} legs, {first} to {last}")
        if not self.rows:
            raise SkipProbe(f"no legs from {first} to {last}: rows were not checked")

    async def check_default_fields(self) -> None:
        self.require_rows()
        await self._fetch_legs(limit=1)

    async def check_paging(self) -> None:
        self.require_rows(2)
        size = min(PAGE_SIZE, -(-len(self.rows) // 3))
        joined: list[Any] = []
        for offset in range(0, 3 * size, size):
            rows, total = await self._fetch_legs(fields=["id"], limit=size, offset=offset)
            joined += [_int_value(row, "id") for row in rows]
            if total != self.total:
                where = f"{LEGS_METHOD}: result.metadata.total_items"
                self.probe.add(where, f"{self.total}, whatever limit and offset", total)
        whole = [_int_value(row, "id") for row in self.rows[: 3 * size]]
        for index, (expected, got) in enumerate(zip(whole, joined, strict=False)):
            if expected != got:
                page, row = divmod(index, size)
                where = f"{LEGS_METHOD}: page {page + 1} of {size}, row {row + 1}"
                kind = "a row of the page before" if got in whole[:index] else "another"
                self.probe.add(where, f"leg {expected}, as without pages", f"{kind}, {got}")
                break
        if len(whole) != len(joined):
            self.probe.add(f"{LEGS_METHOD}: 3 pages", f"{len(whole)} rows", len(joined))
        if self.total < 100_000:
            await self._fetch_legs(fields=["id"], limit=size, offset=self.total)

    async def check_filter(self) -> None:
        self.require_rows()
        session = _int_value(self.rows[0], "call_session_id")
        same = [row for row in self.rows if _int_value(row, "call_session_id") == session]
        expected = {_int_value(row, "id") for row in same}
        by_session = {"field": "call_session_id", "operator": "=", "value": session}
        fields = ["id", "call_session_id", "start_time"]
        rows, _ = await self._fetch_legs(fields=fields, filter=by_session)
        for missing in sorted(expected - {_int_value(row, "id") for row in rows}, key=str):
            where = f"{LEGS_METHOD}: result.data"
            self.probe.add(where, f"leg {missing} of session {session}", "none")

    async def check_sort(self) -> None:
        """``cdr.validate`` checks the order; here, that the longest leg of the sample is there."""
        self.require_rows(2)
        by_length = [{"field": "total_duration", "order": "desc"}]
        fields = ["id", "start_time", "total_duration"]
        rows, _ = await self._fetch_legs(fields=fields, sort=by_length, limit=PAGE_SIZE)
        longest = max((_total_duration(row) for row in self.rows), default=0)
        if rows and _total_duration(rows[0]) < longest:
            where = f"{LEGS_METHOD}: result.data.0.total_duration"
            self.probe.add(where, f"the longest, {longest} or more", _total_duration(rows[0]))

    async def check_sessions(self) -> None:
        """The session of each leg exists (documented)."""
        self.require_rows()
        numbers = (_int_value(row, "call_session_id") for row in self.rows)
        expected = list(dict.fromkeys(n for n in numbers if n is not None))[:PAGE_SIZE]
        first = datetime.strptime(self.window[0], TIME_FORMAT) - timedelta(days=1)
        params = {
            "date_from": f"{first:{TIME_FORMAT}}",
            "date_till": self.window[1],
            "filter": {"field": "id", "operator": "in", "value": expected},
            "fields": list(tables.load_fields("get.calls_report").fields),
            "limit": SAMPLE_ROWS,
        }
        rows, _ = self._parse_rows(await self.call_method(SESSIONS_METHOD, params))
        found = {_int_value(row, "id") for row in rows}
        for session in expected:
            if session not in found:
                text = f"session {session} of the legs' call_session_id"
                self.probe.add(f"{SESSIONS_METHOD}: result.data", text, "none")

    async def check_directory(self) -> None:
        """Answers are checked; what was deleted since may be missing, which is noted."""
        for field, (method, key) in DIRECTORY.items():
            rows, total = self._parse_rows(await self.call_method(method, {"limit": 10_000}))
            named = {row[field] for row in self.rows if isinstance(row.get(field), int | str)}
            listed = {row[key] for row in rows if isinstance(row.get(key), int | str)}
            found = f"{len(named & listed)} of {len(named)} that legs name"
            self.probe.notes.append(f"{method}: {total} rows, {found}")

    async def check_refusals(self) -> None:
        window = {"date_from": self.window[0], "date_till": self.window[1]}
        valid = {"access_token": self.token, **self.user_params(), **window}
        for case in check_cdr_refusals.build_cases(valid):
            response = await self.post_request(case.name, case.body)
            if response is not None:
                check_cdr_refusals.check_refusal(case, response, self.choices, self.probe)
                self.observed_limits.add_error(response)

    async def check_limits(self) -> None:
        self.observed_limits.check(self.probe)

    async def log_in(self) -> None:
        if not self.token:
            params = {"login": self.target.login, "password": self.target.password}
            result = await self.call_method("login.user", params, with_user=False)
            self.token = str(result["data"].get("access_token", ""))
            self.report.add_secret(self.token)
            self.logged_in = True

    async def log_out(self) -> None:
        if self.logged_in:
            await self.call_method("logout.user", {}, with_user=False)

    async def call_method(
        self, method: str, params: Mapping[str, Any], *, with_user: bool = True
    ) -> dict[str, Any]:
        """The result; anything else is a finding and ends the probe."""
        self.raise_if_few_points()
        if method != "login.user":
            user = self.user_params() if with_user else {}
            params = {"access_token": self.token, **user, **params}
        self.request_id += 1
        body = check_cdr_refusals.encode_request(method, params, self.request_id)
        response = await self.post_request(method, body)
        if response is None:
            raise EndOfProbe
        if isinstance(response.get("error"), dict):
            self._raise_for_error(method, response["error"])
        result = response.get("result")
        if not isinstance(result, dict):
            raise EndOfProbe
        self.observed_limits.add_result(result)
        return result

    def raise_if_few_points(self) -> None:
        left = self.observed_limits.remaining
        if left is not None and left <= RESERVED_POINTS:
            raise StopCheck(f"{left} points are left of the account's limit")

    def _raise_for_error(self, method: str, error: dict[str, Any]) -> None:
        data = error.get("data")
        mnemonic = data.get("mnemonic") if isinstance(data, dict) else None
        if mnemonic == "limit_exceeded":
            raise StopCheck(str(error.get("message")))
        if mnemonic in CREDENTIAL_ERRORS and not self.rows:
            raise CheckError(f"{self.target.url} refuses the credentials: {mnemonic}")
        if mnemonic in ("forbidden", "method_component_disabled"):
            raise SkipProbe(f"the account may not use {method}: {mnemonic}")
        self.probe.add(f"{method}: answer", "a result", f"the error {mnemonic}")
        raise EndOfProbe

    async def _fetch_legs(self, **params: Any) -> tuple[list[dict[str, Any]], int]:
        """With ``total_items``."""
        window = {"date_from": self.window[0], "date_till": self.window[1]}
        return self._parse_rows(await self.call_method(LEGS_METHOD, window | params))

    async def post_request(self, name: str, body: bytes) -> dict[str, Any] | None:
        """None when the response is no JSON object."""
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        response = await self.send_request(name, "POST", self.target.url, headers, body)
        if (media_type := response.media_type) != "application/json":
            self.probe.add(f"{name}: Content-Type", "application/json", repr(media_type), "assumed")
        result = validate.validate_response(response.body, body, response.status, self.choices)
        self.add_result(result, name)
        try:
            members = decode_json(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return members if isinstance(members, dict) else None

    def user_params(self) -> dict[str, Any]:
        return {} if self.target.user_id is None else {"user_id": self.target.user_id}

    @staticmethod
    def _day_window(day: date, days: int) -> tuple[str, str]:
        first = datetime.combine(day - timedelta(days=days - 1), time())
        return f"{first:{TIME_FORMAT}}", f"{datetime.combine(day, time(23, 59, 59)):{TIME_FORMAT}}"

    @staticmethod
    def _parse_rows(result: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
        data, metadata = result.get("data"), result.get("metadata")
        if not isinstance(data, list) or not isinstance(metadata, dict):
            raise EndOfProbe
        total = metadata.get("total_items")
        rows = [row for row in data if isinstance(row, dict)]
        return rows, total if isinstance(total, int) else len(rows)


def _int_value(row: dict[str, Any], name: str) -> int | None:
    """None for any other type, which ``cdr.validate`` has found already."""
    value = row.get(name)
    return value if type(value) is int else None


def _total_duration(row: dict[str, Any]) -> int:
    return _int_value(row, "total_duration") or 0


def _previous_day(clock: Clock) -> date:
    return clock.now().date() - timedelta(days=1)
