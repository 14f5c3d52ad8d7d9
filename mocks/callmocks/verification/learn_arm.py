"""Experiments with an ARM endpoint: some twenty requests and two websockets."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError

from callmocks.arm import frames, schema
from callmocks.errors import CheckError
from callmocks.provider.base import WireExchange
from callmocks.verification import decide_arm
from callmocks.verification.check_arm import PAGE_SIZE, ArmCheck, build_request
from callmocks.verification.check_arm_frames import CLOSE_TYPES, FrameConnection
from callmocks.verification.decide_arm import ArmExchange
from callmocks.verification.decisions import Sighting, see
from callmocks.verification.http_client import HttpResponse, NoResponseError
from callmocks.verification.learner import Experiment, Learner
from callmocks.verification.runner import EndOfProbe, SkipProbe

FAR_FUTURE = "2999/01/01 00:00:00"
NAME_PART = 3  # letters of a name's middle


class ArmLearner(Learner, ArmCheck):
    reasons = decide_arm.REASONS
    max_requests = 40

    def prepare(self) -> None:
        super().prepare()
        self.parsed: list[ArmExchange] = []
        self.basic_was_tried = bool(self.basic)

    def list_experiments(self) -> list[Experiment]:
        http: list[Experiment] = [
            ("history", f"the newest {PAGE_SIZE} calls", self.check_history),
            ("basic", "whether HTTP Basic is taken", self.note_basic),
            ("errors", "requests that must be refused", self.try_errors),
            ("limit-most", "large limits, of no calls", self.try_limits),
            ("date-without-time", "a date alone", self.try_day),
            ("empty-filter", "an empty from_date", self.try_empty_filter),
            ("to-date", "calls until one of them has started", self.try_to_date),
            ("party-filters", "the beginning of a number, with %", self.try_wildcard),
            ("display-name", "a part of a name", self.try_display_name),
            ("tag-filters", "a tag with other filters than its own", self.try_tag),
            ("charset", "a document in the charset of its header", self.try_charset),
        ]
        socket: list[Experiment] = [
            ("websocket-path", "frames as text and as binary", self.try_websocket),
            ("anonymous-upgrade", "a websocket without login", self.try_anonymous_upgrade),
            ("wrong-length", "a frame of another length than it says", self.try_wrong_length),
            ("compression", "a websocket that offers to compress", self.try_compression),
        ]
        chosen = self.target.transports
        return (http if "http" in chosen else []) + (socket if "websocket" in chosen else [])

    def find_sightings(self) -> Iterator[Sighting]:
        yield from decide_arm.find_sightings(self.parsed)
        yield from self.own_sightings

    async def post_command(
        self, command: str, body: bytes, name: str = "", *, login: bool = True
    ) -> HttpResponse:
        response = await super().post_command(command, body, name, login=login)
        content_type = response.headers.get("Content-Type", "")
        seen = WireExchange(command, body, response.body, response.status, "http", content_type)
        # Until Basic is known to be taken, a refusal may be one of the credentials.
        known = login and (bool(self.rows) or None)
        parsed = decide_arm.parse_exchange(seen, known)
        if parsed is not None:
            self.parsed.append(parsed)
        return response

    async def check_history(self) -> None:
        """Where errors have status 200, refused credentials show as an error."""
        body = build_request()
        response = await self.post_command(schema.HISTORY, body)
        if self.basic and b"<error" in response.body:
            await self.log_in()
            response = await self.post_command(schema.HISTORY, body)
        if b"<error" in response.body:
            raise CheckError(f"{self.target.url} refuses the credentials")
        self.rows, _ = self.parse_page(response, body)
        if not self.rows:
            raise SkipProbe("the operator has no calls: rows were not looked at")

    async def note_basic(self) -> None:
        if not self.basic_was_tried:
            raise SkipProbe("a cookie is sent instead: --login and --password")
        choice = "accepted" if self.basic else "refused"
        self.own_sightings += see("arm.basic", choice, f"HTTP Basic was {choice}")

    @property
    def since(self) -> str:
        """No older calls are asked for: a filter that fits none would search all of them."""
        return self.rows[-1].get("start_time", "") if self.rows else FAR_FUTURE

    async def ask(self, **filters: object) -> ArmExchange:
        body = build_request(**filters)
        await self.post_command(schema.HISTORY, body)
        if not self.parsed:
            raise EndOfProbe
        return self.parsed[-1]

    async def try_errors(self) -> None:
        body = b'<in><request><filters offset="0"/></request></in>'
        await self.post_command(schema.HISTORY, body, "no limit")
        await self.post_command("callmocks_check", build_request(limit=1), "an unknown command")

    async def try_limits(self) -> None:
        for limit in (101, 1001):
            await self.ask(limit=limit, from_date=FAR_FUTURE)

    async def try_day(self) -> None:
        await self.ask(limit=1, from_date=FAR_FUTURE[:10])

    async def try_empty_filter(self) -> None:
        self.require_rows()
        await self.ask(limit=1, from_date="")

    async def try_to_date(self) -> None:
        self.require_rows()
        for row in self.rows:
            start = row.get("start_time", "")
            if start < row.get("release_time", ""):
                await self.ask(limit=100, from_date=start, to_date=start)
                return

    async def try_wildcard(self) -> None:
        number = self._find_text("remote_digits", 4)
        await self.ask(limit=1, from_date=self.since, number=f"{number[:-1]}%")

    async def try_display_name(self) -> None:
        name = self._find_text("remote_display_name", NAME_PART + 2)
        part = name[1 : 1 + NAME_PART]
        await self.ask(limit=1, from_date=self.since, display_name=part)

    async def try_tag(self) -> None:
        """The page behind a tag; then one so far behind that it is empty."""
        for direction, other in (("in", "out"), ("out", "in")):
            page = await self.ask(limit=2, direction=direction, from_date=self.since)
            if page.rows and page.tag:
                await self.ask(limit=50, direction=other, from_date=self.since, tag=page.tag)
                await self.ask(limit=1, offset=10**6, from_date=self.since, tag=page.tag)
                return
        raise SkipProbe("no page has a tag")

    async def try_charset(self) -> None:
        """Text that is no UTF-8, of no call's party."""
        self.require_rows()
        body = (
            build_request(limit=1, from_date=FAR_FUTURE, display_name="№")
            .decode()
            .encode("windows-1251")
        )
        url = f"{self.base}/{schema.HISTORY}"
        headers = {"Content-Type": "text/xml; charset=windows-1251"} | self.auth_headers()
        response = await self.send_request("charset", "POST", url, headers, body)
        if b"<error" in response.body or b"<history" in response.body:
            choice = "ignored" if b"<error" in response.body else "content-type"
            self.own_sightings += see("arm.charset", choice, f"a document of another: {choice}")

    async def try_websocket(self) -> None:
        async with FrameConnection(self, self.socket_url, self.auth_headers(), int) as connection:
            path = self.target.websocket_path or self.choices["arm.websocket-path"]
            self.own_sightings += see("arm.websocket-path", path.strip("/"), "a websocket opened")
            socket, opcodes = connection.socket, []
            for send_binary in (False, True):
                frame = connection.encode_frame(build_request(limit=5))
                sending = (
                    socket.send_bytes(frame) if send_binary else socket.send_str(frame.decode())
                )
                await sending
                opcodes.append(await self._receive_opcode(socket))
            choice = {("TEXT", "BINARY"): "request", ("TEXT", "TEXT"): "text"}.get(
                (opcodes[0], opcodes[1]), "binary"
            )
            shown = f"text and binary are answered with {opcodes[0]} and {opcodes[1]}".lower()
            self.own_sightings += see("arm.opcode", choice, shown)

    async def try_anonymous_upgrade(self) -> None:
        """Where a websocket opens with credentials."""
        self._require_websocket()
        try:
            socket = await self.http_client.open_websocket(self.socket_url, {})
        except WSServerHandshakeError as error:
            if error.status == 401:
                choice, shown = "refused", f"status {error.status} without login"
                self.own_sightings += see("arm.anonymous-upgrade", choice, shown)
        else:
            await socket.close()
            shown = "a websocket opened without login"
            self.own_sightings += see("arm.anonymous-upgrade", "accepted", shown)

    async def try_wrong_length(self) -> None:
        """On a websocket of its own, as it may be closed."""
        self._require_websocket()
        async with FrameConnection(self, self.socket_url, self.auth_headers(), int) as connection:
            frame = connection.encode_frame(build_request(limit=1, from_date=FAR_FUTURE))
            length = frames.get_declared_length(frame) + 7
            wrong = frame[:2] + f"{length:010d}".encode() + frame[12:]
            seen = WireExchange(schema.HISTORY, wrong, b"", 0, "frame")
            seen.response = await connection.exchange_recorded(wrong)
            answer = decide_arm.parse_exchange(seen)
        if answer is not None:
            choice = "tolerated" if answer.has_page else "refused"
            self.own_sightings += see("arm.wrong-length", choice, f"a wrong length: {choice}")

    async def try_compression(self) -> None:
        self._require_websocket()
        socket = await self.http_client.open_websocket(
            self.socket_url, self.auth_headers(), compress=True
        )
        choice = "permessage-deflate" if socket.compress else "none"
        await socket.close()
        self.own_sightings += see("arm.compression", choice, f"permessage-deflate: {choice}")

    def _require_websocket(self) -> None:
        """Its path is known then."""
        if not any(each.assumption == "arm.websocket-path" for each in self.own_sightings):
            raise SkipProbe("no websocket was found")

    async def _receive_opcode(self, socket: ClientWebSocketResponse) -> str:
        message: Any = await socket.receive(self.http_client.timeout)
        if message.type in CLOSE_TYPES:
            raise NoResponseError("a closed websocket")
        data = message.data
        frame = data.encode() if isinstance(data, str) else data
        with suppress(ValueError):
            self.own_sightings += decide_arm.decide_frame(frame)
        return str(WSMsgType(message.type).name)

    def _find_text(self, name: str, length: int) -> str:
        for row in self.rows:
            if len(row.get(name, "")) >= length:
                return row[name]
        raise SkipProbe(f"no row has a {name} of {length} characters")
