"""A websocket under examination: frames out, frames in, each answer matched by its id."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from lxml import etree

from callmocks.arm import frames, schema, tree, validate
from callmocks.errors import CallmocksError, CheckError
from callmocks.verification.documents import as_tree
from callmocks.verification.http_client import NoAnswerError
from callmocks.verification.report import Probe
from callmocks.verification.runner import BrokenError

if TYPE_CHECKING:
    from callmocks.verification.runner import Check

GRACE = 0.2
"""Seconds after the last answer in which nothing more may come."""
_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)
_UNREADABLE = 1002


class Frames:
    """One connection for a probe; leaving the block waits for messages nobody asked for."""

    def __init__(self, check: Check, probe: Probe, url: str, headers: dict[str, str]) -> None:
        self._check = check
        self._probe = probe
        self._url = url
        self._headers = headers
        self._socket: ClientWebSocketResponse
        self._asked: dict[str, bytes] = {}
        self._number = 0

    async def __aenter__(self) -> Frames:
        try:
            self._socket = await self._check.wire.open_socket(self._url, self._headers)
        except WSServerHandshakeError as error:
            if not self._check.report.sent:
                self._check.mistaken(self._url, error.status)
            self._check.note(self._probe, "upgrade", str(error.status))
            if error.status == 401 and self._headers:
                raise CheckError(f"{self._url} refuses the credentials") from None
            where = f"upgrade of {self._url}"
            self._probe.add(where, "a websocket", f"status {error.status}", "assumed")
            raise BrokenError from None
        except NoAnswerError as error:
            self._check.silence(self._probe, "upgrade", str(error))
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self._nothing_more()
        with suppress(ClientError, TimeoutError, OSError):
            await asyncio.wait_for(self._socket.close(), self._check.wire.seconds)

    def frame(self, document: bytes, command: str = schema.HISTORY) -> bytes:
        """The next frame, for a request that stands in a document."""
        self._number += 1
        body = tree.encode(as_tree(etree.fromstring(document)))
        return frames.encode_request(f"{self._number:04d}", command, body)

    async def ask(self, document: bytes) -> etree._Element:
        """The answer's tree as a document; ``BrokenError`` when there is none to be had."""
        frame = self.frame(document)
        await self._send(frame)
        return self._document(await self._answer())

    async def ask_at_once(self, *documents: bytes) -> None:
        """All requests first, then all answers, in whatever order they come."""
        for document in documents:
            await self._send(self.frame(document))
        for _ in documents:
            await self._answer()

    async def refused(self, name: str, frame: bytes, status: int) -> None:
        """A frame that must be refused with a status, or by the end of the connection."""
        document = b'<in><request><filters offset="0" limit="1"/></request></in>'
        frame = frame or self.frame(document, "callmocks_check")
        await self._socket.send_str(frame.decode())
        try:
            message = await self._receive(name)
        except NoAnswerError:
            if self._socket.close_code == _UNREADABLE and status == 400:
                return
            raise
        verdict = validate.answer_frame(message)
        self._check.judged(self._probe, verdict, name)
        if not verdict.counted:
            answer = frames.decode_response(message)
            if answer.status != status:
                self._probe.add(f"{name}: status", str(status), answer.status, "assumed")

    async def _send(self, frame: bytes) -> None:
        self._asked[frame[12:16].decode()] = frame
        try:
            await self._socket.send_str(frame.decode())
        except (ClientError, ConnectionError):
            await self._answer()  # its end says more than the failure to write

    async def _answer(self) -> bytes:
        """The next answer, judged; whichever request it belongs to is answered by it."""
        message = await self._receive(schema.HISTORY)
        id = message[12:16].decode("ascii", "replace")
        if id not in self._asked:
            id = next(iter(self._asked), "")
        verdict = validate.answer_frame(message, self._asked.pop(id, None))
        self._check.judged(self._probe, verdict, "frame")
        return message

    async def _receive(self, operation: str) -> bytes:
        """The next message; how the connection ended instead is a finding."""
        did = f"nothing for {self._check.wire.seconds:g} seconds"
        try:
            message = await asyncio.wait_for(self._socket.receive(), self._check.wire.seconds)
        except TimeoutError:
            self._check.silence(self._probe, operation, did)
            raise NoAnswerError(did) from None
        except (ClientError, OSError) as error:
            did = str(error) or type(error).__name__
            self._check.silence(self._probe, operation, did)
            raise NoAnswerError(did) from None
        if message.type in _ENDS:
            code = self._socket.close_code
            did = "a closed websocket" + (f", code {code}" if code else "")
            if code == _UNREADABLE and operation != schema.HISTORY:
                self._check.note(self._probe, operation, did)
            else:
                self._check.silence(self._probe, operation, did)
            raise NoAnswerError(did)
        if message.type is not WSMsgType.TEXT:
            self._probe.add("frame: opcode", "text, as the request", message.type.name, "assumed")
        data: bytes | str = message.data
        whole = data.encode() if isinstance(data, str) else data
        self._check.note(self._probe, operation, whole[16:19].decode("ascii", "replace"))
        return whole

    def _document(self, message: bytes) -> etree._Element:
        try:
            return schema.parse(tree.to_xml(tree.decode(frames.decode_response(message).body)))
        except CallmocksError:
            raise BrokenError from None

    async def _nothing_more(self) -> None:
        """No message comes that nobody asked for."""
        try:
            message = await asyncio.wait_for(self._socket.receive(), GRACE)
        except (TimeoutError, ClientError, OSError):
            return
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            expected = "one message for each request"
            self._probe.add("frame: messages", expected, "one more", "assumed")
