"""Requests and answers in the journal: readable, whole, and marked where the contract is left."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmocks.arm import frames
from callmocks.contract.journal import Violation
from callmocks.control.dashboard.highlight import HighlightedMessage, highlight_message


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
        ('{"limit": "x"}', "limit", "x", 'limit": "x'),
        (
            '{"filter": {"field": "id"}, "sort": [{"field": "nope"}]}',
            "sort.0.field",
            "nope",
            'field": "nope',
        ),
        ('<in><filters offset="x"/></in>', "/in/filters/@offset", "'x'", 'offset="x'),
        ('<P name="Foo"/>', "Params/Foo", "another name", "Foo"),
        ("01abc", "bytes 3-12 (length)", "'abc'", "abc"),
    ],
)
def test_the_place_of_a_violation_is_marked(text: str, where: str, got: str, expected: str) -> None:
    message = shown(text, Violation(where, "another", got))
    assert marked(message) == [(expected, 1)]


def test_a_place_that_is_not_in_the_text_is_not_marked() -> None:
    assert marked(shown("{}", Violation("callmocks", "an answer", "ValueError: x"))) == []


@settings(max_examples=60, deadline=None)
@given(st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_nothing_is_lost_or_added(text: str, places: list[tuple[str, str]]) -> None:
    message = shown(text, *(Violation(where, "", got) for where, got in places))
    assert (message.raw or whole(message)) == text
