"""Records over HTTP: whole or by range (RFC 9110, section 14), GET and HEAD."""

import re

import msgspec
from aiohttp import web

from callmocks.history.audio import Audio
from callmocks.tenants.delivery import Transmission

_RANGE = re.compile(r"bytes=\s*(\d*)-(\d*)\s*", re.ASCII)
_MAX_RANGE_DIGITS = 18  # Python parses numbers of thousands of digits slowly


class ContentRange(msgspec.Struct, frozen=True):
    status: int
    start: int
    stop: int
    headers: dict[str, str]


def select_range(audio: Audio, request: web.Request) -> ContentRange:
    """200 the whole, 206 one range, 416 a range beyond the end.

    As the RFC wants, a header that is not one readable range of bytes is ignored, and so are
    several ranges at once, and a range that is conditional on another version (``If-Range``).
    """
    # aiohttp's http_range does not tell "bytes=-0" from "bytes=0-".
    requested = request.headers.get("Range", "") if request.method == "GET" else ""
    condition = request.headers.get("If-Range", audio.etag)
    span = _parse_range(requested, audio.size) if condition == audio.etag else None
    headers = {"Accept-Ranges": "bytes", "Content-Type": audio.content_type, "ETag": audio.etag}
    if span is None:
        return ContentRange(200, 0, audio.size, headers)
    start, stop = span
    if start >= stop:
        return ContentRange(416, 0, 0, headers | {"Content-Range": f"bytes */{audio.size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{audio.size}"
    return ContentRange(206, start, stop, headers)


async def send_audio(
    request: web.Request,
    audio: Audio,
    content_range: ContentRange | None = None,
    transmission: Transmission | None = None,
) -> web.StreamResponse:
    transmission = transmission or Transmission()
    content_range = content_range or select_range(audio, request)
    response = web.StreamResponse(status=content_range.status, headers=content_range.headers)
    response.content_length = content_range.stop - content_range.start
    transmission.headers, transmission.ended = response.headers, "sending"
    try:
        await response.prepare(request)
        if request.method != "HEAD":
            for chunk in audio.iter_chunks(content_range.start, content_range.stop):
                await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        transmission.ended = "client left"
        raise
    transmission.ended = "answered"
    return response


def _parse_range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the byte after the last; both the same when the range is beyond the end."""
    match = _RANGE.fullmatch(header)
    if match is None or max(map(len, match.groups())) > _MAX_RANGE_DIGITS:
        return None
    first, last = match.groups()
    if not first:
        return (max(size - int(last), 0), size) if last else None
    if last and int(last) < int(first):
        return None
    return int(first), min(int(last) + 1, size) if last else size
