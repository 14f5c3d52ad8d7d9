"""The paging tag: a cursor and the query it belongs to, as one Erlang term.

Documented by one example, which decodes to

    {tag, history, {datetime, {{2020,12,10},{14,7,56}}},
     [{cc_agent_id, <<"102">>}, {skip_incomplete, true}, {skip_supervising, true},
      {calls_type, history}, {view, {operator, <<"102">>}}, {active, false}]}

in Erlang's external term format, base64. The datetime is the start of the page's last row. Two
properties may follow (assumed), each only when needed:

    {filters, [{number, <<"102">>}, ...]}     the filters of the first request
    {after, {250, <<"613295627">>}}           the millisecond and the call_ref of the last row,
                                              when its second has others
"""

import base64
import binascii
import struct
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple

import erlang
import msgspec

from callmocks.errors import CallmocksError

MAX_BYTES = 4096
MAX_DEPTH = 8

_VERSION = 131
_ATOM, _SMALL_TUPLE, _LIST, _BINARY = 100, 104, 108, 109
# Type and size in bytes of a small integer, an integer and the empty list.
_FIXED = {97: 2, 98: 5, 106: 1}


class TagError(CallmocksError):
    """The text names the step at which decoding failed."""


class PagingTag(NamedTuple):
    """``start``: that of the last row sent, whole seconds. ``agent``: the operator.

    ``filters``: names and values as the client gave them. ``after``: milliseconds within the
    second and call_ref of that row, None when it was alone in its second.
    """

    start: datetime
    agent: str
    skip_incomplete: bool = True
    filters: tuple[tuple[str, str], ...] = ()
    after: tuple[int, str] | None = None


class _VendorAtom(erlang.OtpErlangAtom):  # type: ignore[misc]
    """An atom as the vendor writes it: ATOM_EXT, which the library never chooses for short ones."""

    def binary(self) -> bytes:
        name: bytes = self.value.encode("latin-1")
        return struct.pack(">BH", _ATOM, len(name)) + name


def encode(tag: PagingTag) -> str:
    """The tag as the vendor would send it, byte for byte."""
    # Each page of a walk has another start and the same properties.
    start, *properties = tag
    head, tail = _encode_around_start(*properties)
    date = b"b%ba%ca%c" % (start.year.to_bytes(4), start.month, start.day)
    time = b"a%ca%ca%c" % (start.hour, start.minute, start.second)
    return base64.b64encode(b"%b%bh\x03%b%b" % (head, date, time, tail)).decode("ascii")


@lru_cache(maxsize=256)
def _encode_around_start(
    agent: str,
    skip_incomplete: bool,
    filters: tuple[tuple[str, str], ...],
    after: tuple[int, str] | None,
) -> tuple[bytes, bytes]:
    """The bytes before and behind the numbers of the datetime."""
    atom = _VendorAtom
    properties: list[tuple[Any, Any]] = [
        (atom("cc_agent_id"), _encode_text(agent)),
        (atom("skip_incomplete"), atom("true" if skip_incomplete else "false")),
        (atom("skip_supervising"), atom("true")),
        (atom("calls_type"), atom("history")),
        (atom("view"), (atom("operator"), _encode_text(agent))),
        (atom("active"), atom("false")),
    ]
    if filters:
        texts = [(atom(name), _encode_text(value)) for name, value in filters]
        properties.append((atom("filters"), texts))
    if after:
        properties.append((atom("after"), (after[0], _encode_text(after[1]))))
    term = (atom("tag"), atom("history"), (atom("datetime"), ((256, 1, 1), (0, 0, 0))), properties)
    data: bytes = erlang.term_to_binary(term)
    head, start, tail = data.partition(b"b\0\0\1\0a\1a\1h\3a\0a\0a\0")
    assert start
    return head, tail


def decode(text: str) -> PagingTag:
    """``TagError`` for anything that this service, or the vendor's, did not write."""
    if len(text) > MAX_BYTES * 4 // 3 + 4:
        raise TagError(f"longer than {MAX_BYTES} bytes")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise TagError("not base64") from None
    if len(data) > MAX_BYTES:
        raise TagError(f"longer than {MAX_BYTES} bytes")
    # Before the library decodes them: a compressed term of 200 KB grows to 200 MiB, and one nested
    # deep enough overflows the stack.
    _check_terms(data)
    tag = _parse_term(_to_plain(erlang.binary_to_term(data)))
    if encode(tag) != text:
        raise TagError("not written as this history writes its tags")
    return tag


