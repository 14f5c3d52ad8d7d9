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
from callmocks.arm.service import SERVICE_PATH
from callmocks.contract.findings import Evidence
from callmocks.errors import CheckError
from callmocks.verification.check_arm_frames import FrameConnection
from callmocks.verification.http_client import HttpClient, HttpResponse
from callmocks.verification.report import REFUSAL_PROBES, Probe
from callmocks.verification.runner import (
    CheckTarget,
    ProbeStep,
    ProviderCheck,
    SkipProbeError,
    UnusableResponseError,
)

PAGE_SIZE = 20
"""Rows of a page."""
HALF_PAGE = PAGE_SIZE // 2
MAX_TRIES = 3
XML_MEDIA_TYPES = ("text/xml", "application/xml")
REFUSED_FILTERS = {
    "no limit": 'offset="0"',
    "an unknown filter": 'offset="0" limit="1" callmocks="1"',
    "a tag that is none": 'offset="0" limit="1" tag="callmocks"',
}
Rows = list[dict[str, str]]


def build_request(**filters: object) -> bytes:
    """A request for a page, with the offset that the vendor's schema requires."""
    given = {"offset": 0, "limit": PAGE_SIZE, **filters}
    attributes = " ".join(f"{name}={quoteattr(str(value))}" for name, value in given.items())
    return f"<in><request><filters {attributes}/></request></in>".encode()


