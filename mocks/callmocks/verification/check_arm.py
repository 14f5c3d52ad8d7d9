"""Probes of an ARM endpoint: one operator's history by POST and by websocket.

New calls may arrive at any time at the newer end of the history. Pages are therefore joined by a
tag, which stands for a time in the past, or fetched again when a call has arrived meanwhile.
"""

import re
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import quoteattr

from lxml import etree

from callmocks.arm import schema, validate
from callmocks.arm.provider import ARM
from callmocks.arm.service import SERVICE_PATH
from callmocks.contract.findings import Evidence
from callmocks.errors import CheckError
from callmocks.verification.check_arm_frames import FrameConnection
from callmocks.verification.http_client import HttpResponse
from callmocks.verification.report import REFUSAL_PROBES
from callmocks.verification.runner import EndOfProbe, ProbeStep, ProviderCheck, SkipProbe

PAGE_SIZE = 20
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
    """The offset is always given: the vendor's schema requires it."""
    values = {"offset": 0, "limit": PAGE_SIZE, **filters}
    attributes = " ".join(f"{name}={quoteattr(str(value))}" for name, value in values.items())
    return f"<in><request><filters {attributes}/></request></in>".encode()


class ArmCheck(ProviderCheck):
    provider = ARM
    example_url = "http://HOST:8086/DOMAIN"
    row_probes = ("history", "offset", "tag", "filters")
    too_few_rows = "the operator has too few calls"

    def prepare(self) -> None:
        target = self.target
        socket_path = target.websocket_path or self.choices["arm.websocket-path"]
        self.base, self.socket_url = resolve_urls(target.url, socket_path)
        self.rows: Rows = []
        self.cookie = target.cookie
        self.logged_in = False
        self.basic = self.basic_header() if target.login and not target.cookie else ""

    def probe_steps(self) -> list[ProbeStep]:
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
        chosen = self.target.transports
        return (http if "http" in chosen else []) + (socket if "websocket" in chosen else [])

    async def check_history(self) -> None:
        """By HTTP Basic, or by the login command where Basic is refused."""
        body = build_request()
        response = await self.post_command(schema.HISTORY, body)
        if self.basic and self.is_refused(response.status, response.body):
            await self.log_in()
            response = await self.post_command(schema.HISTORY, body)
        if response.status == 401:
            raise CheckError(f"{self.target.url} refuses the credentials")
        self.rows, _ = self.parse_page(response, body)
        self.probe.notes.append(f"{len(self.rows)} calls")
        if not self.rows:
            raise SkipProbe("the operator has no calls: rows were not checked")

    async def check_offset(self) -> None:
        self.require_rows(PAGE_SIZE)
        for _ in range(MAX_TRIES):
            whole, _ = await self._fetch_page(limit=PAGE_SIZE)
            second, _ = await self._fetch_page(limit=HALF_PAGE, offset=HALF_PAGE)
            again, _ = await self._fetch_page(limit=PAGE_SIZE)
            if whole == again:
                self._compare_rows("offset", whole[HALF_PAGE:], second)
                return
        raise SkipProbe("calls come too fast to compare pages")

    async def check_tag(self) -> None:
        """A page's tag gives the rows after its last one; new calls do not change them."""
        self.require_rows(PAGE_SIZE)
        for _ in range(MAX_TRIES):
            whole, _ = await self._fetch_page(limit=PAGE_SIZE)
            first, tag = await self._fetch_page(limit=HALF_PAGE)
            if whole[:HALF_PAGE] == first:
                break
        else:
            raise SkipProbe("calls come too fast to compare pages")
        if not tag:
            raise SkipProbe("the page has no tag")
        behind, _ = await self._fetch_page(limit=HALF_PAGE, tag=tag)
        self._compare_rows("tag", whole[HALF_PAGE:], behind, "arm.tag-properties")

    async def check_filters(self) -> None:
        """``arm.validate`` checks the rows against the filters; here, that none is missing."""
        self.require_rows(1)
        oldest = self.rows[-1].get("start_time", "")
        for direction in ("in", "out"):
            rows, _ = await self._fetch_page(direction=direction, from_date=oldest, limit=100)
            refs = {row.get("call_ref") for row in rows}
            for row in self.rows:
                if row.get("direction") == direction and row.get("call_ref") not in refs:
                    where = f"direction {direction}: rows from {oldest}"
                    self.probe.add(where, f"call {row.get('call_ref')}", "no such row", "assumed")

    async def check_refusals(self) -> None:
        for name, attributes in REFUSED_FILTERS.items():
            body = f"<in><request><filters {attributes}/></request></in>".encode()
            response = await self.post_command(schema.HISTORY, body, name)
            result = validate.validate_body(response.body, None, response.status)
            self.add_result(result, name)
            if b"<error" not in response.body:
                self.probe.add(
                    f"{name}: /out", "out/error", "another answer", "assumed", "arm.error-reason"
                )
            elif str(response.status) != (expected := self.choices["arm.error-status"]):
                where, assumption = f"{name}: status", "arm.error-status"
                self.probe.add(where, expected, response.status, "assumed", assumption)
        page = build_request()
        for name, command, body, login, status in (
            ("no document", schema.HISTORY, b"<in><request>", True, 400),
            ("an unknown command", "callmocks_check", page, True, 404),
            ("nobody", schema.HISTORY, page, False, 401),
        ):
            response = await self.post_command(command, body, name, login=login)
            self.add_result(validate.validate_body(response.body), name)
            wanted = self.choose_status(status)
            if response.status != wanted:
                where, assumption = f"{name}: status", "arm.transport-status"
                self.probe.add(where, str(wanted), response.status, "assumed", assumption)

    async def check_frames(self) -> None:
        """The same page by tag in a frame and by POST."""
        async with self._connect(self.auth_headers()) as connection:
            first = await connection.exchange_frame(build_request())
            if first.find("response") is None:
                raise EndOfProbe
            rows, tag = self._parse_rows(first), self._parse_tag(first)
            again = await connection.exchange_frame(build_request(tag=tag)) if tag else None
        if not self.rows:
            self.rows = rows
        if again is None or "http" not in self.target.transports:
            return
        posted, _ = await self._fetch_page(tag=tag)
        self._compare_rows("POST and frames", posted, self._parse_rows(again))

    async def check_concurrent_frames(self) -> None:
        async with self._connect(self.auth_headers()) as connection:
            await connection.exchange_concurrently(build_request(limit=1), build_request(limit=2))

    async def check_refused_frames(self) -> None:
        """Each on its own connection, because some servers close it."""
        for name, frame, status in (
            ("an unreadable header", b"99callmocks", 400),
            ("an unknown command", b"", 404),
        ):
            async with self._connect(self.auth_headers()) as connection:
                await connection.expect_refusal(name, frame, status)
        if self.choices["arm.anonymous-upgrade"] == "refused":
            await self._connect({}).expect_no_upgrade()
        elif self.basic or self.cookie:
            async with self._connect({}) as connection:
                page = connection.encode_frame(build_request())
                await connection.expect_refusal("nobody", page, 401)

    async def log_out(self) -> None:
        if self.logged_in:
            await self.post_command(schema.LOGOUT, b"<in><request/></in>")

    async def log_in(self) -> None:
        self.basic = ""
        login, password = quoteattr(self.target.login), quoteattr(self.target.password)
        body = f"<in><request login={login} password={password}/></in>".encode()
        response = await self.post_command(schema.LOGIN, body)
        cookie = response.headers.get("Set-Cookie", "").partition(";")[0]
        if response.status == 200 and cookie:
            self.cookie, self.logged_in = cookie, True
            self.report.add_secret(cookie.partition("=")[2])

    async def _fetch_page(self, **filters: object) -> tuple[Rows, str]:
        body = build_request(**filters)
        return self.parse_page(await self.post_command(schema.HISTORY, body), body)

    def parse_page(self, response: HttpResponse, body: bytes) -> tuple[Rows, str]:
        result = validate.validate_body(response.body, body, response.status)
        self.add_result(result, schema.HISTORY)
        try:
            root = schema.parse(response.body)
        except schema.XmlError:
            raise EndOfProbe from None
        error = root.find("error")
        if error is not None:
            self.probe.add(f"{schema.HISTORY}: /out", "a response", f"error: {error.text}")
            raise EndOfProbe
        return self._parse_rows(root), self._parse_tag(root)

    async def post_command(
        self, command: str, body: bytes, name: str = "", *, login: bool = True
    ) -> HttpResponse:
        name = name or command
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        headers |= self.auth_headers() if login else {}
        response = await self.send_request(name, "POST", f"{self.base}/{command}", headers, body)
        found, chosen = response.media_type, self.choices["arm.content-type"].partition(";")[0]
        if found not in {*XML_MEDIA_TYPES, chosen}:
            where, expected = f"{name}: Content-Type", chosen
            self.probe.add(where, expected, repr(found), "assumed", "arm.content-type")
        return response

    def choose_status(self, status: int) -> int:
        """Of a request that fails before its command does."""
        return 200 if self.choices["arm.transport-status"] == "200" else status

    def is_refused(self, status: int, body: bytes) -> bool:
        """Whether credentials are; where all errors have status 200, another error is none."""
        as_others = self.choices["arm.transport-status"] == "200"
        return status == 401 or (as_others and b"<error" in body)

    def auth_headers(self) -> dict[str, str]:
        if self.cookie:
            return {"Cookie": self.cookie}
        return {"Authorization": self.basic} if self.basic else {}

    def _connect(self, headers: dict[str, str]) -> FrameConnection:
        return FrameConnection(self, self.socket_url, headers, self.choose_status)

    @staticmethod
    def _parse_rows(root: etree._Element) -> Rows:
        found = root.findall("response/history/call_history")
        return [{str(k): str(v) for k, v in row.attrib.items()} for row in found]

    @staticmethod
    def _parse_tag(root: etree._Element) -> str:
        history = root.find("response/history")
        return "" if history is None else history.get("tag", "")

    def _compare_rows(
        self, subject: str, expected: Rows, got: Rows, assumption: str | None = None
    ) -> None:
        if expected == got:
            return
        pairs = zip(expected, got, strict=False)
        number = next((n for n, (one, other) in enumerate(pairs, 1) if one != other), 0)
        where = f"{subject}: row {number}" if number else f"{subject}: rows"
        ref = expected[number - 1].get("call_ref") if number else f"{len(expected)} rows"
        other = got[number - 1].get("call_ref") if number else f"{len(got)} rows"
        text = f"{ref}, as without {subject}" if other != ref else f"the same attributes of {ref}"
        evidence: Evidence = "assumed" if assumption else "documented"
        self.probe.add(where, text, other, evidence, assumption)


def resolve_urls(url: str, socket_path: str = SERVICE_PATH) -> tuple[str, str]:
    """Where commands are posted to and where the websocket is, without a slash at the end.

    Of ``http://host/DOMAIN`` and of any address below it; ``socket_path`` is below the domain. The
    address of a websocket (``ws://…``) is taken as it is.
    """
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    domain = re.sub(rf"/{SERVICE_PATH}(/.*)?$", "", parts.path.rstrip("/"))
    path = f"{domain}/{SERVICE_PATH}"
    http = urlunsplit(("https" if secure else "http", parts.netloc, path, "", ""))
    own = parts.scheme in ("ws", "wss")
    opened = parts.path if own else f"{domain}/{socket_path.strip('/')}"
    socket = urlunsplit(("wss" if secure else "ws", parts.netloc, opened, "", ""))
    return http, socket
