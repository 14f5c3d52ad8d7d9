"""JSON-RPC as the vendor has it: from bytes to a request, and from an answer to bytes."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from callmocks.cdr.errors import RpcError
from callmocks.contract.garbage import drop_frames, paused_collection
from callmocks.contract.json_values import decode_json, make_json_decoder
from callmocks.contract.nesting import iter_json_depths
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.worker import LONG_REQUEST_BYTES, run_in_worker

# Nesting that is read of a body too deep for the decoder: what stands deeper is refused anyway, by
# the filter's own limit (64 levels are 128 of JSON).
MAX_DECODED_DEPTH = 200

# Pairs and other escapes are passed over: what follows an escaped backslash is text. What the end
# of the body cuts may have been a pair.
_LONE_SURROGATE = re.compile(
    rb"(?s)\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}"
    rb"|(?P<lone>\\u[dD][89a-fA-F][\da-fA-F]{2})(?!(?:\\(?:u[\da-fA-F]{0,3})?)?\Z)|\\."
)
_PAIR_BYTES = 12

MAX_BODY_BYTES = 2 * 1024 * 1024
"""Longest body (assumed): the largest filter fits, and a list of a million lists does not."""
MAX_VALUES = 250_000
"""Of a body, by its commas and opening brackets (assumed); the largest filter has 60 000."""
NULL_ID = msgspec.Raw(b"null")
Members = dict[str, msgspec.Raw]


class Envelope(msgspec.Struct):
    """A request as it was sent; ``id`` keeps its spelling so that the echo is exact."""

    jsonrpc: Any = UNSET
    id: msgspec.Raw | UnsetType = UNSET
    method: Any = UNSET
    params: Any = UNSET


_envelope_decoder = make_json_decoder(Envelope)
_members_decoder = msgspec.json.Decoder(Members)


class ParsedRequest:
    """``error`` is the first rule it breaks, ``readable`` whether there is an envelope at all,
    ``echo_id`` the id to answer with: as it was spelt if it is a string or a number, else null,
    ``json_error`` where it is no JSON, and why. A byte order mark is passed over.
    """

    __slots__ = (
        "body",
        "echo_id",
        "envelope",
        "error",
        "has_byte_order_mark",
        "json_error",
        "readable",
    )

    def __init__(self, body: bytes) -> None:
        if len(body) > LONG_REQUEST_BYTES:
            with paused_collection():
                self._parse(body)
        else:
            self._parse(body)

    def _parse(self, body: bytes) -> None:
        self.body = body
        self.has_byte_order_mark = body.startswith(BOM_UTF8)
        self.echo_id = NULL_ID
        self.error: RpcError | None = None
        self.readable = True
        self.json_error: tuple[str, str] | None = None
        try:
            self.envelope, sent_id = _decode_envelope(body.removeprefix(BOM_UTF8))
        except RpcError as error:
            self.envelope, self.error, self.readable = Envelope(), drop_frames(error), False
            if error.mnemonic == "parse_error":
                self.json_error = locate_json_error(body)
            return
        request_id = self.envelope.id
        if isinstance(request_id, msgspec.Raw) and bytes(request_id)[:1] in b'"-0123456789':
            self.echo_id = request_id
        self.error = self._check_envelope(sent_id)

    def _check_envelope(self, sent_id: object) -> RpcError | None:
        sent = self.envelope
        if sent.jsonrpc != "2.0" or not isinstance(sent.jsonrpc, str):
            return _invalid_request("jsonrpc", sent.jsonrpc, 'the string "2.0"')
        if isinstance(sent.id, UnsetType):
            return RpcError("notifications_not_supported", "id", expected="an id", got="nothing")
        if self.echo_id is NULL_ID:
            return _invalid_request("id", sent_id, "a string or a number")
        if not isinstance(sent.method, str):
            return _invalid_request("method", sent.method, "a string")
        return None


def read_request(exchange: Exchange) -> ParsedRequest:
    """Parsed once, until a fault writes another request."""
    if (parsed := _find_parsed(exchange)) is None:
        parsed = exchange.parsed = ParsedRequest(exchange.request)
    return parsed


async def read_long_request(exchange: Exchange) -> ParsedRequest:
    """In a thread if it is long and not parsed yet."""
    is_long = len(exchange.request) > LONG_REQUEST_BYTES
    if is_long and _find_parsed(exchange) is None:
        return await run_in_worker(partial(read_request, exchange))
    return read_request(exchange)


def _find_parsed(exchange: Exchange) -> ParsedRequest | None:
    parsed = exchange.parsed
    if isinstance(parsed, ParsedRequest) and parsed.body is exchange.request:
        return parsed
    return None


def _decode_envelope(body: bytes) -> tuple[Envelope, object]:
    """With the value of the id."""
    try:
        return _decode_body(body)
    except RecursionError:
        return _decode_body(_replace_deep_values(body))


def _decode_body(body: bytes) -> tuple[Envelope, object]:
    try:
        if body.lstrip(b" \t\r\n")[:1] == b"{":
            envelope = _envelope_decoder.decode(body)
            if isinstance(envelope.id, UnsetType):
                return envelope, None
            envelope.id = envelope.id.copy()
            return envelope, decode_json(envelope.id)
        other = decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RpcError("parse_error", expected="JSON", value=None) from error
    if isinstance(other, list):
        raise RpcError(
            "batch_opreations_not_supported", expected="one request object", got="an array"
        )
    raise _invalid_request(None, other, "a request object")


def locate_json_error(body: bytes) -> tuple[str, str]:
    """``byte 118``, where JSON stops being JSON, and why; ``body`` when that cannot be told."""
    text = body.removeprefix(BOM_UTF8)
    skipped, reason = len(body) - len(text) + 1, "something else"
    try:
        decode_json(text)
    except msgspec.DecodeError as error:
        reason, _, offset = str(error).partition(" (byte ")
        position = int(re.sub(r"\D", "", offset) or len(text))
        if "surrogate" in reason or "truncated" in reason:
            found = _find_lone_surrogate(text, position)
            if found is not None:
                escape = found[0].decode()
                return f"byte {skipped + found.start()}", f"half a surrogate pair: {escape}"
        position -= reason.endswith("trailing characters")  # msgspec counts past the first
        return f"byte {skipped + position}", reason
    except RecursionError:
        return "body", "unbalanced brackets"
    except UnicodeDecodeError:
        pass
    try:
        text.decode("utf-8")  # the decoder above counts from the text that is none
    except UnicodeDecodeError as error:
        return f"byte {skipped + error.start}", "no UTF-8"
    return "body", reason


def _find_lone_surrogate(text: bytes, position: int) -> re.Match[bytes] | None:
    # The decoder stops within a pair's length of it. The search begins earlier, at no escaped
    # character, and leaves out what may be the second half of a pair that began still earlier.
    begin = max(position - 4 * _PAIR_BYTES, 0)
    begin -= (begin - len(text[:begin].rstrip(b"\\"))) % 2
    first = begin + _PAIR_BYTES if begin else 0
    for found in _LONE_SURROGATE.finditer(text, begin, position + 2 * _PAIR_BYTES):
        if found["lone"] and found.start() >= first:
            return found
    return None


def _invalid_request(field: str | None, value: object, expected: str) -> RpcError:
    if isinstance(value, UnsetType):
        return RpcError("invalid_request", field, expected=expected, got="nothing")
    return RpcError("invalid_request", field, value, expected=expected)


def encode_result(echo_id: msgspec.Raw, chunks: Iterable[bytes | memoryview]) -> bytes:
    head = b'{"jsonrpc":"2.0","id":%b,"result":' % bytes(echo_id)
    return b"".join((head, *chunks, b"}"))


def encode_error(echo_id: msgspec.Raw, error: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": echo_id, "error": error})


def make_error_reply(error: RpcError, echo_id: msgspec.Raw = NULL_ID, status: int = 200) -> Reply:
    return Reply(encode_error(echo_id, error.build_error_object()), status)


def split_members(body: bytes | msgspec.Raw) -> Members:
    """The members of a JSON object; empty when it is something else."""
    try:
        return _members_decoder.decode(body)
    except (ValueError, RecursionError):
        return {}


def _replace_deep_values(body: bytes) -> bytes:
    """Everything deeper than ``MAX_DECODED_DEPTH`` becomes 0: it is refused, not read."""
    chunks, depths = zip(*iter_json_depths(body), strict=True)
    text, depth = np.concatenate(chunks), np.concatenate(depths)
    if depth[-1] != 0 or depth.min() < 0:
        raise RpcError("parse_error", expected="balanced brackets")
    closing = np.diff(depth, prepend=0) < 0
    deep = (depth > MAX_DECODED_DEPTH) | (closing & (depth == MAX_DECODED_DEPTH))
    starts = deep & ~np.concatenate(([False], deep[:-1]))
    # Two deep values may stand side by side only with a comma between them, which is shallow.
    text[starts] = ord("0")
    return bytes(text[~deep | starts])
