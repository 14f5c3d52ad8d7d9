"""Exchanges of the proxy as they came by, and what of them is read.

What a provider's server would not read, and what would take long to read, is passed over with a
note: the client has its answer in any case.
"""

import zlib
from datetime import datetime

import msgspec

from callmocks.contract.message_size import find_answer_excess
from callmocks.history.clock import read_stopwatch
from callmocks.provider.base import Provider, WireExchange

MAX_BODY_BYTES = 64 * 1024 * 1024  # of a longer response only the beginning is kept
CUT_BYTES = 4096  # of a message that is not kept
KNOWN_ENCODINGS = ("br", "zstd", "compress")
_INFLATED_ENCODINGS = ("gzip", "deflate")
_MAX_INFLATION = 1032  # bytes of one byte, at most
CROWDED = "not validated: too many messages wait"


class CapturedExchange(WireExchange, kw_only=True):
    at: datetime
    request_encoding: str = ""  # `Content-Encoding`, as of the response
    response_encoding: str = ""
    in_contract: bool = True  # the contract describes the exchange; others are journaled only
    credentials: tuple[str, ...] = ()  # that its headers have
    held_bytes: int = 0  # of memory for the copies
    skips_answer: bool = False  # it is not kept, or not read
    response_length: int = 0
    notes: list[str] = msgspec.field(default_factory=list)
    started: float = msgspec.field(default_factory=read_stopwatch)

    @property
    def is_compressed(self) -> bool:
        encodings = (self.request_encoding, self.response_encoding)
        return any(each in _INFLATED_ENCODINGS for each in encodings)

    def count_inflated_bytes(self) -> int:
        """At most, of both messages."""
        sides = (
            (self.request, self.request_encoding),
            (self.response, self.response_encoding),
        )
        return sum(
            min(len(body) * _MAX_INFLATION, MAX_BODY_BYTES)
            for body, encoding in sides
            if encoding in _INFLATED_ENCODINGS
        )

    def skip_content(self, note: str) -> None:
        self.in_contract = False
        self.notes.append(note)

    def cut_request(self) -> None:
        """Of a request without room for its copy."""
        self.request = self.request[:CUT_BYTES]

    def read_request(self, provider: Provider) -> bytes:
        """Empty when it is not validated, which is noted."""
        limit = provider.max_request_bytes
        body = self._decompress("request", self.request, self.request_encoding, limit)
        excess = provider.find_excess(body, self.transport)
        return b"" if excess and self._pass_over("request", excess) else body

    def read_response(self) -> bytes:
        """Empty when it cannot be read, or is not validated, which is noted."""
        body = self._decompress("answer", self.response, self.response_encoding, MAX_BODY_BYTES)
        excess = find_answer_excess(body)
        return b"" if excess and self._pass_over("answer", excess) else body

    def _decompress(self, side: str, body: bytes, encoding: str, limit: int) -> bytes:
        if encoding in ("", "identity"):
            return body
        if encoding not in _INFLATED_ENCODINGS:
            shown = encoding if encoding in KNOWN_ENCODINGS else "that is not known"
            self.skip_content(f"not validated: Content-Encoding {shown}")
            return b""
        try:
            plain = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, limit + 1)
        except zlib.error:
            self.notes.append(f"a message is not what Content-Encoding says: {encoding}")
            return b""
        if len(plain) <= limit:
            return plain
        self._pass_over(side, f"has more than {limit} bytes")
        return b""

    def _pass_over(self, side: str, excess: str) -> bool:
        self.notes.append(f"not validated: the {side} {excess}")
        self.skips_answer |= side == "answer"
        return True
