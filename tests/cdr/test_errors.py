"""Every row of the vendor's error table, provoked over HTTP and compared whole."""

import csv
from collections.abc import Callable
from typing import Any

import pytest

from callmocks.contract.resources import schema_path
from callmocks.tenants.settings import CdrSettings, CdrUser
from tests.cdr.conftest import ONE_DAY, Answer, CdrClient

with schema_path("cdr/errors.csv").open(encoding="utf-8") as file:
    TABLE = {row["mnemonic"]: row for row in csv.DictReader(file)}

LIMITS = {
    "day_limit": 3000,
    "day_remaining": 3000,
    "day_reset": 43200,
    "minute_limit": 60,
    "minute_remaining": 60,
    "minute_reset": 60,
}
DATES = {"date_from": ONE_DAY[0], "date_till": ONE_DAY[1]}

Case = tuple[Callable[[CdrClient], Answer], dict[str, Any]]


def account(**settings: Any) -> Callable[[CdrClient], None]:
    def make(api: CdrClient) -> None:
        api.tenant(cdr=CdrSettings(**settings))

    return make


def legs(**params: Any) -> Callable[[CdrClient], Answer]:
    return lambda api: api.rpc("get.call_legs_report", **(DATES | params))


def with_account(prepare: Callable[[CdrClient], None], send: Callable[[CdrClient], Answer]) -> Any:
    def run(api: CdrClient) -> Answer:
        prepare(api)
        return send(api)

    return run


plain = account()
user = CdrUser(id=5, login="u", name="n", customer_id=1)


def exhausted(api: CdrClient) -> Answer:
    api.tenant(limits="documented", cdr=CdrSettings(minute_limit=1))
    api.rpc("get.account")
    return api.rpc("get.account")


def broken(api: CdrClient) -> Answer:
    tenant = api.tenant()
    tenant.history = None  # type: ignore[assignment]
    return legs()(api)


def case(
    send: Callable[[CdrClient], Answer],
    field: str | None = None,
    value: str | None = None,
    limits: dict[str, int] | None = LIMITS,
    prepare: Callable[[CdrClient], None] = plain,
    **params: Any,
) -> Case:
    data = {"field": field, "value": value, "params": params, "extended_helper": None}
    if limits is not None:
        data["metadata"] = {"limits": limits}
    return with_account(prepare, send), data


BEFORE = None
CASES: dict[str, Case] = {
    "parse_error": case(lambda api: api.post("{"), limits=BEFORE),
    "invalid_request": case(
        lambda api: api.post('{"jsonrpc":"2.1","id":7,"method":"get.account"}'),
        "jsonrpc",
        "2.1",
        BEFORE,
    ),
    "method_not_found": case(lambda api: api.rpc("get.tags"), "method", "get.tags", BEFORE),
    "auth_error": case(
        lambda api: api.rpc("login.user", token=None, login="t", password="wrong"), limits=BEFORE
    ),
    "access_token_invalid": case(
        lambda api: api.rpc("get.account", token="nonsense"), "access_token", "nonsense", BEFORE
    ),
    "access_token_expired": case(
        lambda api: api.rpc("get.account", token="old"),
        "access_token",
        "old",
        BEFORE,
        account(expired_tokens=["old"]),
    ),
    "access_token_blocked": case(
        lambda api: api.rpc("get.account"),
        "access_token",
        "t-token",
        BEFORE,
        account(token="t-token", blocked_tokens=["t-token"]),
    ),
    "forbidden": case(lambda api: api.rpc("get.customer_users")),
    "ip_not_whitelisted": case(
        lambda api: api.rpc("get.account"),
        limits=BEFORE,
        prepare=account(allowed_ips=["10.0.0.0/8", "::1"]),
        ip="127.0.0.1",
    ),
    "method_component_disabled": case(
        legs(),
        prepare=account(disabled_components=["data_api_reports"]),
        components="data_api_reports",
    ),
    "parameter_component_disabled": case(
        legs(fields=["id", "call_records"]),
        "fields",
        "call_records",
        prepare=account(disabled_components=["call_records"]),
        components="call_records",
    ),
    "account_inactive": case(lambda api: api.rpc("get.account"), prepare=account(active=False)),
    "limit_exceeded": case(
        exhausted,
        limits=LIMITS | {"day_remaining": 2999, "minute_limit": 1, "minute_remaining": 0},
        prepare=lambda api: None,
        limit_type="minute",
        limit_max_value=1,
    ),
    "batch_opreations_not_supported": case(lambda api: api.post("[]"), limits=BEFORE),
    "notifications_not_supported": case(
        lambda api: api.post('{"jsonrpc":"2.0","method":"get.account"}'), "id", None, BEFORE
    ),
    "data_type_error": case(legs(limit="ten"), "limit", "ten"),
    "required_parameter_missed": case(
        lambda api: api.rpc("get.call_legs_report", date_from=ONE_DAY[0]), "date_till"
    ),
    "invalid_parameter_value": case(legs(date_from="2026-03-02"), "date_from", "2026-03-02"),
    "unexpected_parameters": case(legs(page=2), "page", "2"),
    "invalid_parameters_combination": case(
        legs(date_from=ONE_DAY[1], date_till=ONE_DAY[0]), "date_from", ONE_DAY[1]
    ),
    "error": case(
        legs(filter={"field": "id", "operator": "jsquery", "value": "x"}),
        "filter.operator",
        "jsquery",
        error_message="jsquery is not supported",
    ),
    "sort_prohibited": case(legs(sort=[{"field": "id"}]), "sort.field", "id"),
    "filter_prohibited": case(
        legs(filter={"field": "start_time", "operator": "=", "value": "x"}),
        "filter.field",
        "start_time",
    ),
    "date_interval_limit_reached": case(
        legs(date_from="2026-01-01 00:00:00", date_till="2026-04-01 00:00:01"),
        "date_till",
        "2026-04-01 00:00:01",
    ),
    "internal_error": case(broken, prepare=lambda api: None),
}
WITHOUT_ID = {"parse_error", "batch_opreations_not_supported", "notifications_not_supported"}


