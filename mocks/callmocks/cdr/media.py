"""Records that play: the two addresses of the vendor's document.

``/system/media/talk/{session}/{record}`` and ``/system/media/wav/{communication}/{record}``. No
token, like the vendor's links. The documents name both kinds of number for either address, so
either is taken; a record that does not belong to the call is 404.
"""

from aiohttp import web

from callmocks.errors import StateError
from callmocks.history import audio
from callmocks.history.history import TalkRecord
from callmocks.history.walltime import datetime_to_ms
from callmocks.provider import media
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import StaleTenantsError


def make_routes(registry: Registry) -> list[web.RouteDef]:
    async def serve_record(request: web.Request) -> web.StreamResponse:
        record = await _find_record(registry, request)
        key = request.match_info["record"].lower().encode()
        # A talk is MP3 with the extra `audio`.
        as_mp3 = request.match_info["kind"] == "talk" and audio.mp3_available()
        make = audio.make_mp3 if as_mp3 else audio.make_wav
        return await media.send_audio(request, make(key, record.talk_ms))

    path = "/system/media/{kind:talk|wav}/{call}/{record}"
    return [web.get(path + end, serve_record) for end in ("", "/")]


async def _find_record(registry: Registry, request: web.Request) -> TalkRecord:
    call, name = request.match_info["call"], request.match_info["record"]
    try:
        await registry.unmatched.state.for_request().confirm()
    except StaleTenantsError:
        raise
    except StateError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
    for tenant in registry:
        record = tenant.history.find_record(name)
        if record is None or record.call_end > datetime_to_ms(tenant.clock.now()):
            continue
        if call in (str(record.session_id), str(record.communication_id)):
            return record
    raise web.HTTPNotFound
