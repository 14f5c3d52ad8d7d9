"""A websocket of an ARM endpoint for one probe: each response is matched with its request by id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from lxml import etree

from callmocks.arm import frames, schema, tree, validate
from callmocks.arm.tree import element_to_tree
from callmocks.errors import CallmocksError, CheckError
from callmocks.verification.http_client import NoResponseError
from callmocks.verification.runner import EndOfProbe, ProviderCheck

GRACE_SECONDS = 0.2  # how long to wait for a message too many before the connection is closed
CLOSE_TYPES = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
CLOSE_PROTOCOL_ERROR = 1002


class FrameConnection:
    def __init__(
        self,
        check: ProviderCheck,
        url: str,
        headers: dict[str, str],
        choose_status: Callable[[int], int],
    ) -> None:
        self._check = check
        self._url = url
        self._headers = headers
        self._choose_status = choose_status
        self._unit = cast(frames.LengthUnit, check.choices["arm.frame-length"])
        self.socket: ClientWebSocketResponse
        self._pending: dict[str, bytes] = {}
        self._number = 0

    async def __aenter__(self) -> FrameConnection:
        try:
            self.socket = await self._check.http_client.open_websocket(self._url, self._headers)
        except WSServerHandshakeError as error:
            if not self._check.report.sent:
                self._check.raise_if_wrong_url(self._url, error.status)
            self._check.record_request("upgrade", str(error.status))
            if error.status == 401 and self._headers:
                raise CheckError(f"{self._url} refuses the credentials") from None
            where, got = "upgrade: status", f"status {error.status}"
            assumption = "arm.websocket-path" if self._headers else "arm.anonymous-upgrade"
            self._check.probe.add(where, "a websocket", got, "assumed", assumption)
            raise EndOfProbe from None
        except NoResponseError as error:
            self._check.record_no_answer("upgrade", str(error))
            raise
        return self

    async def expect_no_upgrade(self) -> None:
        """The upgrade must be refused with 401."""
        try:
            socket = await self._check.http_client.open_websocket(self._url, self._headers)
        except WSServerHandshakeError as error:
            outcome = str(error.status)
        except NoResponseError as error:
            self._check.record_no_answer("upgrade", str(error))
            raise
        else:
            await socket.close()
            outcome = "101"
        self._check.record_request("upgrade", outcome)
        if outcome != "401":
            where, assumption = "upgrade: status", "arm.anonymous-upgrade"
            self._check.probe.add(where, "401, without login", outcome, "assumed", assumption)

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None:
            await self._expect_silence()
        with suppress(ClientError, TimeoutError, OSError):
            await asyncio.wait_for(self.socket.close(), self._check.http_client.timeout)

    def encode_frame(self, document: bytes, command: str = schema.HISTORY) -> bytes:
        self._number += 1
        body = tree.encode(element_to_tree(etree.fromstring(document)))
        return frames.encode_request(f"{self._number:04d}", command, body)

    async def exchange_frame(self, document: bytes) -> etree._Element:
        """The response's tree as a document; ``EndOfProbe`` when it has none."""
        await self._send_frame(self.encode_frame(document))
        message = await self._receive_response()
        try:
            return schema.parse(tree.to_xml(tree.decode(frames.decode_response(message).body)))
        except CallmocksError:
            raise EndOfProbe from None

    async def exchange_recorded(self, frame: bytes) -> bytes:
        """The next message, as it came."""
        await self._send_frame(frame)
        message = await self._receive_message(schema.HISTORY)
        self._pending.clear()
        return message

    async def exchange_concurrently(self, *documents: bytes) -> None:
        for document in documents:
            await self._send_frame(self.encode_frame(document))
        for _ in documents:
            await self._receive_response()

    async def expect_refusal(self, name: str, frame: bytes, status: int) -> None:
        """A frame that must be refused with a status, or by the end of the connection."""
        document = b'<in><request><filters offset="0" limit="1"/></request></in>'
        frame = frame or self.encode_frame(document, "callmocks_check")
        await self.socket.send_str(frame.decode())
        try:
            message = await self._receive_message(name)
        except NoResponseError:
            if self.socket.close_code == CLOSE_PROTOCOL_ERROR and status == 400:
                return
            raise
        result = validate.validate_response_frame(message, unit=self._unit)
        self._check.add_result(result, name)
        if not result.failures:
            got = frames.decode_response(message).status
            status = self._choose_status(status)
            if got != status:
                where, assumption = f"{name}: status", "arm.transport-status"
                expected = str(status)
                self._check.probe.add(where, expected, got, "assumed", assumption)

    async def _send_frame(self, frame: bytes) -> None:
        self._pending[frames.get_id_field(frame).decode()] = frame
        try:
            await self.socket.send_str(frame.decode())
        except (ClientError, ConnectionError):
            await self._receive_response()  # the close code says more than the failed write

    async def _receive_response(self) -> bytes:
        """The next response, validated with the request that has its id."""
        message = await self._receive_message(schema.HISTORY)
        id = frames.get_id_field(message).decode("ascii", "replace")
        if id not in self._pending:
            id = next(iter(self._pending), "")
        request = self._pending.pop(id, None)
        result = validate.validate_response_frame(message, request, unit=self._unit)
        self._check.add_result(result, "frame")
        return message

    async def _receive_message(self, operation: str) -> bytes:
        """The next message; the end of the connection instead is a finding."""
        timeout = self._check.http_client.timeout
        try:
            message = await asyncio.wait_for(self.socket.receive(), timeout)
        except TimeoutError:
            raise self._no_response(operation, f"nothing for {timeout:g} seconds") from None
        except (ClientError, OSError) as error:
            raise self._no_response(operation, str(error) or type(error).__name__) from None
        if message.type in CLOSE_TYPES:
            code = self.socket.close_code
            outcome = "a closed websocket" + (f", code {code}" if code else "")
            if code == CLOSE_PROTOCOL_ERROR and operation != schema.HISTORY:
                self._check.record_request(operation, outcome)
                raise NoResponseError(outcome)
            raise self._no_response(operation, outcome)
        opcode = self._check.choices["arm.opcode"]
        wanted = WSMsgType.BINARY if opcode == "binary" else WSMsgType.TEXT
        if message.type is not wanted:
            expected = "text, as the request" if opcode == "request" else opcode
            got = message.type.name
            self._check.probe.add("frame: opcode", expected, got, "assumed", "arm.opcode")
        data: bytes | str = message.data
        frame = data.encode() if isinstance(data, str) else data
        self._check.record_request(
            operation, frames.get_status_field(frame).decode("ascii", "replace")
        )
        return frame

    def _no_response(self, operation: str, outcome: str) -> NoResponseError:
        self._check.record_no_answer(operation, outcome)
        return NoResponseError(outcome)

    async def _expect_silence(self) -> None:
        try:
            message = await asyncio.wait_for(self.socket.receive(), GRACE_SECONDS)
        except (TimeoutError, ClientError, OSError):
            return
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            expected = "one message for each request"
            assumption = "arm.message"
            self._check.probe.add("frame: messages", expected, "one more", "assumed", assumption)
