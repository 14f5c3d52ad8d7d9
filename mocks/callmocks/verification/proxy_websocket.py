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

from callmocks.verification.exchange_processor import (
    MAX_BODY_BYTES,
    CapturedExchange,
    ExchangeProcessor,
)
from callmocks.verification.http_client import describe_connection_error

MAX_PENDING = 1000
"""Requests without an answer that are remembered of one connection."""
HANDSHAKE_HEADERS = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")
UNREADABLE_ID = b"0000"
PROTOCOL_HEADER = "sec-websocket-protocol"


async def relay_websocket(
    request: web.Request,
    session: ClientSession,
    url: URL,
    headers: CIMultiDict[str],
    processor: ExchangeProcessor,
) -> web.StreamResponse:
    """Open the same websocket at the provider, and carry messages until either side ends."""
    for name in (*HANDSHAKE_HEADERS, PROTOCOL_HEADER):
        headers.popall(name, None)
    protocols = [
        name.strip() for name in request.headers.get(PROTOCOL_HEADER, "").split(",") if name.strip()
    ]
    try:
        there = await session.ws_connect(
            url, headers=headers, protocols=protocols, max_msg_size=MAX_BODY_BYTES, compress=0
        )
    except WSServerHandshakeError as error:
        wanted = error.headers.get("WWW-Authenticate") if error.headers else None
        extra = {"WWW-Authenticate": wanted} if wanted else {}
        return web.Response(status=error.status, headers=extra, text="the provider refused\n")
    except ClientConnectorError as error:
        text = f"the provider cannot be reached: {describe_connection_error(error)}\n"
        return web.Response(status=502, text=text)
    except (ClientError, TimeoutError, OSError) as error:
        return web.Response(status=502, text=f"the provider opens no websocket: {error}\n")
    here = web.WebSocketResponse(
        protocols=[there.protocol] if there.protocol else (),
        max_msg_size=MAX_BODY_BYTES,
        compress=False,
        decode_text=False,
    )
    await here.prepare(request)
    pairs = FramePairs(processor)
    ways = (
        asyncio.create_task(_relay_messages(here, there, pairs.add_request)),
        asyncio.create_task(_relay_messages(there, here, pairs.add_response)),
    )
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        await _close_both(here, there)
        await pairs.abandon_pending()
    return here


async def _relay_messages(source: Any, target: Any, on_message: Any) -> None:
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
            await on_message(data)


async def _close_both(client: web.WebSocketResponse, upstream: ClientWebSocketResponse) -> None:
    """Close both as the first of them was closed; a connection that broke breaks the other."""
    broken = WSCloseCode.ABNORMAL_CLOSURE
    if upstream.close_code == broken and not client.closed:
        if client._req is not None and client._req.transport is not None:
            client._req.transport.close()
        return
    code = client.close_code or upstream.close_code or WSCloseCode.OK
    code = WSCloseCode.GOING_AWAY if code == broken else code
    for socket in (client, upstream):
        if not socket.closed:
            await socket.close(code=code)


class FramePairs:
    """Requests of a connection and the answers that carry their ids."""

    def __init__(self, processor: ExchangeProcessor) -> None:
        self._processor = processor
        self._pending: deque[CapturedExchange] = deque(maxlen=MAX_PENDING)

    async def add_request(self, frame: bytes) -> None:
        """A frame of the client's."""
        now = self._processor.tenant.clock.now()
        command = frame[16:48].partition(b"[")[0].strip(b" \0\r\n").decode("ascii", "replace")
        self._pending.append(CapturedExchange("arm", command, now, frame, transport="frame"))

    async def add_response(self, frame: bytes) -> None:
        """A frame of the provider's: it answers the oldest request with its id."""
        seen = self._find_request(frame)
        if seen is not None:
            self._pending.remove(seen)
        else:
            now = self._processor.tenant.clock.now()
            seen = CapturedExchange("arm", "frame", now, b"", transport="frame")
            seen.notes.append("no request waits for an answer with this id")
        seen.response = frame
        seen.status = int(frame[16:19]) if frame[16:19].isdigit() else 500
        await self._processor.add(seen)

    def _find_request(self, frame: bytes) -> CapturedExchange | None:
        """The request: by its id, and for id 0000 one whose own id cannot be read."""
        id = frame[12:16]
        for seen in self._pending:
            own = seen.request[12:16]
            if own == id or (id == UNREADABLE_ID and not own.isdigit()):
                return seen
        return None

    async def abandon_pending(self) -> None:
        """The connection has ended; what was not answered will not be."""
        for seen in self._pending:
            seen.notes.append("the connection ended without an answer")
            await self._processor.add(seen)
        self._pending.clear()
