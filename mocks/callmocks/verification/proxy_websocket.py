"""ARM's websocket through the proxy: each response is captured with its request."""

import asyncio
from collections import deque
from typing import Any

import aiohttp
from aiohttp import ClientWebSocketResponse, web
from multidict import CIMultiDict
from yarl import URL

from callmocks.arm import frames
from callmocks.verification.captured import MAX_BODY_BYTES, CapturedExchange
from callmocks.verification.exchange_processor import ExchangeProcessor
from callmocks.verification.http_client import describe_connection_error

MAX_PENDING = 1000  # requests of one connection that are kept while they have no response
HANDSHAKE_HEADERS = ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions")
PROTOCOL_HEADER = "sec-websocket-protocol"


async def relay_websocket(
    request: web.Request,
    session: aiohttp.ClientSession,
    url: URL,
    headers: CIMultiDict[str],
    processor: ExchangeProcessor,
    credentials: tuple[str, ...],
) -> web.StreamResponse:
    for name in (*HANDSHAKE_HEADERS, PROTOCOL_HEADER):
        headers.popall(name, None)
    offered = map(str.strip, request.headers.get(PROTOCOL_HEADER, "").split(","))
    protocols = tuple(filter(None, offered))
    try:
        upstream = await session.ws_connect(
            url, headers=headers, protocols=protocols, max_msg_size=MAX_BODY_BYTES, compress=0
        )
    except aiohttp.WSServerHandshakeError as error:
        challenge = error.headers.get("WWW-Authenticate") if error.headers else None
        extra = {"WWW-Authenticate": challenge} if challenge else {}
        return web.Response(status=error.status, headers=extra, text="the provider refused\n")
    except aiohttp.ClientConnectorError as error:
        text = f"the provider cannot be reached: {describe_connection_error(error)}\n"
        return web.Response(status=502, text=text)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return web.Response(status=502, text=f"the provider opens no websocket: {error}\n")
    client = web.WebSocketResponse(
        protocols=[upstream.protocol] if upstream.protocol else (),
        max_msg_size=MAX_BODY_BYTES,
        compress=False,
        decode_text=False,
    )
    await client.prepare(request)
    pairs = FramePairs(processor, credentials)
    relays = (
        asyncio.create_task(_relay_messages(client, upstream, pairs.add_request)),
        asyncio.create_task(_relay_messages(upstream, client, pairs.add_response)),
    )
    try:
        await asyncio.wait(relays, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
        await _close_both(client, upstream)
        await pairs.abandon_pending()
    return client


async def _relay_messages(source: Any, target: Any, on_message: Any) -> None:
    """One direction; ``on_message`` is called after a message is sent."""
    while True:
        message = await source.receive()
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            return
        data = message.data.encode() if isinstance(message.data, str) else message.data
        try:
            await target.send_frame(data, message.type)
        except ConnectionError:
            return
        finally:
            await on_message(data)


async def _close_both(client: web.WebSocketResponse, upstream: ClientWebSocketResponse) -> None:
    """With the code of the side that closed first; a lost connection closes the other abruptly."""
    broken = aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    if upstream.close_code == broken and not client.closed:
        if client._req is not None and client._req.transport is not None:
            client._req.transport.close()
        return
    code = client.close_code or upstream.close_code or aiohttp.WSCloseCode.OK
    code = aiohttp.WSCloseCode.GOING_AWAY if code == broken else code
    for socket in (client, upstream):
        if not socket.closed:
            await socket.close(code=code)


class FramePairs:
    def __init__(self, processor: ExchangeProcessor, credentials: tuple[str, ...]) -> None:
        self._processor = processor
        self._credentials = credentials
        self._pending: deque[CapturedExchange] = deque(maxlen=MAX_PENDING)

    async def add_request(self, frame: bytes) -> None:
        command = frames.get_command_field(frame).decode("ascii", "replace")
        captured = self._capture_frame(command, frame)
        if not self._processor.hold(captured, len(frame)):
            return  # too much is kept already: this one goes by, and so does its answer
        if len(self._pending) == MAX_PENDING:
            self._processor.release(self._pending.popleft())
        self._pending.append(captured)

    async def add_response(self, frame: bytes) -> None:
        captured = self._find_request(frames.get_id_field(frame))
        if captured is not None:
            self._pending.remove(captured)
        else:
            captured = self._capture_frame("frame", b"")
            captured.notes.append("no request waits for an answer with this id")
        status = frames.get_status_field(frame)
        copy = bytearray()
        self._processor.add_chunk(captured, copy, frame)
        captured.response = bytes(copy)
        captured.status = int(status) if status.isdigit() else 500
        await self._processor.add(captured)

    def _capture_frame(self, operation: str, request: bytes) -> CapturedExchange:
        now = self._processor.tenant.clock.now()
        return CapturedExchange(
            operation, request, transport="frame", at=now, credentials=self._credentials
        )

    def _find_request(self, id: bytes) -> CapturedExchange | None:
        """Id 0000 answers a request whose own id cannot be read."""
        for captured in self._pending:
            request_id = frames.get_id_field(captured.request)
            if request_id == id or (id == frames.NO_ID.encode() and not request_id.isdigit()):
                return captured
        return None

    async def abandon_pending(self) -> None:
        for captured in self._pending:
            captured.notes.append("the connection ended without an answer")
            await self._processor.add(captured)
        self._pending.clear()