class ArmCheck(ProviderCheck):
    """The probes of the workplace, in order."""

    provider = "arm"
    example_url = "http://HOST:8086/DOMAIN"

    def __init__(self, target: CheckTarget, wire: HttpClient) -> None:
        super().__init__(target, wire)
        self.base, self.socket_url = resolve_urls(target.url)
        self.rows: Rows = []
        self.tag = ""
        self.cookie = target.cookie
        self.logged_in = False
        self.basic = ""
        if target.login and not target.cookie:
            both = f"{target.login}:{target.password}".encode()
            self.basic = f"Basic {b64encode(both).decode()}"
            self.report.add_secret(self.basic.partition(" ")[2])

    def probe_steps(self) -> list[ProbeStep]:
        """See ``Check.steps``."""
        http: list[ProbeStep] = [
            ("history", f"the newest {PAGE_SIZE} calls", self.check_history),
            ("offset", "two halves of a page, by offset", self.check_offset),
            ("tag", "the calls behind a page, by its tag", self.check_tag),
            ("filters", "incoming and outgoing calls since a time", self.check_filters),
            (REFUSAL_PROBES[0], "requests that must be refused", self.check_refusals),
        ]
        socket: list[ProbeStep] = [
            ("frames", "the same in frames over a websocket", self.check_frames),
            ("in-flight", "two requests at once, answers by id", self.check_concurrent_frames),
            (REFUSAL_PROBES[1], "frames that must be refused", self.check_refused_frames),
        ]
        wanted = self.target.transports
        return (http if "http" in wanted else []) + (socket if "websocket" in wanted else [])

    async def check_history(self, probe: Probe) -> None:
        """A page, by whatever way of logging in is let in."""
        body = build_request()
        got = await self._post_command(probe, schema.HISTORY, body)
        if got.status == 401 and self.basic:
            await self._log_in(probe)
            got = await self._post_command(probe, schema.HISTORY, body)
        if got.status == 401:
            raise CheckError(f"{self.target.url} refuses the credentials")
        self.rows, self.tag = self._parse_page(probe, got, body)
        probe.notes.append(f"{len(self.rows)} calls")
        if not self.rows:
            raise SkipProbeError("the operator has no calls: rows were not looked at")

    async def check_offset(self, probe: Probe) -> None:
        """The second half of a page is the page at half its length."""
        self._require_rows(PAGE_SIZE)
        for _ in range(MAX_TRIES):
            whole, _ = await self._fetch_page(probe, limit=PAGE_SIZE)
            second, _ = await self._fetch_page(probe, limit=HALF_PAGE, offset=HALF_PAGE)
            again, _ = await self._fetch_page(probe, limit=PAGE_SIZE)
            if whole == again:
                self._compare_rows(probe, "offset", whole[HALF_PAGE:], second, "documented")
                return
        raise SkipProbeError("calls come too fast to compare pages")

    async def check_tag(self, probe: Probe) -> None:
        """Behind a page's tag stands what follows its last row; a page there stays as it is."""
        self._require_rows(PAGE_SIZE)
        for _ in range(MAX_TRIES):
            whole, self.tag = await self._fetch_page(probe, limit=PAGE_SIZE)
            first, tag = await self._fetch_page(probe, limit=HALF_PAGE)
            if whole[:HALF_PAGE] == first:
                break
        else:
            raise SkipProbeError("calls come too fast to compare pages")
        if not tag:
            raise SkipProbeError("the page has no tag")
        behind, _ = await self._fetch_page(probe, limit=HALF_PAGE, tag=tag)
        self._compare_rows(probe, "tag", whole[HALF_PAGE:], behind, "assumed")

    async def check_filters(self, probe: Probe) -> None:
        """The calls of each direction since the oldest one seen; ``judge`` sees to their rows."""
        self._require_rows(1)
        oldest = self.rows[-1].get("start_time", "")
        for direction in ("in", "out"):
            rows, _ = await self._fetch_page(
                probe, direction=direction, from_date=oldest, limit=100
            )
            refs = {row.get("call_ref") for row in rows}
            for row in self.rows:
                if row.get("direction") == direction and row.get("call_ref") not in refs:
                    where = f"direction {direction} from {oldest}"
                    probe.add(where, f"call {row.get('call_ref')}", "no such row", "assumed")

    async def check_refusals(self, probe: Probe) -> None:
        """Refusals of the command, and of the transport."""
        for name, attributes in REFUSED_FILTERS.items():
            body = f"<in><request><filters {attributes}/></request></in>".encode()
            got = await self._post_command(probe, schema.HISTORY, body, name)
            self.add_verdict(probe, validate.validate_body(got.body, None, got.status), name)
            if b"<error" not in got.body:
                probe.add(f"{name}: /out", "out/error", "another answer", "assumed")
        broken = await self._post_command(probe, schema.HISTORY, b"<in><request>", "no document")
        self._expect_status(probe, "no document", broken, 400)
        unknown = await self._post_command(
            probe, "callmocks_check", build_request(), "an unknown command"
        )
        self._expect_status(probe, "an unknown command", unknown, 404)
        anonymous = await self._post_command(
            probe, schema.HISTORY, build_request(), "nobody", login=False
        )
        self._expect_status(probe, "nobody", anonymous, 401)

    async def check_frames(self, probe: Probe) -> None:
        """The page of POST behind the same tag, in a frame."""
        async with FrameConnection(self, probe, self.socket_url, self._auth_headers()) as socket:
            first = await socket.exchange_frame(build_request())
            self._require_response(first)
            rows, tag = self._parse_rows(first), self._parse_tag(first)
            again = await socket.exchange_frame(build_request(tag=tag)) if tag else None
        if not self.rows:
            self.rows = rows
        if again is None or "http" not in self.target.transports:
            return
        posted, _ = await self._fetch_page(probe, tag=tag)
        self._compare_rows(probe, "POST and frames", posted, self._parse_rows(again), "documented")

    async def check_concurrent_frames(self, probe: Probe) -> None:
        """Two requests before the first answer."""
        async with FrameConnection(self, probe, self.socket_url, self._auth_headers()) as socket:
            await socket.exchange_concurrently(build_request(limit=1), build_request(limit=2))

    async def check_refused_frames(self, probe: Probe) -> None:
        """Each on a connection of its own: some servers close it."""
        for name, frame, status in (
            ("an unreadable header", b"99callmocks", 400),
            ("an unknown command", b"", 404),
        ):
            async with FrameConnection(
                self, probe, self.socket_url, self._auth_headers()
            ) as socket:
                await socket.expect_refusal(name, frame, status)
        if self.basic or self.cookie:
            async with FrameConnection(self, probe, self.socket_url, {}) as socket:
                await socket.expect_refusal("nobody", socket.encode_frame(build_request()), 401)

    async def log_out(self) -> None:
        """Log out, when this check logged in."""
        if self.logged_in:
            probe = self.report.probes[0]
            await self._post_command(probe, schema.LOGOUT, b"<in><request/></in>")

    async def _log_in(self, probe: Probe) -> None:
        """The ``login`` command: Basic is no way in here."""
        self.basic = ""
        login, password = quoteattr(self.target.login), quoteattr(self.target.password)
        body = f"<in><request login={login} password={password}/></in>".encode()
        got = await self._post_command(probe, schema.LOGIN, body)
        cookie = got.headers.get("Set-Cookie", "").partition(";")[0]
        if got.status == 200 and cookie:
            self.cookie, self.logged_in = cookie, True
            self.report.add_secret(cookie.partition("=")[2])

    async def _fetch_page(self, probe: Probe, **filters: object) -> tuple[Rows, str]:
        """Rows and tag of a page."""
        body = build_request(**filters)
        return self._parse_page(probe, await self._post_command(probe, schema.HISTORY, body), body)

    def _parse_page(self, probe: Probe, response: HttpResponse, body: bytes) -> tuple[Rows, str]:
        self.add_verdict(
            probe, validate.validate_body(response.body, body, response.status), schema.HISTORY
        )
        try:
            root = schema.parse(response.body)
        except schema.XmlError:
            raise UnusableResponseError from None
        error = root.find("error")
        if error is not None:
            probe.add(f"{schema.HISTORY}: /out", "a response", f"error: {error.text}")
            raise UnusableResponseError
        return self._parse_rows(root), self._parse_tag(root)

    async def _post_command(
        self, probe: Probe, command: str, body: bytes, name: str = "", *, login: bool = True
    ) -> HttpResponse:
        name = name or command
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        headers |= self._auth_headers() if login else {}
        url = f"{self.base}/{command}"
        got = await self.send_request(probe, name, "POST", url, headers, body)
        if got.media_type not in XML_MEDIA_TYPES:
            probe.add(f"{name}: Content-Type", XML_MEDIA_TYPES[0], repr(got.media_type), "assumed")
        return got

    def _auth_headers(self) -> dict[str, str]:
        if self.cookie:
            return {"Cookie": self.cookie}
        return {"Authorization": self.basic} if self.basic else {}

    def _expect_status(self, probe: Probe, name: str, response: HttpResponse, status: int) -> None:
        self.add_verdict(probe, validate.validate_body(response.body), name)
        if response.status != status:
            probe.add(f"{name}: status", str(status), response.status, "assumed")

    def _require_rows(self, count: int) -> None:
        if len(self.rows) < count:
            raise SkipProbeError("the operator has too few calls")

    def _require_response(self, root: etree._Element) -> None:
        if root.find("response") is None:
            raise UnusableResponseError

    @staticmethod
    def _parse_rows(root: etree._Element) -> Rows:
        found = root.findall("response/history/call_history")
        return [{str(k): str(v) for k, v in row.attrib.items()} for row in found]

    @staticmethod
    def _parse_tag(root: etree._Element) -> str:
        history = root.find("response/history")
        return "" if history is None else history.get("tag", "")

    @staticmethod
    def _compare_rows(
        probe: Probe, subject: str, expected: Rows, got: Rows, evidence: Evidence
    ) -> None:
        if expected == got:
            return
        pairs = zip(expected, got, strict=False)
        place = next((n for n, (one, other) in enumerate(pairs, 1) if one != other), 0)
        where = f"{subject}: row {place}" if place else f"{subject}: rows"
        ref = expected[place - 1].get("call_ref") if place else f"{len(expected)} rows"
        other = got[place - 1].get("call_ref") if place else f"{len(got)} rows"
        text = f"{ref}, as without {subject}" if other != ref else f"the same attributes of {ref}"
        probe.add(where, text, other, evidence)


def resolve_urls(url: str) -> tuple[str, str]:
    """Where commands are posted to and where the websocket is, without a slash at the end.

    Of ``http://host/DOMAIN`` and of any address below it; the address of a websocket
    (``ws://…``) is taken as it is.
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    domain = re.sub(rf"/{SERVICE_PATH}(/.*)?$", "", parts.path.rstrip("/"))
    path = f"{domain}/{SERVICE_PATH}"
    http = urlunsplit(("https" if secure else "http", parts.netloc, path, "", ""))
    own = parts.scheme in ("ws", "wss")
    socket_path = parts.path if own else path
    socket = urlunsplit(("wss" if secure else "ws", parts.netloc, socket_path, "", ""))
    return http, socket
