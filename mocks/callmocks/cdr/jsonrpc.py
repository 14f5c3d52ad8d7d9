"""From bytes to a JSON-RPC request: the envelope's rules, before any method is looked at."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType

from callmocks.cdr.errors import NULL_ID, RpcError

MAX_DECODED_DEPTH = 200
"""JSON nesting that is read when the decoder gives up on a deep body.

The filter's own bound is far below (64 levels are 128 of JSON), so whatever stands deeper is
refused anyway, in its place and with its name.
"""


class Envelope(msgspec.Struct):
    """A request as it was sent; ``id`` keeps its spelling so that the echo is exact."""

    jsonrpc: Any = UNSET
    id: msgspec.Raw | UnsetType = UNSET
    method: Any = UNSET
    params: Any = UNSET

    @property
    def echo_id(self) -> msgspec.Raw:
        """The id to answer with: as sent when it is a string or a number, otherwise null."""
        return self.id if isinstance(self.id, msgspec.Raw) and _is_valid_id(self.id) else NULL_ID

    @property
    def token(self) -> str | None:
        """The token, when the request has one that could be a token."""
        return self._string_param("access_token")

    @property
    def login(self) -> str | None:
        """The login of a ``login.user`` request."""
        return self._string_param("login") if self.method == "login.user" else None

    def check(self) -> None:
        """Raise ``RpcError`` when the envelope breaks its rules."""
        if self.jsonrpc != "2.0" or not isinstance(self.jsonrpc, str):
            raise _invalid_request("jsonrpc", self.jsonrpc, 'the string "2.0"')
        if isinstance(self.id, UnsetType):
            raise RpcError("notifications_not_supported", "id", expected="an id")
        if self.echo_id is NULL_ID:
            raise _invalid_request("id", msgspec.json.decode(self.id), "a string or a number")
        if not isinstance(self.method, str):
            raise _invalid_request("method", self.method, "a string")

    def _string_param(self, name: str) -> str | None:
        value = self.params.get(name) if isinstance(self.params, dict) else None
        return value if isinstance(value, str) else None


_envelope_decoder = msgspec.json.Decoder(Envelope)
_json_decoder = msgspec.json.Decoder()


def decode_envelope(body: bytes) -> Envelope:
    """The envelope of a body; ``RpcError`` when it is not JSON, an array or no object."""
    try:
        return _decode_body(body)
    except RecursionError:
        return _decode_body(_replace_deep_values(body))


def _decode_body(body: bytes) -> Envelope:
    try:
        if body.lstrip(b" \t\r\n")[:1] == b"{":
            envelope = _envelope_decoder.decode(body)
            if isinstance(envelope.id, msgspec.Raw):
                envelope.id = envelope.id.copy()
                _json_decoder.decode(envelope.id)
            return envelope
        other = _json_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise RpcError("parse_error", expected="JSON", value=None) from problem
    if isinstance(other, list):
        raise RpcError("batch_opreations_not_supported", expected="one request object")
    raise _invalid_request(None, other, "a request object")


def _is_valid_id(raw: msgspec.Raw) -> bool:
    return bytes(raw)[:1] in b'"-0123456789'


def _invalid_request(field: str | None, value: object, expected: str) -> RpcError:
    sent = None if isinstance(value, UnsetType) else value
    return RpcError("invalid_request", field, sent, expected=expected)


def _replace_deep_values(body: bytes) -> bytes:
    """The body with everything nested deeper than ``SHALLOW`` replaced by 0, in linear time.

    Brackets must balance; what else stands in the depths is not read, because it is refused.
    """
    text = np.frombuffer(body, dtype=np.uint8)
    inside = _find_string_bytes(text)
    opening = ((text == ord("[")) | (text == ord("{"))) & ~inside
    closing = ((text == ord("]")) | (text == ord("}"))) & ~inside
    depth = np.cumsum(opening.astype(np.int32) - closing.astype(np.int32))
    if depth[-1] != 0 or depth.min() < 0:
        raise RpcError("parse_error", expected="balanced brackets")
    deep = (depth > MAX_DECODED_DEPTH) | (closing & (depth == MAX_DECODED_DEPTH))
    starts = deep & ~np.concatenate(([False], deep[:-1]))
    # Two deep values may stand side by side only with a comma between them, which is shallow.
    shallow = text.copy()
    shallow[starts] = ord("0")
    return bytes(shallow[~deep | starts].tobytes())


def _find_string_bytes(text: np.ndarray[Any, np.dtype[np.uint8]]) -> Any:
    """For each byte, whether it is part of a JSON string (its quotes included)."""
    places = np.arange(len(text), dtype=np.int32)
    other = np.where(text != ord("\\"), places, np.int32(-1))
    last_other = np.maximum.accumulate(other)
    backslashes = places - last_other  # how many stand right here and before, in a row
    before = np.concatenate((np.zeros(1, np.int32), backslashes[:-1]))
    quote = (text == ord('"')) & (before % 2 == 0)
    return (np.cumsum(quote) % 2 == 1) | quote
