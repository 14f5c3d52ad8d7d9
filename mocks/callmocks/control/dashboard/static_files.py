"""The files that pages load: this package's own, by name."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from aiohttp import web

from callmocks.control.problems import RefusedError
from callmocks.control.routing import Call

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


async def file(call: Call) -> web.Response:
    """A style sheet, script or picture; a browser asks again each time and mostly gets 304."""
    name = call.part("name")
    files = _files()
    if name not in files:
        raise RefusedError(404, f"no file {name!r}", where="name")
    body, tag = files[name]
    headers = {
        "Cache-Control": "no-cache",
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
    }
    if call.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    kind = _TYPES[Path(name).suffix]
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """All files by name: content and entity tag."""
    found = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in _TYPES}
    return {
        name: (body, f'"{hashlib.sha256(body).hexdigest()[:20]}"') for name, body in found.items()
    }
