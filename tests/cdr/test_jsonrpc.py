"""Transport and envelope: what a request must look like before any method is looked at."""

import json
from typing import Any

import pytest

from tests.cdr.conftest import Answer, CdrClient, error_fields, last_entry, mnemonic, rows

WHOLE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "get.account",
    "params": {"access_token": "t-token"},
}


def envelope(**changes: Any) -> str:
    return json.dumps({key: value for key, value in (WHOLE | changes).items() if value is not ...})


@pytest.mark.proves("cdr.slash", "cdr.post")
@pytest.mark.parametrize("path", ["/v2.0", "/v2.0/"])
def test_post_to_v2_0_with_or_without_a_slash(api: CdrClient, path: str) -> None:
    api.tenant()
    assert rows(api.post(envelope(), path))[0]["name"] == "t"


@pytest.mark.proves("cdr.post")
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_requests_are_always_made_by_post(api: CdrClient, method: str) -> None:
    response, _ = api.fetch(method, "/v2.0")
    assert response.status == 405


@pytest.mark.proves("cdr.post", "cdr.content-type")
@pytest.mark.parametrize(
    ("kind", "tolerated"),
    [
        ("application/json; charset=UTF-8", ""),
        ("application/json", ""),
        ("Application/JSON;charset=utf-8", ""),
        (None, "none"),
        ("text/plain", "text/plain"),
        ("application/json; charset=windows-1251", "application/json; charset=windows-1251"),
    ],
)
def test_another_content_type_is_tolerated_and_accept_is_ignored(
    api: CdrClient, kind: str | None, tolerated: str
) -> None:
    tenant = api.tenant()
    headers = {"Accept": "text/html"} | ({"Content-Type": kind} if kind else {})
    response, _ = api.fetch("POST", "/v2.0", envelope().encode(), **headers)
    entry = last_entry(tenant)
    assert (response.status, entry.violations) == (200, ())
    expected = "tolerated: Content-Type: expected application/json; charset=UTF-8, got "
    assert entry.notes == ((expected + tolerated,) if tolerated else ())


@pytest.mark.proves("cdr.envelope")
@pytest.mark.parametrize(
    "sent",
    [
        "1",
        "-7",
        "0",
        "12345678901234567890123",
        "1.50",
        "1e3",
        '"req_call1"',
        '""',
        '"\\u0438\\u0434"',
        '"ид"',
        '"with \\" quote"',
    ],
)
def test_the_id_is_echoed_as_it_was_sent(api: CdrClient, sent: str) -> None:
    api.tenant()
    _, good = api.fetch(
        "POST", "/v2.0", envelope(id=...)[:-1].encode() + f', "id":{sent}}}'.encode()
    )
    _, bad = api.fetch("POST", "/v2.0", f'{{"jsonrpc":"2.0","id":{sent},"method":"x"}}'.encode())
    assert f'"id":{sent},'.encode() in good
    assert b'"result"' in good
    assert f'"id":{sent},'.encode() in bad
    assert b"method_not_found" in bad


@pytest.mark.proves("cdr.notifications")
def test_no_id_is_a_notification_and_refused(api: CdrClient) -> None:
    answer = api.post(envelope(id=...))
    assert (answer["id"], mnemonic(answer)) == (None, "notifications_not_supported")


@pytest.mark.proves("cdr.envelope")
@pytest.mark.parametrize("sent", [None, True, [1], {"a": 1}])
def test_an_id_of_another_type_is_an_invalid_request(api: CdrClient, sent: object) -> None:
    answer = api.post(envelope(id=sent))
    assert answer["id"] is None
    assert mnemonic(answer) == "invalid_request"
    assert answer["error"]["data"]["field"] == "id"


@pytest.mark.proves("cdr.notifications")
@pytest.mark.parametrize("batch", ["[]", f"[{json.dumps(WHOLE)}]", "[1, 2]"])
def test_a_batch_is_refused(api: CdrClient, batch: str) -> None:
    answer = api.post(batch)
    assert answer["error"]["code"] == -32099
    assert (answer["id"], mnemonic(answer)) == (None, "batch_opreations_not_supported")


