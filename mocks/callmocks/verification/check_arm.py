"""The check of a workplace: one operator's history by POST and by websocket.

The history of an operator grows at its newer end while it is looked at. Pages are therefore put
together behind a tag, which stands in the past, or compared again when a call has come between.
"""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import quoteattr

from lxml import etree

from callmocks.arm import schema, validate
from callmocks.arm.service import PATH
from callmocks.contract.findings import Evidence
from callmocks.errors import CheckError
from callmocks.verification.check_arm_frames import Frames
from callmocks.verification.http_client import Got, Wire
from callmocks.verification.report import REFUSED, Probe
from callmocks.verification.runner import BrokenError, Check, SkipError, Step, Target

PAGE = 20
"""Rows of a page."""
_HALF = PAGE // 2
_TRIES = 3
_XML = ("text/xml", "application/xml")
_REFUSALS = {
    "no limit": 'offset="0"',
    "an unknown filter": 'offset="0" limit="1" callmocks="1"',
    "a tag that is none": 'offset="0" limit="1" tag="callmocks"',
}
Rows = list[dict[str, str]]


def request(**filters: object) -> bytes:
    """A request for a page, with the offset that the vendor's schema requires."""
    given = {"offset": 0, "limit": PAGE, **filters}
    attributes = " ".join(f"{name}={quoteattr(str(value))}" for name, value in given.items())
    return f"<in><request><filters {attributes}/></request></in>".encode()


