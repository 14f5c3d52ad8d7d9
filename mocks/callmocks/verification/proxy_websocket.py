"""The workplace's websocket through the proxy: frames both ways, each answer with its request."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    WSCloseCode,
    WSMsgType,
    WSServerHandshakeError,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from callmocks.verification.exchange_processor import MOST_BYTES, Seen, Traffic
from callmocks.verification.http_client import why_unreached

_PENDING = 1000
"""Requests without an answer that are remembered of one connection."""
_HANDSHAKE = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")
_UNREADABLE = b"0000"
_UPGRADE = "sec-websocket-protocol"


async def relay(
    request: web.Request,
    session: ClientSession,
    url: URL,
    headers: CIMultiDict[str],
    traffic: Traffic,
) -> web.StreamResponse:
    """Open the same websocket at the provider, and carry messages until either side ends."""
    for name in (*_HANDSHAKE, _UPGRADE):
        headers.popall(name, None)
    protocols = [
        name.strip() for name in request.headers.get(_UPGRADE, "").split(",") if name.strip()
    ]
    try:
        there = await session.ws_connect(
            url, headers=headers, protocols=protocols, max_msg_size=MOST_BYTES, compress=0
        )
    except WSServerHandshakeError as error:
        wanted = error.headers.get("WWW-Authenticate") if error.headers else None
        extra = {"WWW-Authenticate": wanted} if wanted else {}
        return web.Response(status=error.status, headers=extra, text="the provider refused\n")
    except ClientConnectorError as error:
        text = f"the provider cannot be reached: {why_unreached(error)}\n"
        return web.Response(status=502, text=text)
    except (ClientError, TimeoutError, OSError) as error:
        return web.Response(status=502, text=f"the provider opens no websocket: {error}\n")
    here = web.WebSocketResponse(
        protocols=[there.protocol] if there.protocol else (),
        max_msg_size=MOST_BYTES,
        compress=False,
        decode_text=False,
    )
    await here.prepare(request)
    pairs = _Pairs(traffic)
    ways = (
        asyncio.create_task(_carry(here, there, pairs.request)),
        asyncio.create_task(_carry(there, here, pairs.answer)),
    )
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await _end(here, there)
        await pairs.end()
    return here


async def _carry(source: Any, target: Any, look: Any) -> None:
    """Messages one way; a message is looked at when it has gone."""
    while True:
        message = await source.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        data = message.data.encode() if isinstance(message.data, str) else message.data
        try:
            await target.send_frame(data, message.type)
        except ConnectionError:
            return
        finally:
            await look(data)


async def _end(here: web.WebSocketResponse, there: ClientWebSocketResponse) -> None:
    """Close both as the first of them was closed; a connection that broke breaks the other."""
    broken = WSCloseCode.ABNORMAL_CLOSURE
    if there.close_code == broken and not here.closed:
        if here._req is not None and here._req.transport is not None:
            here._req.transport.close()
        return
    code = here.close_code or there.close_code or WSCloseCode.OK
    code = WSCloseCode.GOING_AWAY if code == broken else code
    for socket in (here, there):
        if not socket.closed:
            await socket.close(code=code)


class _Pairs:
    """Requests of a connection and the answers that carry their ids."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._waiting: deque[Seen] = deque(maxlen=_PENDING)

    async def request(self, frame: bytes) -> None:
        """A frame of the client's."""
        now = self._traffic.tenant.clock.now()
        command = frame[16:48].partition(b"[")[0].strip(b" \0\r\n").decode("ascii", "replace")
        self._waiting.append(Seen("arm", command, now, frame, transport="frame"))

    async def answer(self, frame: bytes) -> None:
        """A frame of the provider's: it answers the oldest request with its id."""
        seen = self._asked(frame)
        if seen is not None:
            self._waiting.remove(seen)
        else:
            now = self._traffic.tenant.clock.now()
            seen = Seen("arm", "frame", now, b"", transport="frame")
            seen.notes.append("no request waits for an answer with this id")
        seen.response = frame
        seen.status = int(frame[16:19]) if frame[16:19].isdigit() else 500
        await self._traffic.add(seen)

    def _asked(self, frame: bytes) -> Seen | None:
        """The request: by its id, and for id 0000 one whose own id cannot be read."""
        id = frame[12:16]
        for seen in self._waiting:
            own = seen.request[12:16]
            if own == id or (id == _UNREADABLE and not own.isdigit()):
                return seen
        return None

    async def end(self) -> None:
        """The connection has ended; what was not answered will not be."""
        for seen in self._waiting:
            seen.notes.append("the connection ended without an answer")
            await self._traffic.add(seen)
        self._waiting.clear()
