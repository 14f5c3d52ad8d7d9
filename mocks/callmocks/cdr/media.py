"""Records that play, at the addresses of the vendor's tables.

``/system/media/talk/{communication}/{record}``, ``/system/media/wav/{communication}/{wav record}``
and ``/{communication}/{record}``, the whole conversation. No token, like the vendor's links. The
documents disagree about the number, so the session's is taken too; a record that does not belong
to the call is 404.
"""

from functools import partial

from aiohttp import web

from callmocks.cdr.rows import swap_id_halves
from callmocks.errors import StateError
from callmocks.history import audio
from callmocks.history.history import TalkRecord
from callmocks.history.walltime import datetime_to_ms
from callmocks.provider import media
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import StaleTenantsError
from callmocks.tenants.worker import run_if_long


def make_routes(registry: Registry) -> list[web.RouteDef]:
    async def serve_record(request: web.Request) -> web.StreamResponse:
        kind, name = request.match_info.get("kind"), request.match_info["record"].lower()
        name = swap_id_halves(name) if kind == "wav" else name
        record = await _find_record(registry, request.match_info["call"], name)
        # All but WAV is MP3 with the extra `audio`.
        make = audio.make_mp3 if kind != "wav" and audio.mp3_available() else audio.make_wav
        length = record.talk_ms if kind else record.conversation_ms
        return await media.send_audio(request, make(name.encode(), length))

    paths = (r"/system/media/{kind:talk|wav}/{call}/{record}", r"/{call:\d+}/{record}")
    return [web.get(path + end, serve_record) for path in paths for end in ("", "/")]


async def _find_record(registry: Registry, call: str, name: str) -> TalkRecord:
    try:
        await registry.unmatched.state.for_request().confirm()
    except StaleTenantsError:
        raise
    except StateError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
    for tenant in registry:
        find_record = partial(tenant.history.find_record, name)
        record = await run_if_long(find_record, tenant.history.has_long_days)
        if record is None or record.cdr_from > datetime_to_ms(tenant.clock.now()):
            continue
        if call in (str(record.session_id), str(record.communication_id)):
            return record
    raise web.HTTPNotFound
