"""The paging tag: the vendor's own bytes, round trips, and forgeries."""

import base64
import struct
import time
import zlib
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmocks.arm import frames, tag, tree
from callmocks.arm.tag import PagingTag, TagError
from callmocks.contract.resources import fixture_path


def documented() -> str:
    frame = frames.decode_response(fixture_path("documented/arm/response.frame").read_bytes())
    history = tree.decode(frame.body).content[0].content[0]  # type: ignore[union-attr]
    assert isinstance(history, tree.Node)
    return history.attributes["tag"]


HANG_S = 5
"""Of processor time: far more than any refusal takes, far less than a decoder led astray would."""


def refused(data: bytes | str) -> str:
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    began = time.process_time()
    with pytest.raises(TagError) as error:
        tag.decode(text)
    assert time.process_time() - began < HANG_S
    return str(error.value)


@pytest.mark.proves("arm.tag")
def test_the_documented_tag_is_212_bytes_and_says_the_last_rows_start_time() -> None:
    assert len(base64.b64decode(documented())) == 212
    assert tag.decode(documented()) == PagingTag(datetime(2020, 12, 10, 14, 7, 56), "102", True)


@pytest.mark.proves("arm.tag")
def test_the_documented_tag_comes_back_in_the_same_bytes() -> None:
    assert tag.encode(tag.decode(documented())) == documented()


tags = st.builds(
    PagingTag,
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(
        lambda at: at.replace(microsecond=0)
    ),
    st.text(max_size=8),
    st.booleans(),
    st.lists(
        st.tuples(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.text(max_size=30)), max_size=5
    ).map(tuple),
    st.none() | st.tuples(st.integers(0, 999), st.text("0123456789", max_size=20)),
)


@given(tags)
def test_a_tag_comes_back_as_it_was(made: PagingTag) -> None:
    assert tag.decode(tag.encode(made)) == made


@given(tags)
def test_a_tag_begins_like_the_documented_one_and_keeps_its_properties_in_order(
    made: PagingTag,
) -> None:
    data = base64.b64decode(tag.encode(made))
    assert data.startswith(b"\x83h\x04d\x00\x03tagd\x00\x07historyh\x02d\x00\x08datetime")
    properties = [b"cc_agent_id", b"skip_incomplete", b"skip_supervising", b"calls_type", b"view",
                  b"active"]  # fmt: skip
    places = [data.index(b"d" + struct.pack(">H", len(name)) + name) for name in properties]
    assert places == sorted(places)
    assert (b"filters" in data) >= bool(made.filters)


@settings(max_examples=400)
@given(
    st.text(max_size=60)
    | st.binary(max_size=200).map(lambda data: base64.b64encode(b"\x83" + data).decode())
)
def test_any_text_is_a_tag_or_refused(text: str) -> None:
    try:
        tag.decode(text)
    except TagError as error:
        assert str(error)


@pytest.mark.proves("arm.tag-refused")
@settings(max_examples=400)
@given(st.integers(0, 211), st.integers(1, 255))
def test_a_damaged_tag_is_refused_or_still_a_tag(offset: int, change: int) -> None:
    data = bytearray(base64.b64decode(documented()))
    data[offset] ^= change
    try:
        got = tag.decode(base64.b64encode(bytes(data)).decode())
    except TagError:
        return
    assert got != tag.decode(documented())  # another value, and nothing that says the same


@given(st.integers(0, 211))
def test_a_tag_cut_short_is_refused(length: int) -> None:
    refused(base64.b64decode(documented())[:length])


@pytest.mark.proves("arm.tag-refused")
def test_a_compressed_term_is_refused_before_it_grows() -> None:
    bomb = b"\x83P" + struct.pack(">I", 200 << 20) + zlib.compress(bytes(200 << 20), 1)
    assert "longer than 4096 bytes" in refused(bomb)
    assert "type 80" in refused(
        b"\x83P" + struct.pack(">I", 1 << 20) + zlib.compress(bytes(1 << 20))
    )


@pytest.mark.proves("arm.tag-refused")
def test_a_deep_term_is_refused_before_it_overflows_the_stack() -> None:
    assert "longer than 4096 bytes" in refused(b"\x83" + b"h\x01" * 50_000 + b"j")
    assert "deeper than 8" in refused(b"\x83" + b"h\x01" * 9 + b"j")


@pytest.mark.proves("arm.tag-refused")
@pytest.mark.parametrize("kind", [70, 77, 88, 99, 103, 107, 110, 111, 112, 115, 116, 118, 119])
def test_term_types_outside_the_documented_ones_are_refused(kind: int) -> None:
    assert f"type {kind}" in refused(b"\x83" + bytes([kind]) + bytes(40))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"\x00\x07history", b"\x00\x07histori", "histori"),
        (b"datetime", b"datetimf", "datetimf"),
        (b"a\x0ca\n", b"a\x0da\n", "month"),
        (b"a\x0ea\x07a8", b"a\x0ea\x07a\x3c", "second"),
        (b"cc_agent_id", b"cc_agent_ie", "cc_agent_ie"),
        (b"\x00\x06active", b"\x00\x06actiwe", "actiwe"),
        (b"d\x00\x05false", b"d\x00\x04true", "not written as"),
        (b"skip_supervising", b"skip_incomplete\x00"[:16], "skip_incomplete\\x00"),
        (b"\x00\x03102", b"\x00\x03\xff\xfe\xfd", "UTF-8"),
    ],
)
def test_a_forged_tag_is_refused(old: bytes, new: bytes, says: str) -> None:
    data = base64.b64decode(documented())
    assert old in data
    assert says in refused(data.replace(old, new)).encode("unicode_escape").decode()


def test_a_property_given_twice_is_refused() -> None:
    data = base64.b64decode(documented())
    pair = b"h\x02d\x00\x06actived\x00\x05false"
    twice = data.replace(b"l\x00\x00\x00\x06", b"l\x00\x00\x00\x07").replace(pair, pair * 2)
    assert "twice" in refused(twice)


@pytest.mark.parametrize("text", ["", "!", "g2gE", "тег", "g2gEZAADdGFn=", " " + "A" * 9000])
def test_text_that_is_no_term_is_refused(text: str) -> None:
    refused(text)
