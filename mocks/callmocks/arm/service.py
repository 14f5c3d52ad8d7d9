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
from callmocks.arm.requests import BodyFormat
from callmocks.arm.responses import CommandResponse
from callmocks.arm.rows import RenderOptions
from callmocks.config.server_limits import DEFAULT_LIMITS
from callmocks.contract.nesting import is_json_too_deep, is_xml_too_deep
from callmocks.errors import StateError, TooManyRows
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.exchange import Reply

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

Attributes = Mapping[str, str]

logger = logging.getLogger(__name__)

SERVICE_PATH = "service/cc/arm"
"""Below the domain: the commands, and what their answers link to."""

UNKNOWN_DOMAIN = "unknown domain"


@dataclass(slots=True)
class ArmSession:
    """Who sends a request: the operator, when he is logged in, and his session's token."""

    operator: str | None = None
    token: str | None = None


@dataclass(slots=True)
class RequestCredentials:
    """What an HTTP request says of its sender."""

    authorization: str = ""
    cookie: str = ""


class CommandFailure(Exception):
    """The request ends here, with this status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


async def handle_frame(
    exchange: Exchange, link: ArmSession | None, nesting: int = DEFAULT_LIMITS.nesting
) -> Reply:
    """Answer one frame; login and logout change the token that the connection remembers.

    Without a ``link`` the domain of the connection has ceased to exist. JSON that is nested deeper
    than ``nesting`` levels is not read.
    """
    exchange.use_assumption("arm.message")
    exchange.use_assumption("arm.opcode")
    try:
        frame = frames.decode_request(exchange.request, unit=_length_unit(exchange))
    except frames.FrameError as error:
        exchange.add_violation(error.where, error.expected, error.got)
        return make_frame_reply(
            exchange, responses.make_error_response("", str(error), 400), error.id
        )
    exchange.operation = frame.command
    if link is None:
        return make_frame_reply(
            exchange, responses.make_error_response(frame.command, UNKNOWN_DOMAIN, 404), frame.id
        )
    refused = _record_deviations(exchange, frame.deviations)
    if refused:
        return make_frame_reply(
            exchange, responses.make_error_response(frame.command, refused, 400), frame.id
        )
    if is_json_too_deep(frame.body, nesting):
        text = f"JSON: nested deeper than {nesting} levels"
        exchange.add_violation("body", f"at most {nesting} levels", "more")
        return make_frame_reply(
            exchange, responses.make_error_response(frame.command, text, 400), frame.id
        )
    caller = ArmSession(await sessions.find_operator(exchange, link.token), link.token)
    answer = await _run_command(exchange, frame.command, frame.body, "json", caller)
    if frame.command in (schema.LOGIN, schema.LOGOUT):
        link.token = caller.token
    return make_frame_reply(exchange, answer, frame.id)


async def handle_post(
    exchange: Exchange,
    command: str,
    credentials: RequestCredentials,
    nesting: int = DEFAULT_LIMITS.nesting,
) -> Reply:
    """Answer one document, posted to the address of a command.

    A document that is nested deeper than ``nesting`` levels is not read.
    """
    exchange.operation = command
    if is_xml_too_deep(exchange.request, nesting):
        text = f"XML: nested deeper than {nesting} levels"
        exchange.add_violation("body", f"at most {nesting} levels", "more")
        return make_http_reply(exchange, responses.make_error_response(command, text, 400))
    caller = ArmSession()
    if command != schema.LOGIN:
        try:
            caller = await authenticate_request(exchange, credentials)
        except sessions.CredentialsError as error:
            return make_http_reply(
                exchange, responses.make_error_response(command, str(error), 401)
            )
    answer = await _run_command(exchange, command, exchange.request, "xml", caller)
    return make_http_reply(exchange, answer)


async def authenticate_request(exchange: Exchange, credentials: RequestCredentials) -> ArmSession:
    """Who an HTTP request is from; ``RefusedError`` for credentials that are wrong."""
    if credentials.authorization:
        return ArmSession(sessions.authenticate_basic(exchange, credentials.authorization))
    if credentials.cookie:
        operator = await sessions.find_operator(exchange, credentials.cookie)
        if operator is None:
            raise sessions.CredentialsError(sessions.NOT_LOGGED_IN)
        return ArmSession(operator, credentials.cookie)
    return ArmSession()


def make_frame_reply(exchange: Exchange, response: CommandResponse, id: str) -> Reply:
    """An answer as the frame with that id."""
    body = responses.render_response(response, "json", exchange)
    frame = frames.encode_response(id, response.status, body, unit=_length_unit(exchange))
    return Reply(frame, response.status)


def make_http_reply(exchange: Exchange, response: CommandResponse) -> Reply:
    """An answer as an HTTP response."""
    body = responses.render_response(response, "xml", exchange)
    headers = {"Set-Cookie": response.cookie} if response.cookie else {}
    if response.status == 401 and exchange.tenant.assumptions.get_choice("arm.basic") == "accepted":
        headers["WWW-Authenticate"] = 'Basic realm="operator"'
    return Reply(body, response.status, exchange.use_assumption("arm.content-type"), headers)


def make_reply(exchange: Exchange, response: CommandResponse) -> Reply:
    """An answer in the transport of its request, whether that can be read or not."""
    if exchange.transport != "frame":
        return make_http_reply(exchange, response)
    try:
        id = frames.decode_request(exchange.request).id
    except frames.FrameError as error:
        id = error.id
    return make_frame_reply(exchange, response, id)


def make_command_error(exchange: Exchange, command: str, text: str) -> CommandResponse:
    """A known command that could not be performed."""
    return responses.make_error_response(
        command, text, int(exchange.use_assumption("arm.error-status"))
    )


async def _run_command(
    exchange: Exchange, command: str, body: bytes, body_format: BodyFormat, session: ArmSession
) -> CommandResponse:
    perform = _COMMANDS.get(command)
    try:
        if perform is None:
            raise CommandFailure(404, f"unknown command; there are {', '.join(_COMMANDS)}")
        if session.operator is None and perform is not _handle_login:
            raise CommandFailure(401, sessions.NOT_LOGGED_IN)
        asked = requests.parse_body(
            body, body_format, command, exchange.tenant.settings.arm.contract
        )
        if asked.parse_error:
            exchange.add_violation("body", "a document that can be read", asked.parse_error)
            raise CommandFailure(400, asked.parse_error)
        if asked.violations:
            texts = [str(exchange.add_violation(*fault)) for fault in asked.violations]
            return make_command_error(exchange, command, "; ".join(texts))
        return await perform(exchange, asked.attributes, session)
    except CommandFailure as error:
        return responses.make_error_response(command, str(error), error.status)
    except query.FilterValueError as error:
        exchange.add_violation(error.where, error.expected, error.got)
        return make_command_error(exchange, command, str(error))
    except TooManyRows as error:
        return make_command_error(exchange, command, str(error))
    except StateError:
        raise
    except Exception as crash:
        logger.exception("%s failed", command)
        exchange.add_violation("callmocks", "an answer", repr(crash), side="answer")
        return responses.make_error_response(command, "internal error", 500)


def _record_deviations(exchange: Exchange, deviations: Sequence[frames.Deviation]) -> str:
    """Note where a frame leaves the layout; in the strict profile also why it is refused."""
    texts = [str(exchange.add_violation(*deviation)) for deviation in deviations]
    return "; ".join(texts) if exchange.tenant.settings.arm.contract == "strict" else ""


async def _handle_history(
    exchange: Exchange, attributes: Attributes, session: ArmSession
) -> CommandResponse:
    asked = query.parse_filters(attributes, exchange.use_assumption)
    if not asked.skip_incomplete:
        exchange.use_assumption("arm.unfinished")
    if asked.filters or (asked.cursor is not None and asked.cursor.after is not None):
        exchange.use_assumption("arm.tag-properties")
    tenant = exchange.tenant
    style = RenderOptions(
        f"{exchange.origin}/{tenant.name}/{SERVICE_PATH}",
        tenant.settings.arm.contract,
        exchange.use_assumption("arm.url-list"),
        tenant.settings.self_check,
    )
    page = await pages.get_page(
        tenant.history,
        session.operator or "",
        asked,
        datetime_to_ms(exchange.now),
        style,
        exchange.use_assumption("arm.empty-page-tag") == "incoming",
    )
    return responses.make_history_response(page, exchange.now)


async def _handle_login(
    exchange: Exchange, attributes: Attributes, session: ArmSession
) -> CommandResponse:
    exchange.use_assumption("arm.session")
    login = attributes["login"]
    if not sessions.check_password(exchange, login, attributes["password"]):
        raise CommandFailure(401, sessions.INVALID_CREDENTIALS)
    session.operator = login
    session.token = await sessions.open_session(exchange, login)
    return responses.make_ok_response(schema.LOGIN, sessions.format_cookie(exchange, session.token))


async def _handle_logout(
    exchange: Exchange, attributes: Attributes, session: ArmSession
) -> CommandResponse:
    exchange.use_assumption("arm.session")
    await sessions.close_session(exchange, session.token)
    session.operator = session.token = None
    return responses.make_ok_response(schema.LOGOUT, sessions.format_cookie(exchange, ""))


def _length_unit(exchange: Exchange) -> frames.LengthUnit:
    return cast(frames.LengthUnit, exchange.use_assumption("arm.frame-length"))


_COMMANDS: dict[str, Callable[[Exchange, Attributes, ArmSession], Awaitable[CommandResponse]]] = {
    schema.HISTORY: _handle_history,
    schema.LOGIN: _handle_login,
    schema.LOGOUT: _handle_logout,
}
