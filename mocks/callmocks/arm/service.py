"""The workplace's service, free of sockets: a frame or a document in, an answer out.

The path of a request::

    read the frame or the document ── 400
    find the command ──────────────── 404
    find the operator ─────────────── 401
    validate by XSD ───────────────── out/error
    perform ───────────────────────── out/error, or out/response, validated by XSD
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from callmocks.arm import frames, pages, query, requests, responses, schema, sessions
from callmocks.arm.requests import Form
from callmocks.arm.responses import Answer
from callmocks.arm.rows import Style
from callmocks.config.server_limits import DEFAULT
from callmocks.contract.nesting import json_too_deep, xml_too_deep
from callmocks.errors import StateError, TooManyRows
from callmocks.history.walltime import to_ms
from callmocks.tenants.exchange import Reply

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

Attributes = Mapping[str, str]

log = logging.getLogger(__name__)

PATH = "service/cc/arm"
"""Below the domain: the commands, and what their answers link to."""

NO_DOMAIN = "unknown domain"


@dataclass(slots=True)
class Caller:
    """Who sends a request: the operator, when he is logged in, and his session's token."""

    operator: str | None = None
    token: str | None = None


@dataclass(slots=True)
class Credentials:
    """What an HTTP request says of its sender."""

    authorization: str = ""
    cookie: str = ""


