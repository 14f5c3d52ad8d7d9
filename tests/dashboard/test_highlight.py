"""Requests and answers in the journal: readable, whole, and marked where the contract is left."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmocks.arm import frames
from callmocks.contract.journal import Violation
from callmocks.control.dashboard.highlight import HighlightedMessage, highlight_message

REQUEST = {"_name": "request", "_content": [{"_name": "filters", "_attributes": {"limit": "x"}}]}
FRAME = frames.encode_request(
    "0007", "operator_call_history", json.dumps([{"_name": "in", "_content": [REQUEST]}]).encode()
).decode()
PROPERTY = (
    '<p:Params xmlns:p="a"><c:Property name="To"><c:Value t="xs:string">soon</c:Value></c:Property>'
    '<c:Property name="From"><c:Value t="xs:string"> soon </c:Value></c:Property></p:Params>'
).replace("xmlns:p", 'xmlns:c="b" xmlns:p')


def shown(text: str, *violations: Violation, sha256: str | None = None) -> HighlightedMessage:
    return highlight_message(text, len(text.encode()), sha256, violations)


def whole(message: HighlightedMessage) -> str:
    return "".join(text for text, _ in message.pieces)


def marked(message: HighlightedMessage) -> list[tuple[str, int]]:
    return [piece for piece in message.pieces if piece[1]]


def test_json_is_indented_and_its_letters_readable() -> None:
    message = shown(json.dumps({"name": 'Ёж "и" ☎', "slash": "\\u0431", "n": [1e30]}))
    assert '"name": "Ёж \\"и\\" ☎"' in whole(message)
    assert '"slash": "\\\\u0431"' in whole(message)
    assert "\n" in whole(message) and message.raw


def test_a_frame_keeps_its_header() -> None:
    sent = frames.encode_request("0007", "operator_call_history", b'[{"_name":"in"}]').decode()
    lines = whole(shown(sent)).splitlines()
    assert lines[0] == sent[: frames.REQUEST_HEADER]
    assert json.loads("\n".join(lines[1:])) == [{"_name": "in"}]


def test_xml_is_indented_but_no_document_type_is_followed() -> None:
    assert whole(shown("<in><request/></in>")) == "<in>\n  <request/>\n</in>"
    bomb = '<!DOCTYPE a [<!ENTITY b "c">]><a><d>&b;</d></a>'
    assert whole(shown(bomb)) == bomb


@pytest.mark.parametrize("text", ["", "{", "<in", "[" * 100_000, "plain", "\x00\ufffd", "01"])
def test_anything_else_is_shown_as_it_is(text: str) -> None:
    message = shown(text)
    assert whole(message) == text and message.raw == ""


def test_a_truncated_text_is_not_reformatted() -> None:
    assert whole(shown('{"a": 1}', sha256="ab")) == '{"a": 1}'


@pytest.mark.parametrize(
    ("text", "where", "got", "expected"),
    [
        ('{"limit": "x"}', "limit", "x", '"x"'),
        (
            '{"filter": {"field": "id"}, "sort": [{"field": "nope"}]}',
            "sort.0.field",
            "nope",
            '"nope"',
        ),
        ('{"params": {"limit": "ten", "a": "limit"}}', "limit", '"ten"', '"ten"'),
        ('{"limit": 5, "params": {"x": {"limit": 7}, "limit": -1}}', "limit", "-1", "-1"),
        ('{"params": {"fields": ["id", "no"]}}', "fields.1", "no", '"no"'),
        ('{"params": {"sort": 5}, "id": null}', "id", "null", "null"),
        ('{"id": 1, "x" 5}', "byte 15", "invalid character", "5"),
        ('<in><filters offset="x"/></in>', "/in/filters/@offset", "'x'", "x"),
        ("<in><filters  a='1' b = '1'/></in>", "/in/filters/@b", "'1'", "1"),
        ('<in><f o="1"/><f o="2"/></in>', "/in/f[2]/@o", "'2'", "2"),
        ('<in><filters nonsense="1"/></in>', "/in/filters/@nonsense", "nonsense", "nonsense"),
        ("<in><requst/></in>", "/in", "requst", "requst"),
        ("<in><request>some</request></in>", "/in/request", "'some'", "some"),
        ("<out><in/></out>", "/out", "'out'", "out"),
        (FRAME, "/in/request/filters/@limit", "'x'", '"x"'),
        (FRAME, "bytes 3-12 (length)", "127", FRAME[2:12]),
        (PROPERTY, "Params/From", "'soon'", "soon"),
        (PROPERTY, "Params/From", "xs:string", "xs:string"),
        (PROPERTY, "Params/From", "From", "From"),
        ("01abc", "bytes 3-12 (length)", "'abc'", "abc"),
    ],
)
def test_the_mark_covers_the_value_of_a_violation_alone(
    text: str, where: str, got: str, expected: str
) -> None:
    message = shown(text, Violation(where, "another", got))
    assert marked(message) == [(expected, 1)]


def test_a_place_that_is_not_in_the_text_is_not_marked() -> None:
    for text, where in (
        ("{}", "callmocks"),
        ('{"params": {}}', "filter.operator"),
        ("<in><filters/></in>", "/in/filters/@limit"),
        ("<in>", "body"),
        ("<a:Envelope/>", "Envelope"),
        ("", "byte 1"),
    ):
        assert marked(shown(text, Violation(where, "an answer", "ValueError: x"))) == []


@pytest.mark.parametrize("part", ["<", "<!--", "<a ", '"', "[", '{"a":', "<a>", "</a>", "a='"])
def test_hostile_texts_take_no_long_time(part: str) -> None:
    text = part * (64 * 1024 // len(part))
    for where in ("limit", "/in/filters/@offset", "Params/From", "byte 60000"):
        assert whole(shown(text, *[Violation(where, "", "x")] * 100)) == text


@settings(max_examples=60, deadline=None)
@given(st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_nothing_is_lost_or_added(text: str, places: list[tuple[str, str]]) -> None:
    message = shown(text, *(Violation(where, "", got) for where, got in places))
    assert (message.raw or whole(message)) == text
