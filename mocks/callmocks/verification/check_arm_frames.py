"""A websocket under examination: frames out, frames in, each answer matched by its id."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from lxml import etree

from callmocks.arm import frames, schema, tree, validate
from callmocks.arm.document_tree import element_to_tree
from callmocks.errors import CallmocksError, CheckError
from callmocks.verification.http_client import NoResponseError
from callmocks.verification.report import Probe
from callmocks.verification.runner import UnusableResponseError

if TYPE_CHECKING:
    from callmocks.verification.runner import ProviderCheck

GRACE_SECONDS = 0.2
"""Seconds after the last answer in which nothing more may come."""
CLOSE_TYPES = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
CLOSE_PROTOCOL_ERROR = 1002


class FrameConnection:
    """One connection for a probe; leaving the block waits for messages nobody asked for."""

    def __init__(
        self, check: ProviderCheck, probe: Probe, url: str, headers: dict[str, str]
    ) -> None:
        self._check = check
        self._probe = probe
        self._url = url
        self._headers = headers
        self._socket: ClientWebSocketResponse
        self._pending: dict[str, bytes] = {}
        self._number = 0

    async def __aenter__(self) -> FrameConnection:
        try:
            self._socket = await self._check.http_client.open_websocket(self._url, self._headers)
        except WSServerHandshakeError as error:
            if not self._check.report.sent:
                self._check.raise_if_wrong_url(self._url, error.status)
            self._check.record_request(self._probe, "upgrade", str(error.status))
            if error.status == 401 and self._headers:
                raise CheckError(f"{self._url} refuses the credentials") from None
            where = f"upgrade of {self._url}"
            self._probe.add(where, "a websocket", f"status {error.status}", "assumed")
            raise UnusableResponseError from None
        except NoResponseError as error:
            self._check.record_no_answer(self._probe, "upgrade", str(error))
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self._expect_silence()
        with suppress(ClientError, TimeoutError, OSError):
            await asyncio.wait_for(self._socket.close(), self._check.http_client.timeout)

    def encode_frame(self, document: bytes, command: str = schema.HISTORY) -> bytes:
        """The next frame, for a request that stands in a document."""
        self._number += 1
        body = tree.encode(element_to_tree(etree.fromstring(document)))
        return frames.encode_request(f"{self._number:04d}", command, body)

    async def exchange_frame(self, document: bytes) -> etree._Element:
        """The answer's tree as a document; ``BrokenError`` when there is none to be had."""
        frame = self.encode_frame(document)
        await self._send_frame(frame)
        return self._parse_document(await self._receive_response())

    async def exchange_concurrently(self, *documents: bytes) -> None:
        """All requests first, then all answers, in whatever order they come."""
        for document in documents:
            await self._send_frame(self.encode_frame(document))
        for _ in documents:
            await self._receive_response()

    async def expect_refusal(self, name: str, frame: bytes, status: int) -> None:
        """A frame that must be refused with a status, or by the end of the connection."""
        document = b'<in><request><filters offset="0" limit="1"/></request></in>'
        frame = frame or self.encode_frame(document, "callmocks_check")
        await self._socket.send_str(frame.decode())
        try:
            message = await self._receive_message(name)
        except NoResponseError:
            if self._socket.close_code == CLOSE_PROTOCOL_ERROR and status == 400:
                return
            raise
        verdict = validate.validate_response_frame(message)
        self._check.add_verdict(self._probe, verdict, name)
        if not verdict.failures:
            answer = frames.decode_response(message)
            if answer.status != status:
                self._probe.add(f"{name}: status", str(status), answer.status, "assumed")

    async def _send_frame(self, frame: bytes) -> None:
        self._pending[frame[12:16].decode()] = frame
        try:
            await self._socket.send_str(frame.decode())
        except (ClientError, ConnectionError):
            await self._receive_response()  # its end says more than the failure to write

    async def _receive_response(self) -> bytes:
        """The next answer, judged; whichever request it belongs to is answered by it."""
        message = await self._receive_message(schema.HISTORY)
        id = message[12:16].decode("ascii", "replace")
        if id not in self._pending:
            id = next(iter(self._pending), "")
        verdict = validate.validate_response_frame(message, self._pending.pop(id, None))
        self._check.add_verdict(self._probe, verdict, "frame")
        return message

    async def _receive_message(self, operation: str) -> bytes:
        """The next message; how the connection ended instead is a finding."""
        did = f"nothing for {self._check.http_client.timeout:g} seconds"
        try:
            message = await asyncio.wait_for(
                self._socket.receive(), self._check.http_client.timeout
            )
        except TimeoutError:
            self._check.record_no_answer(self._probe, operation, did)
            raise NoResponseError(did) from None
        except (ClientError, OSError) as error:
            did = str(error) or type(error).__name__
            self._check.record_no_answer(self._probe, operation, did)
            raise NoResponseError(did) from None
        if message.type in CLOSE_TYPES:
            code = self._socket.close_code
            did = "a closed websocket" + (f", code {code}" if code else "")
            if code == CLOSE_PROTOCOL_ERROR and operation != schema.HISTORY:
                self._check.record_request(self._probe, operation, did)
            else:
                self._check.record_no_answer(self._probe, operation, did)
            raise NoResponseError(did)
        if message.type is not WSMsgType.TEXT:
            self._probe.add("frame: opcode", "text, as the request", message.type.name, "assumed")
        data: bytes | str = message.data
        whole = data.encode() if isinstance(data, str) else data
        self._check.record_request(self._probe, operation, whole[16:19].decode("ascii", "replace"))
        return whole

    def _parse_document(self, message: bytes) -> etree._Element:
        try:
            return schema.parse(tree.to_xml(tree.decode(frames.decode_response(message).body)))
        except CallmocksError:
            raise UnusableResponseError from None

    async def _expect_silence(self) -> None:
        """No message comes that nobody asked for."""
        try:
            message = await asyncio.wait_for(self._socket.receive(), GRACE_SECONDS)
        except (TimeoutError, ClientError, OSError):
            return
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            expected = "one message for each request"
            self._probe.add("frame: messages", expected, "one more", "assumed")
