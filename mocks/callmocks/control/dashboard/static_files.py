"""Style sheet, scripts and icon, by name."""

import hashlib
from functools import cache
from pathlib import Path

from aiohttp import web

from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext

_DIRECTORY = Path(__file__).parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


async def serve_file(context: RequestContext) -> web.Response:
    """Browsers revalidate a file with each page and mostly get 304."""
    name = context.path_part("name")
    files = _load_files()
    if name not in files:
        raise ProblemError(404, f"no file {name!r}", where="name")
    body, tag = files[name]
    headers = {
        "Cache-Control": "no-cache",
        "ETag": tag,
        "X-Content-Type-Options": "nosniff",
    }
    if context.request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    kind = _TYPES[Path(name).suffix]
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


@cache
def _load_files() -> dict[str, tuple[bytes, str]]:
    found = {path.name: path.read_bytes() for path in _DIRECTORY.iterdir() if path.suffix in _TYPES}
    return {
        name: (body, f'"{hashlib.sha256(body).hexdigest()[:20]}"') for name, body in found.items()
    }
