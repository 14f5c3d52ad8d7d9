"""How deep a document is nested, by its bytes."""

from __future__ import annotations

import time

import pytest

from callmocks.contract.nesting import is_json_too_deep, is_xml_too_deep


def test_brackets_in_strings_are_text() -> None:
    assert not is_json_too_deep(b'["' + b"[" * 500 + b'"]', 5)
    assert not is_json_too_deep(b'["\\"' + b"[" * 500 + b'"]', 5)
    assert is_json_too_deep(b'["\\\\"' + b",[" * 500 + b'"]', 5)
    assert is_json_too_deep(b"[" * 6, 5)
    assert not is_json_too_deep(b"[]" * 500 + b"[[[[[", 5)


@pytest.mark.parametrize("before", [2**20 - 3, 2**20 - 2, 2**20 - 1, 2**20])
@pytest.mark.parametrize("slashes", [1, 2, 3, 4])
def test_pieces_are_put_together_where_a_string_is_cut(before: int, slashes: int) -> None:
    """Compared with the decoder: a string that ends or does not end at the border of a piece."""
    filler = b" " * (before - slashes - 2)
    body = b'["' + filler + b"\\" * slashes + b'"' + b"[" * 9
    ends = slashes % 2 == 0
    assert is_json_too_deep(body, 5) is ends


def test_a_hostile_body_is_scanned_quickly() -> None:
    for body in (b"\\" * 2**24 + b"[" * 300, b'"[' * 2**23, b"[]" * 2**23, b"[" * 2**24):
        begun = time.process_time()
        is_json_too_deep(body, 200)
        assert time.process_time() - begun < 1


def test_elements_side_by_side_are_not_deep() -> None:
    assert not is_xml_too_deep(b"<a>" + b"<b/>" * 500 + b"</a>", 2)
    assert is_xml_too_deep(b"<a>" + b"<b><c/></b>" * 500 + b"</a>", 2)
    assert not is_xml_too_deep(b"<a>" + b"<b>" * 500, 600)
    assert not is_xml_too_deep(b"<!DOCTYPE a>" + b"<a>" * 500, 5)  # refused by what reads it next
