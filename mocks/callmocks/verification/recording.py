"""A recording: exchanges as JSON lines, written by the proxy and read by replay and validate.

The first line is a header; each other one has the members of a journal's entry, so that the
entries of a journal, one in a line, can be read as well.
"""

import os
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
from msgspec import Meta

from callmocks import __version__
from callmocks.config.types import ProviderName
from callmocks.contract.journal import Violation
from callmocks.contract.message_size import find_answer_excess
from callmocks.errors import SettingsError
from callmocks.provider.base import Provider, WireExchange

FORMAT = "recording 1"
MAX_REASON_LENGTH = 120


class RecordingHeader(msgspec.Struct):
    callmocks: str
    provider: str
    upstream: str
    at: str
    version: str = __version__


@dataclass(frozen=True, slots=True)
class RecordedViolation(Violation):
    evidence: str = ""
    id: str = ""
    assumption: str | None = None


class RecordedExchange(msgspec.Struct, omit_defaults=True):
    seq: Annotated[int, Meta(ge=0)]
    at: str
    provider: ProviderName
    operation: str
    status: Annotated[int, Meta(ge=0, le=999)]
    request: str
    response: str
    violations: list[RecordedViolation] = []
    notes: list[str] = []
    duration_ms: float = 0.0
    transport: Literal["http", "frame", ""] = ""
    content_type: Annotated[str, Meta(pattern=r"\A[^\x00-\x08\x0a-\x1f\x7f]*\Z")] = ""
    """Of the response; a journal does not have it."""
    request_sha256: str | None = None
    response_sha256: str | None = None
    request_hash: str | None = None  # instead of a request that could not be masked
    response_hash: str | None = None

    @property
    def is_hashed(self) -> bool:
        return self.request_hash is not None or self.response_hash is not None

    @property
    def is_truncated(self) -> bool:
        return self.request_sha256 is not None or self.response_sha256 is not None

    def to_wire(self, provider: Provider) -> WireExchange:
        """Entries of a journal do not say whether their messages are frames."""
        messages = request, response = self.request.encode(), self.response.encode()
        transport = self.transport or provider.guess_transport(request or response)
        return WireExchange(self.operation, *messages, self.status, transport, self.content_type)


_exchange_decoder = msgspec.json.Decoder(RecordedExchange)
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def encode_line(struct: msgspec.Struct) -> bytes:
    return msgspec.json.encode(struct) + b"\n"


def is_json_lines(text: bytes) -> bool:
    first = text.lstrip().partition(b"\n")[0]
    try:
        found = msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except _DECODE_ERRORS:
        return False
    return "callmocks" in found or {"provider", "request", "response"} <= found.keys()


def read_recording(path: Path, flag: str) -> list[RecordedExchange]:
    """``SettingsError`` with the number of the first line that is none, or cannot be served."""
    source = f"{flag}: {path}"
    found: list[RecordedExchange] = []
    try:
        with path.open("rb") as file:
            for number, exchange in iter_exchanges(file, source):
                if excess := find_excess(exchange):
                    raise SettingsError(f"{source}: line {number}: {excess}")
                found.append(exchange)
    except OSError as error:
        raise SettingsError(f"{source}: {error.strerror}") from None
    if not found:
        raise SettingsError(f"{source}: there is no exchange in it")
    return found


def find_excess(exchange: RecordedExchange) -> str:
    """Why a message of it is not read: ``the answer has more than 9 tags``; else empty."""
    from callmocks.server.providers import PROVIDERS

    provider = PROVIDERS[exchange.provider]
    wire = exchange.to_wire(provider)
    if excess := provider.find_excess(wire.request, wire.transport):
        return f"the request {excess}"
    excess = find_answer_excess(wire.response)
    return excess and f"the answer {excess}"


def iter_exchanges(
    lines: IO[bytes] | list[bytes], source: str
) -> Iterator[tuple[int, RecordedExchange]]:
    """With line numbers; ``SettingsError`` at the first line that is no exchange."""
    for number, line in enumerate(lines, 1):
        if number == 1:
            line = line.removeprefix(BOM_UTF8)
        if not line.strip():
            continue
        try:
            yield number, _exchange_decoder.decode(line)
        except _DECODE_ERRORS as error:
            if _is_header(line, f"{source}: line {number}"):
                continue
            reason = " ".join(str(error).split())[:MAX_REASON_LENGTH]
            raise SettingsError(f"{source}: line {number}: no exchange: {reason}") from None


def _is_header(line: bytes, source: str) -> bool:
    try:
        header = msgspec.json.decode(line, type=RecordingHeader)
    except _DECODE_ERRORS:
        return False
    if header.callmocks != FORMAT:
        raise SettingsError(f"{source}: {header.callmocks!r} is not {FORMAT!r}")
    return True


class Recorder:
    """A full disk ends the recording at its last whole line; ``on_end`` is called then."""

    def __init__(self, path: Path, header: RecordingHeader, on_end: Callable[[str], None]) -> None:
        self.path = path
        self.written = 0
        self._on_end = on_end
        self._size = 0
        is_device = path.is_char_device()
        if path.exists() and not (is_device or path.is_file() or path.is_dir()):
            # Opening and writing would wait for a reader, and the proxy with it.
            text = "is no file; a pipe may hold up the proxy"
            raise SettingsError(f"--record: {path}: {text}")
        try:
            self._file: IO[bytes] | None
            self._file = path.open("wb", 0) if is_device else path.open("xb", 0)
        except FileExistsError:
            text = f"--record: {path}: exists already; a recording has a key of its own"
            raise SettingsError(text) from None
        except OSError as error:
            raise SettingsError(f"--record: {path}: {error.strerror}") from None
        self._write(encode_line(header))

    def write(self, exchange: RecordedExchange) -> None:
        self.write_line(encode_line(exchange))

    def write_line(self, line: bytes) -> None:
        if self._file is not None and self._write(line):
            self.written += 1

    def end(self, reason: str) -> None:
        """Write nothing more, which is said once."""
        if self._file is not None:
            self.close()
            self._on_end(f"recording ended after {self.written} exchanges: {reason}")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: bytes) -> bool:
        assert self._file is not None
        try:
            view = memoryview(line)
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            self._abort_recording(error)
            return False
        self._size += len(line)
        return True

    def _abort_recording(self, error: OSError) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                os.ftruncate(file.fileno(), self._size)
            with suppress(OSError):
                file.close()
        reason = f"{self.path}: {error.strerror}; proxying goes on"
        self._on_end(f"recording ended after {self.written} exchanges: {reason}")