@pytest.mark.parametrize(
    ("body", "where", "got"),
    [
        (envelope(id=...), "id", "nothing"),
        (envelope(id=None), "id", "null"),
        (envelope(method=...), "method", "nothing"),
        (envelope(jsonrpc=...), "jsonrpc", "nothing"),
        (envelope(params={}), "access_token", "nothing"),
        ("[]", "request", "an array"),
        ("null", "request", "null"),
        ("7", "request", "7"),
    ],
)
def test_the_journal_says_what_an_envelope_has_instead(
    api: CdrClient, body: str, where: str, got: str
) -> None:
    tenant = api.tenant() if "t-token" in body else api.registry.unmatched
    api.post(body)
    (violation,) = last_entry(tenant).violations
    assert (violation.where, violation.got) == (where, got)


@pytest.mark.proves("cdr.envelope")
@pytest.mark.parametrize("sent", [..., None, "1.0", 2.0, 2])
def test_jsonrpc_must_be_the_string_2_0(api: CdrClient, sent: object) -> None:
    answer = api.post(envelope(jsonrpc=sent))
    assert answer["id"] == 1
    assert error_fields(answer)[:2] == ("invalid_request", "jsonrpc")


@pytest.mark.proves("cdr.envelope")
@pytest.mark.parametrize("sent", [..., None, 1, ["get.account"]])
def test_method_must_be_a_string(api: CdrClient, sent: object) -> None:
    answer = api.post(envelope(method=sent))
    assert answer["id"] == 1
    assert error_fields(answer)[:2] == ("invalid_request", "method")


@pytest.mark.parametrize("sent", ["null", "1", '"text"', "true"])
def test_a_scalar_is_an_invalid_request(api: CdrClient, sent: str) -> None:
    assert mnemonic(api.post(sent)) == "invalid_request"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b" ",
        b"{",
        b"[1",
        b'{"jsonrpc":"2.0","id":1,}',
        b"{'id': 1}",
        b'{"jsonrpc":"2.0","id":1,"method":"get.account"} more',
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":"\xff","method":"get.account"}',
        b'{"jsonrpc":"2.0","id":1,"method":"get.account","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","id":1,"method":"\x01"}',
    ],
)
def test_what_is_not_json_is_a_parse_error(api: CdrClient, sent: bytes) -> None:
    answer = api.post(sent)
    assert (answer["id"], mnemonic(answer)) == (None, "parse_error")


@pytest.mark.proves("cdr.no-json")
@pytest.mark.parametrize(
    ("sent", "where", "got"),
    [
        (b"", "byte 1", "truncated"),
        (b"{", "byte 2", "truncated"),
        (b'{"jsonrpc":"2.0","id":1,}', "byte 25", "trailing comma"),
        (b'{"jsonrpc":"2.0","id":1} more', "byte 26", "trailing characters"),
        (b'\xef\xbb\xbf{"id":tru}', "byte 1", "a byte order mark"),
        (b'{"jsonrpc":"2.0","id":"\xff"}', "byte 24", "no UTF-8"),
        (rb'{"id":"\ud800"}', "byte 8", r"half a surrogate pair: \ud800"),
        (rb'{"id":"\\ud800 \ud83d\ude00\udC00" ,"method":1}', "byte 28", r"pair: \udC00"),
        (b'{"id":"' + rb"\ud83d\ude00" * 9 + rb'\ud800"}', "byte 116", r"pair: \ud800"),
        (rb'{"id":"\ud83d\ude0', "byte 19", "truncated"),
        (b'{"a":' * 5_000, "body", "unbalanced brackets"),
    ],
)
def test_what_is_no_json_is_journaled_with_its_place_and_reason(
    api: CdrClient, sent: bytes, where: str, got: str
) -> None:
    assert mnemonic(api.post(sent)) == "parse_error"
    violations = last_entry(api.registry.unmatched).violations
    found = violations[-1]
    assert (found.where, found.expected) == (where, "JSON")
    assert got in found.got


@pytest.mark.proves("cdr.byte-order-mark")
def test_a_byte_order_mark_is_a_choice(api: CdrClient) -> None:
    tenant = api.tenant()
    marked = b"\xef\xbb\xbf" + envelope().encode()
    answer = api.post(marked)
    assert (answer["id"], mnemonic(answer)) == (None, "parse_error")
    entry = last_entry(tenant)
    assert [(v.where, v.got) for v in entry.violations] == [("byte 1", "a byte order mark")]
    assert "cdr.byte-order-mark" in entry.assumptions
    tenant.assumptions.set_choice("cdr.byte-order-mark", "ignored")
    assert rows(api.post(marked))
    assert last_entry(tenant).violations == ()


