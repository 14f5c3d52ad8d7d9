"""Recorded ARM requests, sent again: by POST as they were posted, in frames as they were framed."""

from collections.abc import Collection, Mapping
from contextlib import AsyncExitStack
from functools import cache
from typing import ClassVar

from lxml import etree
from msgspec.structs import replace

from callmocks.arm import frames, harmless, schema, sessions, tree, validate
from callmocks.arm.validate_rows import RELEASE_REASONS
from callmocks.contract.findings import ValidationResult
from callmocks.contract.resources import schema_path
from callmocks.contract.xml import make_parser
from callmocks.errors import CallmocksError, CheckError
from callmocks.provider.base import WireExchange
from callmocks.verification.check_arm import ArmCheck
from callmocks.verification.check_arm_frames import FrameConnection
from callmocks.verification.comparison import Comparison
from callmocks.verification.report import CheckReport
from callmocks.verification.runner import SkipProbe
from callmocks.verification.shapes import Shape

_ROW = "/out/response/history/call_history"
_NAMES = ("display_name", "display_name_a", "display_name_b")
_NUMBERS = ("number", "from_number", "to_number")
_GROUPS = ("cc_agent_group", "cc_agent_a_group", "cc_agent_b_group")
_AGENTS = ("cc_agent_id", "cc_agent_a_id", "cc_agent_b_id")


class ArmComparison(Comparison, ArmCheck):
    separator = "/"
    selecting = frozenset({*_NAMES, *_NUMBERS, *_GROUPS, *_AGENTS, "tag"})
    member_assumptions: ClassVar[Mapping[str, str]] = {
        "Content-Type": "arm.content-type",
        "reason": "arm.error-reason",
        "status": "arm.error-status",
        "queue_id": "arm.queue-id",
        "url": "arm.url-list",
        "display_name": "arm.own-display-name",
    }

    def prepare(self) -> None:
        super().prepare()
        self._sockets = AsyncExitStack()
        self._connection: FrameConnection | None = None
        self.optional_members = _list_optional_members()

    def list_words(self, operation: str) -> Mapping[str, Collection[str]]:
        return {
            f"{_ROW}/@direction": ("in", "out"),
            f"{_ROW}/@release_reason": RELEASE_REASONS,
        }

    def read_shape(self, exchange: WireExchange) -> Shape | None:
        body = exchange.response
        try:
            if exchange.transport == "frame":
                body = tree.to_xml(tree.decode(frames.decode_response(body).body))
            elif body.lstrip()[:1] == b"[":
                body = tree.json_to_xml(body)
            root = schema.parse(body)
        except (CallmocksError, ValueError, RecursionError):
            return None
        shape, error = Shape(self.separator), root.find("error")
        if error is not None:
            shape.outcome = f"an error {error.get('reason', '')}"
            shape.outcome_path = "/out/error/@reason"
        else:
            answers = [etree.QName(each).localname for each in root.findall("response/*")]
            shape.outcome = f"a response with {' and '.join(answers) or 'nothing'}"
            history = root.find("response/history")
            shape.rows = None if history is None else len(history.findall("call_history"))
        _add_element(shape, "", root)
        return shape

    def validate(self, exchange: WireExchange) -> ValidationResult:
        response, request = exchange.response, exchange.request or None
        if exchange.transport == "frame":
            unit = self.choices["arm.frame-length"]
            return validate.validate_response_frame(response, request, unit=unit)  # type: ignore[arg-type]
        return validate.validate_body(response, request, exchange.status, side="answer")

    def explain_refusal(self, exchange: WireExchange, shape: Shape) -> str:
        texts = (sessions.INVALID_CREDENTIALS, sessions.NOT_LOGGED_IN)
        if any(text.encode() in exchange.response for text in texts):
            return "the credentials are refused"
        return super().explain_refusal(exchange, shape)

    async def send_recorded(self, exchange: WireExchange) -> WireExchange:
        transport = "websocket" if exchange.transport == "frame" else "http"
        if transport not in self.target.transports:
            raise SkipProbe(f"the address is not for {transport}")
        send = self._send_frame if transport == "websocket" else self._post
        try:
            answer = await send(exchange)
            refused = answer.status == 401 or self._is_first_refusal(answer)
        except CheckError:
            if not self._may_log_in():
                raise
            refused = True
        if refused and self._may_log_in():
            await self.log_in()
            answer = await send(exchange)
        return answer

    def _is_first_refusal(self, answer: WireExchange) -> bool:
        """By the choice of statuses; later errors are those of requests."""
        return not self.report.sent[1:] and self.is_refused(answer.status, answer.response)

    def _may_log_in(self) -> bool:
        """Where Basic is refused, the login command is tried, once."""
        return bool(self.basic) and "http" in self.target.transports

    async def _post(self, exchange: WireExchange) -> WireExchange:
        body = exchange.request
        media = "application/json" if body.lstrip()[:1] == b"[" else "text/xml; charset=utf-8"
        headers = {"Content-Type": media} | self.auth_headers()
        command = exchange.operation
        response = await self.send_request(command, "POST", f"{self.base}/{command}", headers, body)
        content_type = response.headers.get("Content-Type", "")
        return WireExchange(command, body, response.body, response.status, "http", content_type)

    async def _send_frame(self, exchange: WireExchange) -> WireExchange:
        try:
            if self._connection is None:
                opening = FrameConnection(self, self.socket_url, self.auth_headers(), int)
                self._connection = await self._sockets.enter_async_context(opening)
            message = await self._connection.exchange_recorded(exchange.request)
        except BaseException:
            self._connection = None
            raise
        digits = frames.get_status_field(message)
        status = int(digits) if digits.isdigit() else 0
        return replace(exchange, response=message, status=status)

    async def run_probes(self) -> CheckReport:
        async with self._sockets:
            return await super().run_probes()


def _add_element(shape: Shape, parent: str, element: etree._Element) -> None:
    fields = harmless.load_harmless_fields()
    path = f"{parent}/{etree.QName(element).localname}"
    names = {f"@{etree.QName(str(name)).localname}": str(v) for name, v in element.attrib.items()}
    children = {etree.QName(each).localname: None for each in element.iterchildren(etree.Element)}
    shape.add_members(path, (*names, *children))
    for name, text in names.items():
        shape.add_text(f"{path}/{name}", text, fields.find_rule(name[1:]))
    for child in element.iterchildren(etree.Element):
        name = etree.QName(child).localname
        shape.add_value(f"{path}/{name}", "an element")
        _add_element(shape, path, child)


@cache
def _list_optional_members() -> frozenset[str]:
    """What the schemas let a row have or not, but for what the vendor always sends."""
    always = {"remote_digits", "remote_agent_id", "release_reason", "url_list"}
    found = set()
    space = "{http://www.w3.org/2001/XMLSchema}"
    for path in sorted(schema_path("arm").glob("*.xsd")):
        for part in etree.parse(path, make_parser()).iter(f"{space}attribute", f"{space}element"):
            if part.get("use", "optional") == "optional" and part.tag == f"{space}attribute":
                found.add(f"@{part.get('name')}")
            if part.tag == f"{space}element" and part.get("minOccurs") == "0":
                found.add(str(part.get("name")))
    return frozenset(found - always - {f"@{name}" for name in always})
