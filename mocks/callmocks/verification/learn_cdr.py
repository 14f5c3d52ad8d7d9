"""Experiments with a Data API: some twenty requests more than the sample of legs.

Each costs a point at most and asks for one row, or a few that are known.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from callmocks.cdr import tables
from callmocks.verification import check_cdr_refusals, decide_cdr
from callmocks.verification.cdr_exchange import Params, parse_exchanges
from callmocks.verification.check_cdr import LEGS_METHOD, SESSIONS_METHOD, CdrCheck
from callmocks.verification.decide_cdr_directory import EMPLOYEES_METHOD
from callmocks.verification.decisions import Sighting, see
from callmocks.verification.learner import Experiment, Learner
from callmocks.verification.runner import SkipProbe, StopCheck

FOREIGN_USER_ID = 2_147_483_647
UNKNOWN_VALUE = "callmocks_none"
OLD_DAYS = (180, 500)  # ago: employees of that time may have left since


class CdrLearner(Learner, CdrCheck):
    reasons = decide_cdr.REASONS
    max_requests = 40

    def list_experiments(self) -> list[Experiment]:
        opened = [
            ("account", "log in, and the account behind the token", self.check_account),
            ("sample", "legs of a day or a week with all fields", self.check_legs),
        ]
        requests = [
            (name, f"{name}: {LEGS_METHOD}", self._make_step(build_params))
            for name, build_params in _REQUESTS.items()
        ]
        return [
            *opened,
            *requests,
            ("byte-order-mark", "a body that begins with one", self.try_byte_order_mark),
            ("overlap", "sessions by an employee", self.try_overlap),
            ("empty-arrays", "sessions with and without tags", self.try_empty_arrays),
            ("directory", "an employee without fields, and a scenario", self.try_directory),
            ("foreign-user", "a user_id of nobody", self.try_foreign_user),
            ("logout", "logout.user with a parameter too many", self.try_logout),
        ]

    def find_sightings(self) -> Iterator[Sighting]:
        yield from decide_cdr.find_sightings(parse_exchanges(self.exchanges), masked=False)
        yield from self.own_sightings

    async def ask(self, method: str, params: Params) -> dict[str, Any] | None:
        """A request that may be refused; the answer, if it is one."""
        self.raise_if_few_points()
        given = {"access_token": self.token, **self.user_params(), **params}
        body = check_cdr_refusals.encode_request(method, given)
        answer = await self.post_request(method, body)
        if answer is None:
            return None
        if isinstance(result := answer.get("result"), dict):
            self.observed_limits.add_result(result)
        self.observed_limits.add_error(answer)
        error = answer.get("error")
        data = error.get("data") if isinstance(error, dict) else None
        if isinstance(data, dict) and data.get("mnemonic") == "limit_exceeded":
            raise StopCheck("the account's limit is reached")
        return answer

    def list_window_params(self) -> Params:
        first, last = self.window
        return {"date_from": first, "date_till": last, "fields": ["id"], "limit": 1}

    async def try_byte_order_mark(self) -> None:
        given = {"access_token": self.token, **self.user_params()}
        body = check_cdr_refusals.encode_request("get.account", given)
        await self.post_request("get.account", BOM_UTF8 + body)

    async def try_overlap(self) -> None:
        leaf = {"field": "employees", "operator": "overlap", "value": [1]}
        await self.ask(SESSIONS_METHOD, self.list_window_params() | {"filter": leaf})

    async def try_empty_arrays(self) -> None:
        for operator in ("is_null", "is_not_null"):
            leaf = {"field": "tags", "operator": operator}
            params = self.list_window_params() | {"fields": ["id", "tags"], "filter": leaf}
            await self.ask(SESSIONS_METHOD, params)

    async def try_directory(self) -> None:
        await self.ask(EMPLOYEES_METHOD, {"limit": 1})
        fields = ["id", "status", "status_id", "allowed_in_call_types", "phone_numbers"]
        await self.ask(EMPLOYEES_METHOD, {"limit": 10_000, "fields": fields})
        for days in OLD_DAYS:
            first, last = self._day_window(self.day - timedelta(days), 7)
            window = {"date_from": first, "date_till": last, "limit": 10_000}
            await self.ask(LEGS_METHOD, window | {"fields": ["employee_id"]})
        await self.ask("get.scenarios", {"limit": 20, "fields": ["id", "operations"]})

    async def try_foreign_user(self) -> None:
        if self.target.user_id is None:
            raise SkipProbe("the account is no partner's")
        answer = await self.ask("get.account", {"user_id": FOREIGN_USER_ID})
        error = answer.get("error") if answer else None
        data = error.get("data") if isinstance(error, dict) else None
        if isinstance(data, dict):
            mnemonic = str(data.get("mnemonic"))
            self.own_sightings += see("cdr.foreign-user", mnemonic, f"a foreign user: {mnemonic}")

    async def try_logout(self) -> None:
        """Refused by the contract; of a session of our own, as it may end it."""
        if not self.logged_in:
            raise SkipProbe("it is sent with a session of its own alone: --login and --password")
        given = {"access_token": self.token, "callmocks": 1}
        body = check_cdr_refusals.encode_request("logout.user", given)
        answer = await self.post_request("logout.user", body)
        self.logged_in = answer is not None and "error" in answer

    def _make_step(self, build_params: "ParamsBuilder") -> Any:
        async def ask_all() -> None:
            for params in build_params(self):
                await self.ask(LEGS_METHOD, self.list_window_params() | params)

        return ask_all

    def find_null_pair(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """A field, a row in which it is null, and one in which it is not."""
        for name, field in tables.load_fields(LEGS_METHOD).fields.items():
            if not (field.sortable and field.filterable and field.type in ("number", "string")):
                continue
            null = next((row for row in self.rows if name in row and row[name] is None), None)
            other = next((row for row in self.rows if row.get(name) is not None), None)
            if null and other:
                return name, null, other
        raise SkipProbe("no field of the sample is null in some legs and not in others")


ParamsBuilder = Callable[[CdrLearner], Iterator[Params]]


def _join_ids(ids: list[Any], leaf: Params) -> Params:
    by_id = {"field": "id", "operator": "in", "value": ids}
    return {"filters": [by_id, leaf], "condition": "and"}


def _nest(levels: int) -> Params:
    tree: Params = {"field": "id", "operator": "=", "value": 1}
    for _ in range(levels):
        tree = {"filters": [tree], "condition": "and"}
    return tree


def _ask_date_format(learner: CdrLearner) -> Iterator[Params]:
    yield {"date_from": learner.window[0].replace(" ", "T")}


def _ask_reversed_dates(learner: CdrLearner) -> Iterator[Params]:
    first, last = learner.window
    yield {"date_from": last, "date_till": first}


def _ask_long_interval(learner: CdrLearner) -> Iterator[Params]:
    year = learner.day.year - 1
    yield {"date_from": f"{year - 1}-11-30 00:00:00", "date_till": f"{year}-03-01 00:00:00"}


def _ask_filter_depth(learner: CdrLearner) -> Iterator[Params]:
    yield {"filter": _nest(10)}
    yield {"filter": _nest(40)}


def _ask_window_end(learner: CdrLearner) -> Iterator[Params]:
    learner.require_rows()
    start = learner.rows[-1].get("start_time")
    fields = ["id", "start_time"]
    yield {"date_from": start, "date_till": start, "fields": fields, "limit": 100}


def _ask_sorted_nulls(learner: CdrLearner) -> Iterator[Params]:
    name, null, other = learner.find_null_pair()
    by_id = {"field": "id", "operator": "in", "value": [null["id"], other["id"]]}
    for order in ("asc", "desc"):
        sort = [{"field": name, "order": order}]
        yield {"fields": ["id", name], "filter": by_id, "sort": sort, "limit": 10}


def _ask_null_comparison(learner: CdrLearner) -> Iterator[Params]:
    name, null, other = learner.find_null_pair()
    leaf = {"field": name, "operator": "!=", "value": other[name]}
    yield {"fields": ["id"], "filter": _join_ids([null["id"]], leaf), "limit": 10}


def _ask_like_underscore(learner: CdrLearner) -> Iterator[Params]:
    for row in learner.rows:
        number = row.get("calling_phone_number")
        if isinstance(number, str) and number.isdigit() and len(number) > 2:
            pattern = f"{number[0]}_{number[2:]}"
            leaf = {"field": "calling_phone_number", "operator": "like", "value": pattern}
            yield {"filter": _join_ids([row["id"]], leaf), "limit": 10}
            return
    raise SkipProbe("no leg of the sample has a calling number")


def _ask_missing_condition(learner: CdrLearner) -> Iterator[Params]:
    yield {"filter": {"filters": [{"field": "id", "operator": "=", "value": 1}]}}


def _ask_constant(*params: Params) -> ParamsBuilder:
    return lambda _: iter(params)


_REQUESTS: dict[str, ParamsBuilder] = {
    "null-parameter": _ask_constant({"sort": None}),
    "paging-bounds": _ask_constant({"offset": -1}),
    "date-format": _ask_date_format,
    "dates-reversed": _ask_reversed_dates,
    "interval-months": _ask_long_interval,
    "unknown-enum-value": _ask_constant(
        {"filter": {"field": "finish_reason", "operator": "=", "value": UNKNOWN_VALUE}}
    ),
    "missing-condition": _ask_missing_condition,
    "filter-depth": _ask_filter_depth,
    "error-path": _ask_constant({"sort": [{"field": "call_records"}]}),
    "window-ends": _ask_window_end,
    "sort-nulls": _ask_sorted_nulls,
    "null-comparison": _ask_null_comparison,
    "like-underscore": _ask_like_underscore,
}