def _encode_text(value: str) -> Any:
    return erlang.OtpErlangBinary(value.encode("utf-8"))


def _check_terms(data: bytes) -> None:
    """Only the documented kinds of term, nested as deep as allowed, and nothing after them."""
    if data[:1] != bytes([_VERSION]):
        raise TagError(f"not an Erlang term: it must begin with byte {_VERSION}")
    offset = 1
    open_terms = [1]  # how many terms are still to come at each depth
    while open_terms:
        if not open_terms[-1]:
            open_terms.pop()
            continue
        open_terms[-1] -= 1
        size, children = _measure_term(data, offset)
        offset += size
        if children:
            open_terms.append(children)
            if len(open_terms) - 1 > MAX_DEPTH:
                raise TagError(f"nested deeper than {MAX_DEPTH} terms")
    if offset != len(data):
        raise TagError(f"{len(data) - offset} bytes after the end of the term")


def _measure_term(data: bytes, offset: int) -> tuple[int, int]:
    """Bytes that a term takes without its children, and how many children follow."""
    kind = data[offset] if offset < len(data) else -1
    try:
        if kind == _ATOM:
            size, children = 3 + struct.unpack_from(">H", data, offset + 1)[0], 0
        elif kind == _BINARY:
            size, children = 5 + struct.unpack_from(">I", data, offset + 1)[0], 0
        elif kind == _SMALL_TUPLE:
            size, children = 2, data[offset + 1]
        elif kind == _LIST:  # its elements and its tail
            size, children = 5, struct.unpack_from(">I", data, offset + 1)[0] + 1
        elif kind in _FIXED:
            size, children = _FIXED[kind], 0
        else:
            what = "the end" if kind < 0 else f"a term of type {kind}"
            raise TagError(f"{what} at byte {offset}, where none is expected")
    except (struct.error, IndexError):
        raise TagError(f"cut short in the term at byte {offset}") from None
    if offset + size + children > len(data):
        raise TagError(f"cut short in the term at byte {offset}")
    return size, children


def _to_plain(term: Any) -> Any:
    """Atoms as ``:name``, binaries as ``=text``, the rest as Python has it."""
    if isinstance(term, erlang.OtpErlangAtom):
        return ":" + term.value.decode("latin-1")
    if isinstance(term, erlang.OtpErlangBinary):
        try:
            return "=" + term.value.decode("utf-8")
        except UnicodeDecodeError:
            raise TagError("a binary is not UTF-8") from None
    if isinstance(term, list | tuple):
        return type(term)(_to_plain(part) for part in term)
    return term


_Binary = Annotated[str, msgspec.Meta(pattern="^=")]
_Three = tuple[int, int, int]


class _TagProperties(msgspec.Struct, forbid_unknown_fields=True):
    """Only the documented choices are accepted."""

    cc_agent_id: _Binary
    skip_incomplete: bool
    skip_supervising: bool
    calls_type: Literal[":history"]
    view: tuple[Literal[":operator"], _Binary]
    active: bool
    filters: list[tuple[Annotated[str, msgspec.Meta(pattern="^:")], _Binary]] = []
    after: tuple[Annotated[int, msgspec.Meta(ge=0, le=999)], _Binary] | None = None


class _TagTerm(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    kind: Literal[":tag"]
    what: Literal[":history"]
    start: tuple[Literal[":datetime"], tuple[_Three, _Three]]
    properties: list[tuple[Annotated[str, msgspec.Meta(pattern="^:")], Any]]


def _parse_term(term: Any) -> PagingTag:
    try:
        parsed = msgspec.convert(term, _TagTerm)
        named = {name[1:]: value for name, value in parsed.properties}
        if len(named) < len(parsed.properties):
            raise TagError("a property occurs twice")
        properties = msgspec.convert(named, _TagProperties)
        start = datetime(*parsed.start[1][0], *parsed.start[1][1])
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise TagError(f"not a tag of this history: {error}") from None
    return PagingTag(
        start,
        properties.cc_agent_id[1:],
        properties.skip_incomplete,
        tuple((name[1:], value[1:]) for name, value in properties.filters),
        properties.after and (properties.after[0], properties.after[1][1:]),
    )
