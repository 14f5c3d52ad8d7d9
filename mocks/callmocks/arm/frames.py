"""Frames of the workplace's websocket protocol, both directions. Public: clients need it too.

One websocket message carries one frame: a header of fixed-width ASCII fields, then JSON.

    request   01 LLLLLLLLLL IIII command, 32 bytes   JSON     header 48 bytes
    response  01 LLLLLLLLLL IIII SSS                 JSON     header 19 bytes

``L`` is the length of the whole frame in bytes, header included; ``I`` is chosen by the client
and echoed; ``S`` is a status like HTTP's. Observed: both follow exactly from the documented bytes
(contract, "Frame layout"). That the length counts bytes and the pad is a space is assumed.
"""

import re
from typing import Literal, NamedTuple

from callmocks.errors import CallmocksError

VERSION = b"01"
REQUEST_HEADER = 48
RESPONSE_HEADER = 19
COMMAND_BYTES = 32
# The id of an answer to a frame whose own id cannot be read.
NO_ID = "0000"

LengthUnit = Literal["bytes", "characters"]

_ID = slice(12, 16)
_LENGTH = slice(2, 12)
_COMMAND = re.compile(rb"[!-~]+")
_PAD = b" \0\r\n\t"


class Deviation(NamedTuple):
    """Where a frame that can be read leaves the layout; ``where`` names bytes and field."""

    where: str
    expected: str
    got: str


class FrameError(CallmocksError):
    """A frame that cannot be read or made.

    ``where``, ``expected`` and ``got`` locate it; ``id`` is the frame's, ``0000`` if unreadable.
    """

    def __init__(self, where: str, expected: str, got: str, id: str = NO_ID) -> None:
        super().__init__(f"{where}: expected {expected}, got {got}")
        self.where, self.expected, self.got, self.id = where, expected, got, id


class RequestFrame(NamedTuple):
    """A frame from client to server; ``body`` is its JSON, not yet parsed."""

    id: str
    command: str
    body: bytes
    deviations: tuple[Deviation, ...] = ()


class ResponseFrame(NamedTuple):
    """A frame from server to client; ``body`` is its JSON, not yet parsed."""

    id: str
    status: int
    body: bytes
    deviations: tuple[Deviation, ...] = ()


def encode_request(
    id: str, command: str, body: bytes, *, pad: bytes = b" ", unit: LengthUnit = "bytes"
) -> bytes:
    """The frame of a command; ``FrameError`` when the id or the command does not fit its field."""
    name = command.encode("utf-8")
    if not _COMMAND.fullmatch(name) or len(name) > COMMAND_BYTES:
        raise FrameError("command", "1 to 32 printable ASCII characters", repr(command))
    return _encode_frame(_encode_id(id) + name.ljust(COMMAND_BYTES, pad), (body,), unit)


def encode_response(id: str, status: int, *body: bytes, unit: LengthUnit = "bytes") -> bytes:
    """The frame of an answer, whose body may come in pieces.

    ``FrameError`` when the id or the status does not fit its field.
    """
    if not 100 <= status <= 999:
        raise FrameError("status", "three digits", str(status))
    return _encode_frame(b"%b%d" % (_encode_id(id), status), body, unit)


def decode_request(message: bytes, *, unit: LengthUnit = "bytes") -> RequestFrame:
    """Read a command's frame, also one copied from the vendor's page.

    There the command is not padded to its 32 bytes and the JSON is pretty-printed, while the
    length is that of the padded, compact frame. Such a frame is read; its deviations are listed.
    """
    id, deviations = _decode_header(message, unit)
    bracket = message.find(b"[", 16, REQUEST_HEADER)
    if bracket < 0 and len(message) < REQUEST_HEADER:
        raise FrameError(
            "header", f"{REQUEST_HEADER} bytes before the JSON", f"{len(message)} bytes in all", id
        )
    end = REQUEST_HEADER if bracket < 0 else bracket
    command = message[16:end].strip(_PAD)
    if not _COMMAND.fullmatch(command):
        raise FrameError("bytes 17-48 (command)", "a name in ASCII", repr(command)[1:], id)
    if bracket >= 0:
        deviations += (
            Deviation(
                "bytes 17-48 (command)",
                "the name padded with spaces to 32 bytes",
                f"JSON from byte {bracket + 1} on",
            ),
        )
    return RequestFrame(id, command.decode("ascii"), message[end:], deviations)


def decode_response(message: bytes, *, unit: LengthUnit = "bytes") -> ResponseFrame:
    """Read an answer's frame; a length that does not match is listed as a deviation."""
    id, deviations = _decode_header(message, unit)
    status = message[16:RESPONSE_HEADER]
    if len(status) < 3 or not status.isdigit():
        raise FrameError("bytes 17-19 (status)", "three digits", repr(status)[1:], id)
    return ResponseFrame(id, int(status), message[RESPONSE_HEADER:], deviations)


# Fields as they stand, of frames that need not be valid.


def get_id_field(message: bytes) -> bytes:
    return message[_ID]


def get_declared_length(message: bytes) -> int:
    return int(message[_LENGTH])


def get_status_field(message: bytes) -> bytes:
    return message[_ID.stop : RESPONSE_HEADER]


def get_command_field(message: bytes) -> bytes:
    """Without its padding."""
    return message[_ID.stop : REQUEST_HEADER].partition(b"[")[0].strip(_PAD)


def get_body(message: bytes) -> bytes:
    """Of an answer."""
    return message[RESPONSE_HEADER:]


def with_id(message: bytes, id: bytes) -> bytes:
    return message[: _ID.start] + id + message[_ID.stop :]


def with_length(message: bytes, declared: int) -> bytes:
    return message[: _LENGTH.start] + b"%010d" % declared + message[_LENGTH.stop :]


def with_status(message: bytes, status: int) -> bytes:
    return message[: _ID.stop] + b"%03d" % status + message[RESPONSE_HEADER:]


def with_body(message: bytes, body: bytes) -> bytes:
    """The same answer around another body; its length is right again."""
    return with_length(message[:RESPONSE_HEADER] + body, RESPONSE_HEADER + len(body))


def _encode_frame(fields: bytes, body: tuple[bytes, ...], unit: LengthUnit) -> bytes:
    head = len(VERSION) + 10 + len(fields)
    length = head + sum(map(len, body if unit == "bytes" else b"".join(body).decode("utf-8")))
    return b"".join((b"%b%010d%b" % (VERSION, length, fields), *body))


def _encode_id(id: str) -> bytes:
    field = id.encode("utf-8")
    if len(field) != 4 or not field.isdigit():
        raise FrameError("id", "four digits", repr(id))
    return field


def _decode_header(message: bytes, unit: LengthUnit) -> tuple[str, tuple[Deviation, ...]]:
    field = message[_ID]
    id = field.decode("ascii") if len(field) == 4 and field.isdigit() else NO_ID
    if message[:2] != VERSION:
        raise FrameError("bytes 1-2 (version)", "01", repr(message[:2])[1:], id)
    declared = message[_LENGTH]
    if len(declared) < 10 or not declared.isdigit():
        raise FrameError("bytes 3-12 (length)", "ten digits", repr(declared)[1:], id)
    if id == NO_ID and field != b"0000":
        raise FrameError("bytes 13-16 (id)", "four digits", repr(field)[1:], id)
    actual = len(message) if unit == "bytes" else len(message.decode("utf-8", "replace"))
    if int(declared) == actual:
        return id, ()
    return id, (Deviation("bytes 3-12 (length)", f"{actual}, in {unit}", str(int(declared))),)
