"""Hostile requests get a clear error, or an answer, in milliseconds."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from callmocks.cdr.filters import FilterCompiler, RowFilter
from callmocks.tenants.settings import CdrSettings
from tests.cdr.conftest import Answer, CdrClient, error_fields, mnemonic, simple, total, tree

HANG_S = 5
"""Of processor time: far more than a refusal takes, far less than a filter that ran away would."""


def timed(api: CdrClient, **params: Any) -> tuple[Answer, float]:
    api.legs()  # the day is generated
    start = time.process_time()
    answer = api.legs(**params)
    return answer, time.process_time() - start


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(7*)*8",
        "((7|77)+)+x",
        "(7+7+)+y",
        "(.*)*x",
        "^(([0-9])+.)+([a-z])+$",
        "(x?){25}x{25}",
    ],
)
def test_catastrophic_patterns_are_linear(api: CdrClient, pattern: str) -> None:
    api.tenant()
    answer, seconds = timed(api, filter=simple("calling_phone_number", "regexp", pattern))
    assert "result" in answer
    assert seconds < HANG_S


@pytest.mark.proves("cdr.regexp")
@pytest.mark.parametrize(
    "pattern",
    [
        "((7{255}){255}){255}",
        "(\\w{255}){255}",
        "7{256}",
        "(" * 500 + ")" * 500,
        "x" * 1001,
        "(7)\\1",
        "(?=7)7",
        "(?<=7)7",
        "\\m7",
        "7\\M",
        "\\y7",
        "[[:<:]]7",
        "[[.7.]]",
        "[[=7=]]",
        "[[:nope:]]",
        "[+--]",
        "(?x)7",
        "(?P<n>7)",
        "***=7",
        "7**",
        "7{2,1}",
        "[9-7]",
        "[",
        "(",
        ")",
        "\\",
        "\\b7",
    ],
)
def test_unsupported_patterns(api: CdrClient, pattern: str) -> None:
    api.tenant()
    answer, seconds = timed(api, filter=simple("calling_phone_number", "regexp", pattern))
    assert error_fields(answer)[:2] == ("invalid_parameter_value", "filter.value")
    assert seconds < HANG_S


def test_a_filter_10_000_levels_deep(api: CdrClient) -> None:
    api.tenant()
    api.legs()
    nest = '{"filters":[' * 10_000 + "{}" + '],"condition":"and"}' * 10_000
    body = (
        '{"jsonrpc":"2.0","id":1,"method":"get.call_legs_report","params":{"access_token":"t-token",'
        f'"date_from":"2026-03-02 00:00:00","date_till":"2026-03-02 23:59:59","filter":{nest}}}}}'
    )
    start = time.process_time()
    answer = api.post(body)
    assert time.process_time() - start < HANG_S
    assert error_fields(answer) == ("invalid_parameter_value", "filter", None)


@pytest.mark.proves("cdr.filter-depth")
def test_a_million_elements_of_in(api: CdrClient) -> None:
    api.tenant()
    answer, seconds = timed(api, filter=simple("id", "in", list(range(1_000_000))))
    assert error_fields(answer) == ("invalid_parameter_value", "filter", None)
    assert seconds < 1.5  # nearly all of it is making, sending and reading 7 MB of JSON


@pytest.mark.proves("cdr.filter-depth")
def test_50_000_elements_of_in(api: CdrClient) -> None:
    api.tenant()
    wanted = [row["id"] for row in api.legs()["result"]["data"]]
    answer, seconds = timed(
        api, filter=simple("id", "in", wanted + list(range(50_000 - len(wanted))))
    )
    assert total(answer) == len(wanted)
    assert seconds < HANG_S
    assert mnemonic(api.legs(filter=simple("id", "in", [1] * 50_001))) == "invalid_parameter_value"


@pytest.mark.proves("cdr.filter-depth")
def test_ten_thousand_nodes_and_one_more(api: CdrClient) -> None:
    api.tenant()
    most = tree("or", *(simple("duration", "=", number) for number in range(9_999)))
    answer, seconds = timed(api, filter=most)
    assert total(answer) == total(api.legs())
    assert seconds < 2
    most["filters"].append(simple("id", "=", 1))
    answer, seconds = timed(api, filter=most)
    assert error_fields(answer) == ("invalid_parameter_value", "filter", None)
    assert seconds < HANG_S


def test_ten_thousand_errors_are_one_answer_and_a_short_journal(api: CdrClient) -> None:
    tenant = api.tenant()
    wrong = tree("or", *(simple(f"nope{number}", "=", number) for number in range(9_000)))
    answer, seconds = timed(api, filter=wrong)
    assert error_fields(answer) == ("unexpected_parameters", "filter.filters.field", "nope0")
    assert seconds < HANG_S
    assert len(list(tenant.journal.read_entries())[-1].violations) == 20


def test_the_deepest_filter_is_evaluated(api: CdrClient) -> None:
    api.tenant()
    nested = simple("is_operator", "=", True)
    for level in range(64):
        nested = tree(
            "or" if level % 2 else "and", nested, simple("id", ">" if level % 2 else "!=", 2**60)
        )
    answer, seconds = timed(api, filter=nested)
    assert total(answer) == total(api.legs(filter=simple("is_operator", "=", True)))
    assert seconds < HANG_S


@pytest.mark.proves("cdr.filter-depth")
def test_too_many_patterns(api: CdrClient) -> None:
    api.tenant()
    many = [simple("calling_phone_number", "regexp", f"^7{number}") for number in range(17)]
    assert "result" in api.legs(filter=tree("or", *many[:16]))
    assert error_fields(api.legs(filter=tree("or", *many))) == (
        "invalid_parameter_value",
        "filter",
        None,
    )


def test_a_long_like_pattern(api: CdrClient) -> None:
    api.tenant()
    for pattern in ("%" * 100_000, "_" * 100_000, "%_" * 50_000):
        answer, seconds = timed(api, filter=simple("calling_phone_number", "like", pattern))
        assert mnemonic(answer) == "invalid_parameter_value"
        assert seconds < HANG_S


def test_many_sort_keys(api: CdrClient) -> None:
    api.tenant()
    sort = [{"field": "duration", "order": order} for order in ("desc", "asc")] * 5_000
    answer, seconds = timed(api, sort=sort, limit=5)
    once = api.legs(sort=[{"field": "duration", "order": "desc"}], limit=5)
    assert answer["result"]["data"] == once["result"]["data"]
    assert seconds < HANG_S


@pytest.mark.parametrize("value", [1e308, -1e308, 2**63, -(2**63) - 1, 10**400, 0.1])
def test_numbers_no_column_can_hold(api: CdrClient, value: float) -> None:
    api.tenant()
    for operator in ("<", "<="):
        answer = api.legs(filter=simple("id", operator, value))
        assert total(answer) == (total(api.legs()) if value > 1 else 0)
    assert total(api.legs(filter=simple("id", "in", [value]))) == 0
    assert total(api.legs(filter=simple("id", "not_in", [value]))) == total(api.legs())


def test_unicode_in_texts_and_patterns(api: CdrClient) -> None:
    api.tenant()
    for text in ("\u0000", "\ud83d\ude00", "ё" * 1000, "%\u202e%", "😀"):
        for operator in ("=", "like", "ilike", "regexp"):
            answer = api.legs(filter=simple("employee_full_name", operator, text))
            assert "result" in answer or mnemonic(answer) == "invalid_parameter_value"


def test_a_window_of_too_many_legs_is_refused_before_generation(api: CdrClient) -> None:
    api.tenant(calls_per_day=100_000)
    window = ("2025-11-01 00:00:00", "2026-01-31 23:59:59")
    for call in (api.legs, api.sessions):
        start = time.process_time()
        answer = call(window, limit=1)
        assert time.process_time() - start < HANG_S
        assert answer["error"]["message"] == (
            "the query would look at more than 2000000 rows; narrow its window"
        )
        assert mnemonic(answer) == "error"


LISTS = {
    "get.employees": "full_name",
    "get.group_employees": "name",
    "get.virtual_numbers": "virtual_phone_number",
    "get.scenarios": "name",
    "get.customer_users": "name",
}


@pytest.mark.parametrize("method", LISTS)
def test_a_long_filter_of_a_list_is_compiled_beside_the_event_loop(
    api: CdrClient, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []

    compile_filter = FilterCompiler.compile

    def compile_noted(compiler: FilterCompiler, raw: object) -> RowFilter:
        threads.append(threading.current_thread().name)
        return compile_filter(compiler, raw)

    monkeypatch.setattr(FilterCompiler, "compile", compile_noted)
    api.tenant(cdr=CdrSettings(partner=method == "get.customer_users"))
    for count in (2, 1300):
        conditions = [simple(LISTS[method], "like", f"%{number}%") for number in range(count)]
        assert "result" in api.rpc(method, filter=tree("or", *conditions))
    assert ["worker" in name for name in threads] == [False, True]