@pytest.mark.proves("cdr.errors")
def test_every_row_of_the_table_has_a_case() -> None:
    assert CASES.keys() == TABLE.keys()


@pytest.mark.proves(
    "cdr.errors",
    "cdr.error-field",
    "cdr.error-metadata",
    "cdr.status-200",
    "cdr.error-limits",
    "cdr.component-code",
    "cdr.notifications",
    "cdr.customer-users",
)
@pytest.mark.parametrize("mnemonic", TABLE)
def test_the_whole_error(api: CdrClient, mnemonic: str) -> None:
    send, data = CASES[mnemonic]
    row = TABLE[mnemonic]
    assert send(api) == {
        "jsonrpc": "2.0",
        "id": None if mnemonic in WITHOUT_ID else 7,
        "error": {
            "code": int(row["code"]),
            "message": row["message"].format(**data["params"]),
            "data": {"mnemonic": mnemonic, **data},
        },
    }


def test_a_defect_is_no_traceback_but_noted(
    api: CdrClient, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = api.tenant()
    history, tenant.history = tenant.history, None  # type: ignore[assignment]
    answer = legs()(api)
    tenant.history = history
    assert "Traceback" not in str(answer)
    assert "NoneType" not in str(answer)
    (entry,) = tenant.journal.read_entries()
    assert entry.notes[0].startswith("internal error: AttributeError")
    assert "Traceback" in caplog.text


ORDER = [
    # Two errors in one request: the check that comes first wins.
    ("[{]", None, "parse_error"),
    ('{"jsonrpc":"3","id":7,"method":"get.nothing"}', None, "invalid_request"),
    (None, {"method": "get.nothing", "token": "nonsense"}, "method_not_found"),
    (None, {"method": "get.call_legs_report", "token": "nonsense"}, "access_token_invalid"),
]


@pytest.mark.proves("cdr.check-order")
@pytest.mark.parametrize(("body", "call", "expected"), ORDER)
def test_json_then_envelope_then_method_then_token(
    api: CdrClient, body: str | None, call: dict[str, str] | None, expected: str
) -> None:
    answer = api.post(body) if body else api.rpc(**(call or {}))
    assert answer["error"]["data"]["mnemonic"] == expected


@pytest.mark.proves("cdr.check-order")
def test_limits_come_before_parameters(api: CdrClient) -> None:
    api.tenant(limits="documented", cdr=CdrSettings(minute_limit=0))
    assert legs(page=2)(api)["error"]["data"]["mnemonic"] == "limit_exceeded"


PARAMETERS: list[tuple[str, dict[str, Any]]] = [
    ("unexpected_parameters", {"page": 2}),
    ("required_parameter_missed", {"date_till": None}),
    ("data_type_error", {"limit": "ten"}),
    ("sort_prohibited", {"sort": [{"field": "id"}]}),
    ("invalid_parameter_value", {"offset": -1}),
    ("date_interval_limit_reached", {"date_from": "2025-01-01 00:00:00"}),
]


@pytest.mark.proves("cdr.parameter-order")
@pytest.mark.parametrize("first", range(len(PARAMETERS)))
def test_parameters_are_checked_in_the_contracts_order(api: CdrClient, first: int) -> None:
    api.tenant()
    errors: dict[str, Any] = {}
    for _, error in reversed(PARAMETERS[first:]):
        errors |= error
    if first <= 1:  # without an end there is no interval to be too long
        errors.pop("date_from")
    assert legs(**errors)(api)["error"]["data"]["mnemonic"] == PARAMETERS[first][0]


def test_all_errors_are_journaled_with_their_paths(api: CdrClient) -> None:
    tenant = api.tenant()
    legs(
        page=2,
        sort=[{"field": "duration"}, {"field": "id"}],
        filter={"filters": [{"field": "nope", "operator": "="}], "condition": "xor"},
    )(api)
    (entry,) = tenant.journal.read_entries()
    assert [violation.where for violation in entry.violations] == [
        "page",
        "filter.condition",
        "filter.filters.0.field",
        "sort.1.field",
    ]


@pytest.mark.proves("cdr.long-value")
def test_a_long_value_is_cut_in_its_echo(api: CdrClient) -> None:
    api.tenant()
    answer = legs(limit="x" * 100_000)(api)
    assert answer["error"]["data"]["value"] == "x" * 1000 + "…"


@pytest.mark.proves("cdr.error-field")
@pytest.mark.parametrize(
    ("sent", "echoed"),
    [(True, "true"), (1.5, "1.5"), ([1, "я"], '[1,"я"]'), ({"a": None}, '{"a":null}')],
)
def test_the_value_is_what_was_sent_as_a_string(api: CdrClient, sent: object, echoed: str) -> None:
    api.tenant()
    assert legs(date_from=sent)(api)["error"]["data"]["value"] == echoed