class FailedError(Exception):
    """The request ends here, with this status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def answer_frame(
    exchange: Exchange, link: Caller | None, nesting: int = DEFAULT.nesting
) -> Reply:
    """Answer one frame; login and logout change the token that the connection remembers.

    Without a ``link`` the domain of the connection has ceased to exist. JSON that is nested deeper
    than ``nesting`` levels is not read.
    """
    exchange.assume("arm.message")
    exchange.assume("arm.opcode")
    try:
        frame = frames.decode_request(exchange.request, unit=_unit(exchange))
    except frames.FrameError as error:
        exchange.violated(error.where, error.expected, error.got)
        return frame_reply(exchange, responses.error("", str(error), 400), error.id)
    exchange.operation = frame.command
    if link is None:
        return frame_reply(exchange, responses.error(frame.command, NO_DOMAIN, 404), frame.id)
    refused = _deviations(exchange, frame.deviations)
    if refused:
        return frame_reply(exchange, responses.error(frame.command, refused, 400), frame.id)
    if json_too_deep(frame.body, nesting):
        text = f"JSON: nested deeper than {nesting} levels"
        exchange.violated("body", f"at most {nesting} levels", "more")
        return frame_reply(exchange, responses.error(frame.command, text, 400), frame.id)
    caller = Caller(await sessions.operator_of(exchange, link.token), link.token)
    answer = await _answer(exchange, frame.command, frame.body, "json", caller)
    if frame.command in (schema.LOGIN, schema.LOGOUT):
        link.token = caller.token
    return frame_reply(exchange, answer, frame.id)


async def answer_post(
    exchange: Exchange, command: str, credentials: Credentials, nesting: int = DEFAULT.nesting
) -> Reply:
    """Answer one document, posted to the address of a command.

    A document that is nested deeper than ``nesting`` levels is not read.
    """
    exchange.operation = command
    if xml_too_deep(exchange.request, nesting):
        text = f"XML: nested deeper than {nesting} levels"
        exchange.violated("body", f"at most {nesting} levels", "more")
        return http_reply(exchange, responses.error(command, text, 400))
    caller = Caller()
    if command != schema.LOGIN:
        try:
            caller = await identify(exchange, credentials)
        except sessions.RefusedError as error:
            return http_reply(exchange, responses.error(command, str(error), 401))
    answer = await _answer(exchange, command, exchange.request, "xml", caller)
    return http_reply(exchange, answer)


async def identify(exchange: Exchange, credentials: Credentials) -> Caller:
    """Who an HTTP request is from; ``RefusedError`` for credentials that are wrong."""
    if credentials.authorization:
        return Caller(sessions.basic(exchange, credentials.authorization))
    if credentials.cookie:
        operator = await sessions.operator_of(exchange, credentials.cookie)
        if operator is None:
            raise sessions.RefusedError(sessions.NOBODY)
        return Caller(operator, credentials.cookie)
    return Caller()


def frame_reply(exchange: Exchange, answer: Answer, id: str) -> Reply:
    """An answer as the frame with that id."""
    body = responses.write(answer, "json", exchange)
    frame = frames.encode_response(id, answer.status, body, unit=_unit(exchange))
    return Reply(frame, answer.status)


def http_reply(exchange: Exchange, answer: Answer) -> Reply:
    """An answer as an HTTP response."""
    body = responses.write(answer, "xml", exchange)
    headers = {"Set-Cookie": answer.cookie} if answer.cookie else {}
    if answer.status == 401 and exchange.tenant.assumptions.choice("arm.basic") == "accepted":
        headers["WWW-Authenticate"] = 'Basic realm="operator"'
    return Reply(body, answer.status, exchange.assume("arm.content-type"), headers)


def reply(exchange: Exchange, answer: Answer) -> Reply:
    """An answer in the transport of its request, whether that can be read or not."""
    if exchange.transport != "frame":
        return http_reply(exchange, answer)
    try:
        id = frames.decode_request(exchange.request).id
    except frames.FrameError as error:
        id = error.id
    return frame_reply(exchange, answer, id)


def command_error(exchange: Exchange, command: str, text: str) -> Answer:
    """A known command that could not be performed."""
    return responses.error(command, text, int(exchange.assume("arm.error-status")))


async def _answer(
    exchange: Exchange, command: str, body: bytes, form: Form, caller: Caller
) -> Answer:
    perform = _COMMANDS.get(command)
    try:
        if perform is None:
            raise FailedError(404, f"unknown command; there are {', '.join(_COMMANDS)}")
        if caller.operator is None and perform is not _login:
            raise FailedError(401, sessions.NOBODY)
        asked = requests.read(body, form, command, exchange.tenant.settings.arm.contract)
        if asked.unreadable:
            exchange.violated("body", "a document that can be read", asked.unreadable)
            raise FailedError(400, asked.unreadable)
        if asked.faults:
            texts = [str(exchange.violated(*fault)) for fault in asked.faults]
            return command_error(exchange, command, "; ".join(texts))
        return await perform(exchange, asked.attributes, caller)
    except FailedError as error:
        return responses.error(command, str(error), error.status)
    except query.FilterError as error:
        exchange.violated(error.where, error.expected, error.got)
        return command_error(exchange, command, str(error))
    except TooManyRows as error:
        return command_error(exchange, command, str(error))
    except StateError:
        raise
    except Exception as crash:
        log.exception("%s failed", command)
        exchange.violated("callmocks", "an answer", repr(crash), side="answer")
        return responses.error(command, "internal error", 500)


def _deviations(exchange: Exchange, deviations: Sequence[frames.Deviation]) -> str:
    """Note where a frame leaves the layout; in the strict profile also why it is refused."""
    texts = [str(exchange.violated(*deviation)) for deviation in deviations]
    return "; ".join(texts) if exchange.tenant.settings.arm.contract == "strict" else ""


async def _history(exchange: Exchange, attributes: Attributes, caller: Caller) -> Answer:
    asked = query.read(attributes, exchange.assume)
    if not asked.skip_incomplete:
        exchange.assume("arm.unfinished")
    if asked.filters or (asked.cursor is not None and asked.cursor.after is not None):
        exchange.assume("arm.tag-properties")
    tenant = exchange.tenant
    style = Style(
        f"{exchange.origin}/{tenant.name}/{PATH}",
        tenant.settings.arm.contract,
        exchange.assume("arm.url-list"),
        tenant.settings.self_check,
    )
    page = await pages.page(
        tenant.history,
        caller.operator or "",
        asked,
        to_ms(exchange.now),
        style,
        exchange.assume("arm.empty-page-tag") == "incoming",
    )
    return responses.history(page, exchange.now)


async def _login(exchange: Exchange, attributes: Attributes, caller: Caller) -> Answer:
    exchange.assume("arm.session")
    login = attributes["login"]
    if not sessions.knows(exchange, login, attributes["password"]):
        raise FailedError(401, sessions.INVALID)
    caller.operator = login
    caller.token = await sessions.open_session(exchange, login)
    return responses.done(schema.LOGIN, sessions.cookie(exchange, caller.token))


async def _logout(exchange: Exchange, attributes: Attributes, caller: Caller) -> Answer:
    exchange.assume("arm.session")
    await sessions.close_session(exchange, caller.token)
    caller.operator = caller.token = None
    return responses.done(schema.LOGOUT, sessions.cookie(exchange, ""))


def _unit(exchange: Exchange) -> frames.Unit:
    return cast(frames.Unit, exchange.assume("arm.frame-length"))


_COMMANDS: dict[str, Callable[[Exchange, Attributes, Caller], Awaitable[Answer]]] = {
    schema.HISTORY: _history,
    schema.LOGIN: _login,
    schema.LOGOUT: _logout,
}
