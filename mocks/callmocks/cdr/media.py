"""Records that play: the two addresses of the vendor's document.

``/system/media/talk/{session}/{record}`` and ``/system/media/wav/{communication}/{record}``. No
token, like the vendor's links. The documents name both kinds of number for either address, so
either is taken; a record that does not belong to the call is 404.
"""

from __future__ import annotations

from aiohttp import web

from callmocks.errors import StateError
from callmocks.history import audio
from callmocks.history.history import TalkRecord
from callmocks.history.walltime import datetime_to_ms
from callmocks.provider import media
from callmocks.tenants.registry import Registry
from callmocks.tenants.state import StaleTenantsError


def make_routes(registry: Registry) -> list[web.RouteDef]:

    async def serve_talk(request: web.Request) -> web.StreamResponse:
        """MP3 with the extra ``audio``, otherwise WAV."""
        record = await _find_record(registry, request)
        make = audio.make_mp3 if audio.mp3_available() else audio.make_wav
        return await media.send_audio(request, make(_audio_key(request), record.talk_ms))

    async def serve_wav(request: web.Request) -> web.StreamResponse:
        record = await _find_record(registry, request)
        return await media.send_audio(request, audio.make_wav(_audio_key(request), record.talk_ms))

    return [
        web.get(f"/system/media/{kind}/{{call}}/{{record}}{end}", handler)
        for kind, handler in (("talk", serve_talk), ("wav", serve_wav))
        for end in ("", "/")
    ]


def _audio_key(request: web.Request) -> bytes:
    return request.match_info["record"].lower().encode()


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
