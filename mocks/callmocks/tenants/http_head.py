"""What HTTP carries beside a body: kept as bytes when a request comes, read with the journal."""

import re
from collections.abc import Iterable, Mapping

MAX_HEADER_BYTES = 8 * 1024  # of the headers of one message; of longer ones the longest are cut
_CUT_VALUE_BYTES = 40

_BLANK = "***"
_CREDENTIAL = re.compile(
    r"auth(?!enticate|or(?!iz))|cookie|credential(?!s)|passw|pwd|secret|session|signature|token"
    r"|(?:api|access|private)[-_]?key|(?<![\w-])key(?![\w-])",
    re.I,
)
_SCHEME = re.compile(r"(Basic|Bearer|Digest|Negotiate|NTLM)(?= )", re.I)
_COOKIE_VALUE = re.compile(r"(?<==)[^;]*")
_QUERY_VALUE = re.compile(rf"(?<=[?&])([^=&]*(?:{_CREDENTIAL.pattern})[^=&]*)=[^&]*", re.I)
# W3C: small letters, no id of zeros, no version ff; later versions may have more behind it.
_TRACE_IDS = rb"(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}"
_USER_INFO = re.compile(r"(?<=//)[^/?#@ ]*@")  # of a whole URL in the first line
_TRACE_PARENT = re.compile(
    rb"^(?i:traceparent):[ \t]*(00-%b|(?!00|ff)[\da-f]{2}-%b(?:-[!-~]*)?)[ \t\r]*$"
    % (_TRACE_IDS, _TRACE_IDS),
    re.M,
)

RawFields = Iterable[tuple[bytes, bytes]]


def join_head(start_line: str, fields: RawFields) -> bytes:
    """Start line and headers in lines, as they were sent; bounded."""
    lines = [start_line.encode("utf-8", "surrogateescape")]
    lines += map(b": ".join, fields)
    head = b"\r\n".join(lines)
    return head if len(head) <= MAX_HEADER_BYTES else _cut_head(start_line, lines[1:])


def _cut_head(start_line: str, lines: list[bytes]) -> bytes:
    start = start_line.encode("utf-8", "surrogateescape")[: MAX_HEADER_BYTES // 4]
    left = MAX_HEADER_BYTES - len(start)
    kept: dict[int, bytes] = {}
    for index in sorted(range(len(lines)), key=lambda index: len(lines[index])):
        line = lines[index]
        name, _, value = line.partition(b": ")
        if len(line) + 2 > left:
            line = b"%b: %b... (%d bytes)" % (name, value[:_CUT_VALUE_BYTES], len(value))
        if len(line) + 2 > left:
            break
        kept[index] = line
        left -= len(line) + 2
    return b"\r\n".join((start, *(kept[index] for index in sorted(kept))))


def split_head(head: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Start line, and names and values; nothing is blanked."""
    start, *lines = head.decode("utf-8", "replace").split("\r\n")
    parts = (line.partition(": ") for line in lines)
    return start, [(name, value) for name, _, value in parts]


def read_fields(head: bytes) -> dict[str, str]:
    """The headers by their names in small letters; equal ones are joined."""
    return merge_fields((name.lower(), value) for name, value in split_head(head)[1])


def show_request_head(head: bytes) -> tuple[str, dict[str, str]]:
    """Method and path, and the headers, without credentials."""
    start, fields = split_head(head)
    return blank_target(start), blank_credentials(merge_fields(fields))


def blank_target(text: str) -> str:
    """A first line or a URL without credentials."""
    return _QUERY_VALUE.sub(rf"\1={_BLANK}", _USER_INFO.sub(f"{_BLANK}@", text))


def show_response_headers(fields: Mapping[str, str]) -> dict[str, str]:
    """At most 8 KiB of them, without credentials."""
    shown = blank_credentials(merge_fields(fields.items()))
    left = MAX_HEADER_BYTES
    for name, value in shown.items():
        left -= len(name) + len(value.encode("utf-8", "replace")) + 4
        if left < 0:
            shown[name] = f"{value[:_CUT_VALUE_BYTES]}... ({len(value)} characters)"
    return shown


def merge_fields(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def blank_credentials(fields: Mapping[str, str]) -> dict[str, str]:
    """Schemes and names of cookies stay."""
    return {name: blank_value(name, value) for name, value in fields.items()}


def blank_value(name: str, value: str) -> str:
    if not _CREDENTIAL.search(name):
        return value
    if "cookie" in name.lower() and "=" in value:
        return _COOKIE_VALUE.sub(_BLANK, value)
    scheme = _SCHEME.match(value)
    return f"{scheme[1]} {_BLANK}" if scheme else _BLANK


def find_trace_parent(head: bytes) -> str:
    """The context of a distributed trace (W3C); empty when there is none that is valid."""
    found = _TRACE_PARENT.search(head)
    return found[1].decode() if found else ""
