"""Bytes made of seeds: the files of a target's corpus, changed a little, or put together."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"

TOKENS = [
    *(b'"', b"'", b"<", b">", b"&", b"/", b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\0"),
    *(b"\xff", b"\xfe\xff", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\\u0000", b"\\ud800", b"\r\n"),
    *(b"0", b"-1", b"1e400", b"NaN", b"9223372036854775808", b"-9223372036854775809", b"0.1"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"]]>", b"<!--", b"<![CDATA[", b"<!DOCTYPE x []>"),
    *(b"&#0;", b"&lt;", b"&x;", b"xsi:nil", b"0001-01-01T00:00:00", b"9999-12-31T23:59:59"),
    *(b"2026-03-02 00:00:00", b"2026-02-30", b"%s", b"../../etc/passwd", b"a" * 300, b" " * 300),
    *(b"[" * 300, b"{" * 300, b"<a>" * 300, b"(" * 300, b'{"filters":[' * 100, b"1" * 5000),
]


def load_seeds(target: str) -> list[bytes]:
    """The corpus of a target, in a fixed order."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


@st.composite
def mutated_inputs(draw: st.DrawFn, target: str) -> bytes:
    """A seed with up to six changes; now and then bytes from nowhere."""
    known = load_seeds(target)
    data = draw(st.sampled_from(known))
    if draw(st.integers(0, 19)) == 19:
        data = draw(st.binary(max_size=200))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 1, 2, 4, 16, 64])))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            middle = draw(st.sampled_from(TOKENS))
        elif kind == 1:
            middle = b""
        elif kind == 2:
            middle = data[start:end] * draw(st.sampled_from([2, 3, 100]))
        elif kind == 3:
            other = draw(st.sampled_from(known))
            at = draw(st.integers(0, len(other)))
            middle = other[at : at + draw(st.sampled_from([1, 8, 64]))]
        else:
            middle = bytes([draw(st.integers(0, 255))])
        data = (data[:start] + middle + data[end:])[:300_000]
    return data