class ArmCheck(Check):
    """The probes of the workplace, in order."""

    provider = "arm"
    example = "http://HOST:8086/DOMAIN"

    def __init__(self, target: Target, wire: Wire) -> None:
        super().__init__(target, wire)
        self.base, self.socket_url = addresses(target.url)
        self.rows: Rows = []
        self.tag = ""
        self.cookie = target.cookie
        self.logged_in = False
        self.basic = ""
        if target.login and not target.cookie:
            both = f"{target.login}:{target.password}".encode()
            self.basic = f"Basic {b64encode(both).decode()}"
            self.report.hide(self.basic.partition(" ")[2])

    def steps(self) -> list[Step]:
        """See ``Check.steps``."""
        http: list[Step] = [
            ("history", f"the newest {PAGE} calls", self.history),
            ("offset", "two halves of a page, by offset", self.offset),
            ("tag", "the calls behind a page, by its tag", self.by_tag),
            ("filters", "incoming and outgoing calls since a time", self.filters),
            (REFUSED[0], "requests that must be refused", self.errors),
        ]
        socket: list[Step] = [
            ("frames", "the same in frames over a websocket", self.frames),
            ("in-flight", "two requests at once, answers by id", self.in_flight),
            (REFUSED[1], "frames that must be refused", self.frame_errors),
        ]
        wanted = self.target.transports
        return (http if "http" in wanted else []) + (socket if "websocket" in wanted else [])

    async def history(self, probe: Probe) -> None:
        """A page, by whatever way of logging in is let in."""
        body = request()
        got = await self._post(probe, schema.HISTORY, body)
        if got.status == 401 and self.basic:
            await self._log_in(probe)
            got = await self._post(probe, schema.HISTORY, body)
        if got.status == 401:
            raise CheckError(f"{self.target.url} refuses the credentials")
        self.rows, self.tag = self._page(probe, got, body)
        probe.notes.append(f"{len(self.rows)} calls")
        if not self.rows:
            raise SkipError("the operator has no calls: rows were not looked at")

    async def offset(self, probe: Probe) -> None:
        """The second half of a page is the page at half its length."""
        self._need(PAGE)
        for _ in range(_TRIES):
            whole, _ = await self._ask(probe, limit=PAGE)
            second, _ = await self._ask(probe, limit=_HALF, offset=_HALF)
            again, _ = await self._ask(probe, limit=PAGE)
            if whole == again:
                self._same(probe, "offset", whole[_HALF:], second, "documented")
                return
        raise SkipError("calls come too fast to compare pages")

    async def by_tag(self, probe: Probe) -> None:
        """Behind a page's tag stands what follows its last row; a page there stays as it is."""
        self._need(PAGE)
        for _ in range(_TRIES):
            whole, self.tag = await self._ask(probe, limit=PAGE)
            first, tag = await self._ask(probe, limit=_HALF)
            if whole[:_HALF] == first:
                break
        else:
            raise SkipError("calls come too fast to compare pages")
        if not tag:
            raise SkipError("the page has no tag")
        behind, _ = await self._ask(probe, limit=_HALF, tag=tag)
        self._same(probe, "tag", whole[_HALF:], behind, "assumed")

    async def filters(self, probe: Probe) -> None:
        """The calls of each direction since the oldest one seen; ``judge`` sees to their rows."""
        self._need(1)
        oldest = self.rows[-1].get("start_time", "")
        for direction in ("in", "out"):
            rows, _ = await self._ask(probe, direction=direction, from_date=oldest, limit=100)
            refs = {row.get("call_ref") for row in rows}
            for row in self.rows:
                if row.get("direction") == direction and row.get("call_ref") not in refs:
                    where = f"direction {direction} from {oldest}"
                    probe.add(where, f"call {row.get('call_ref')}", "no such row", "assumed")

    async def errors(self, probe: Probe) -> None:
        """Refusals of the command, and of the transport."""
        for name, attributes in _REFUSALS.items():
            body = f"<in><request><filters {attributes}/></request></in>".encode()
            got = await self._post(probe, schema.HISTORY, body, name)
            self.judged(probe, validate.body(got.body, None, got.status), name)
            if b"<error" not in got.body:
                probe.add(f"{name}: /out", "out/error", "another answer", "assumed")
        broken = await self._post(probe, schema.HISTORY, b"<in><request>", "no document")
        self._expect_status(probe, "no document", broken, 400)
        unknown = await self._post(probe, "callmocks_check", request(), "an unknown command")
        self._expect_status(probe, "an unknown command", unknown, 404)
        anonymous = await self._post(probe, schema.HISTORY, request(), "nobody", login=False)
        self._expect_status(probe, "nobody", anonymous, 401)

    async def frames(self, probe: Probe) -> None:
        """The page of POST behind the same tag, in a frame."""
        async with Frames(self, probe, self.socket_url, self._headers()) as socket:
            first = await socket.ask(request())
            self._need_status(first)
            rows, tag = self._rows(first), self._tag(first)
            again = await socket.ask(request(tag=tag)) if tag else None
        if not self.rows:
            self.rows = rows
        if again is None or "http" not in self.target.transports:
            return
        posted, _ = await self._ask(probe, tag=tag)
        self._same(probe, "POST and frames", posted, self._rows(again), "documented")

    async def in_flight(self, probe: Probe) -> None:
        """Two requests before the first answer."""
        async with Frames(self, probe, self.socket_url, self._headers()) as socket:
            await socket.ask_at_once(request(limit=1), request(limit=2))

    async def frame_errors(self, probe: Probe) -> None:
        """Each on a connection of its own: some servers close it."""
        for name, frame, status in (
            ("an unreadable header", b"99callmocks", 400),
            ("an unknown command", b"", 404),
        ):
            async with Frames(self, probe, self.socket_url, self._headers()) as socket:
                await socket.refused(name, frame, status)
        if self.basic or self.cookie:
            async with Frames(self, probe, self.socket_url, {}) as socket:
                await socket.refused("nobody", socket.frame(request()), 401)

    async def finish(self) -> None:
        """Log out, when this check logged in."""
        if self.logged_in:
            probe = self.report.probes[0]
            await self._post(probe, schema.LOGOUT, b"<in><request/></in>")

    async def _log_in(self, probe: Probe) -> None:
        """The ``login`` command: Basic is no way in here."""
        self.basic = ""
        login, password = quoteattr(self.target.login), quoteattr(self.target.password)
        body = f"<in><request login={login} password={password}/></in>".encode()
        got = await self._post(probe, schema.LOGIN, body)
        cookie = got.headers.get("Set-Cookie", "").partition(";")[0]
        if got.status == 200 and cookie:
            self.cookie, self.logged_in = cookie, True
            self.report.hide(cookie.partition("=")[2])

    async def _ask(self, probe: Probe, **filters: object) -> tuple[Rows, str]:
        """Rows and tag of a page."""
        body = request(**filters)
        return self._page(probe, await self._post(probe, schema.HISTORY, body), body)

    def _page(self, probe: Probe, got: Got, body: bytes) -> tuple[Rows, str]:
        self.judged(probe, validate.body(got.body, body, got.status), schema.HISTORY)
        try:
            root = schema.parse(got.body)
        except schema.XmlError:
            raise BrokenError from None
        error = root.find("error")
        if error is not None:
            probe.add(f"{schema.HISTORY}: /out", "a response", f"error: {error.text}")
            raise BrokenError
        return self._rows(root), self._tag(root)

    async def _post(
        self, probe: Probe, command: str, body: bytes, name: str = "", *, login: bool = True
    ) -> Got:
        name = name or command
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        headers |= self._headers() if login else {}
        url = f"{self.base}/{command}"
        got = await self.send(probe, name, "POST", url, headers, body)
        if got.media not in _XML:
            probe.add(f"{name}: Content-Type", _XML[0], repr(got.media), "assumed")
        return got

    def _headers(self) -> dict[str, str]:
        if self.cookie:
            return {"Cookie": self.cookie}
        return {"Authorization": self.basic} if self.basic else {}

    def _expect_status(self, probe: Probe, name: str, got: Got, status: int) -> None:
        self.judged(probe, validate.body(got.body), name)
        if got.status != status:
            probe.add(f"{name}: status", str(status), got.status, "assumed")

    def _need(self, count: int) -> None:
        if len(self.rows) < count:
            raise SkipError("the operator has too few calls")

    def _need_status(self, root: etree._Element) -> None:
        if root.find("response") is None:
            raise BrokenError

    @staticmethod
    def _rows(root: etree._Element) -> Rows:
        found = root.findall("response/history/call_history")
        return [{str(k): str(v) for k, v in row.attrib.items()} for row in found]

    @staticmethod
    def _tag(root: etree._Element) -> str:
        history = root.find("response/history")
        return "" if history is None else history.get("tag", "")

    @staticmethod
    def _same(probe: Probe, what: str, wanted: Rows, got: Rows, evidence: Evidence) -> None:
        if wanted == got:
            return
        pairs = zip(wanted, got, strict=False)
        place = next((n for n, (one, other) in enumerate(pairs, 1) if one != other), 0)
        where = f"{what}: row {place}" if place else f"{what}: rows"
        ref = wanted[place - 1].get("call_ref") if place else f"{len(wanted)} rows"
        other = got[place - 1].get("call_ref") if place else f"{len(got)} rows"
        text = f"{ref}, as without {what}" if other != ref else f"the same attributes of {ref}"
        probe.add(where, text, other, evidence)


def addresses(url: str) -> tuple[str, str]:
    """Where commands are posted to and where the websocket is, without a slash at the end.

    Of ``http://host/DOMAIN`` and of any address below it; the address of a websocket
    (``ws://…``) is taken as it is.
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    domain = re.sub(rf"/{PATH}(/.*)?$", "", parts.path.rstrip("/"))
    path = f"{domain}/{PATH}"
    http = urlunsplit(("https" if secure else "http", parts.netloc, path, "", ""))
    own = parts.scheme in ("ws", "wss")
    socket_path = parts.path if own else path
    socket = urlunsplit(("wss" if secure else "ws", parts.netloc, socket_path, "", ""))
    return http, socket