@pytest.mark.proves("cdr.params-type")
@pytest.mark.parametrize("sent", [[], ["t-token"], None, 1, "x"])
def test_params_must_be_an_object(api: CdrClient, sent: object) -> None:
    api.tenant()
    assert error_fields(api.post(envelope(params=sent)))[:2] == ("data_type_error", "params")


@pytest.mark.proves("cdr.unknown-members")
def test_unknown_members_of_the_envelope_are_tolerated(api: CdrClient) -> None:
    api.tenant()
    assert rows(api.post(envelope(extra={"deep": [[[]]]}, Method="x")))


def test_the_last_of_two_equal_keys_counts(api: CdrClient) -> None:
    api.tenant()
    answer = api.post(envelope()[:-1] + ', "id": 2}')
    assert answer["id"] == 2


def deep(levels: int) -> str:
    inner = '{"field":"id","operator":"=","value":1}'
    return '{"filters":[' * levels + inner + '],"condition":"or"}' * levels


@pytest.mark.proves("cdr.filter-depth")
@pytest.mark.parametrize("levels", [65, 120, 500, 2_000, 60_000])
def test_a_deep_filter_is_no_parse_error(api: CdrClient, levels: int) -> None:
    api.tenant()
    body = (
        '{"jsonrpc":"2.0","id":"deep \\" [ one","method":"get.call_legs_report","params":{'
        '"access_token":"t-token","date_from":"2026-03-02 00:00:00",'
        f'"date_till":"2026-03-02 23:59:59","filter":{deep(levels)}}}}}'
    )
    answer = api.post(body)
    assert answer["id"] == 'deep " [ one'
    assert error_fields(answer) == ("invalid_parameter_value", "filter", None)


@pytest.mark.proves("cdr.filter-depth")
def test_64_levels_are_taken(api: CdrClient) -> None:
    api.tenant()
    answer = api.legs(filter=json.loads(deep(64)))
    assert answer["result"]["metadata"]["total_items"] == 0


@pytest.mark.parametrize("body", ["[" * 5_000, '{"a":' * 5_000, "[" * 5_000 + "]" * 4_999 + "}}"])
def test_deep_and_unbalanced_is_a_parse_error(api: CdrClient, body: str) -> None:
    assert mnemonic(api.post(body)) == "parse_error"


def test_depth_elsewhere_is_checked_where_it_stands(api: CdrClient) -> None:
    api.tenant()
    nest = "[" * 200 + '"\\"[[["' + "]" * 200
    tolerated = envelope()[:-1] + f', "extra": {nest}}}'
    misplaced = envelope(params=...)[:-1] + (
        f', "params": {{"access_token":"t-token","user_id":{nest}}}}}'
    )
    assert rows(api.post(tolerated))
    assert error_fields(api.post(misplaced))[:2] == ("data_type_error", "user_id")
    assert mnemonic(api.post(nest)) == "batch_opreations_not_supported"


def test_depth_beyond_the_server_limit_is_refused_wherever_it_stands(api: CdrClient) -> None:
    api.tenant()
    nest = "[" * 9_000 + "]" * 9_000
    answer = api.post(envelope()[:-1] + f', "extra": {nest}}}')
    assert error_fields(answer) == ("invalid_parameter_value", "filter", None)
    assert mnemonic(api.post(nest)) == "batch_opreations_not_supported"


@pytest.mark.proves("cdr.filter-depth")
def test_a_body_too_large_gets_an_error_object_too(api: CdrClient) -> None:
    answer = api.post(b'{"jsonrpc":"2.0","id":1,"x":"' + b"x" * (2 * 1024 * 1024) + b'"}')
    assert answer["id"] is None
    assert error_fields(answer) == ("invalid_parameter_value", "filter", None)


def test_every_answer_has_the_conventional_members(api: CdrClient) -> None:
    api.tenant()
    good: Answer = api.post(envelope())
    bad: Answer = api.post(envelope(method="get.nothing"))
    assert list(good) == ["jsonrpc", "id", "result"]
    assert list(bad) == ["jsonrpc", "id", "error"]
    assert good["jsonrpc"] == bad["jsonrpc"] == "2.0"
