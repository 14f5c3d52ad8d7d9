"""The workplace's service, free of sockets: a frame or a document in, a reply out.

The path of a request::

    1. read the frame ──────────────── 400
    2. find the domain ─────────────── 404
    3. limit the nesting ───────────── 400
    4. find the operator ───────────── 401, when credentials are wrong
    5. find the command ────────────── 404
    6. ask for a login ─────────────── 401
    7. read and validate the body ──── 400, out/error
    8. perform the command ─────────── out/error, or out/response, validated by XSD
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, cast

import msgspec

from callmocks.arm import frames, pages, query, requests, responses, schema, sessions
from callmocks.arm.frames import FrameError, LengthUnit, RequestFrame
from callmocks.arm.pages import PageRequest
from callmocks.arm.requests import BodyFormat
from callmocks.arm.responses import CommandResponse
from callmocks.arm.rows import RenderOptions
from callmocks.config.server_limits import DEFAULT_LIMITS
from callmocks.contract.nesting import is_json_too_deep, is_xml_too_deep
from callmocks.errors import OutOfDescriptors, TooManyRows, Unavailable
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.descriptors import is_out_of_descriptors
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.worker import LONG_REQUEST_BYTES, run_if_long, yield_turn

Attributes = Mapping[str, str]

logger = logging.getLogger(__name__)

# Below the domain: the commands, and what their answers link to.
SERVICE_PATH = "service/cc/arm"
UPGRADE, CALL_RECORD, FAX, PREFLIGHT = "upgrade", "call_record", "fax", "preflight"
IDLE = "idle"
# What the journal has besides commands: other requests, and the end of an idle websocket.
OTHER_OPERATIONS = (UPGRADE, CALL_RECORD, FAX, PREFLIGHT, IDLE)
UNKNOWN_DOMAIN = "unknown domain"


class ArmSession(msgspec.Struct):
    operator: str | None = None
    token: str | None = None


class RequestCredentials(msgspec.Struct):
    authorization: str = ""
    cookie: str = ""


class CommandFailure(Exception):
    """The request ends here; without a status, with that of a command that cannot be performed."""

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(text)
        self.status = status


async def handle_frame(
    exchange: Exchange, session: ArmSession | None, nesting: int = DEFAULT_LIMITS.nesting
) -> Reply:
    """Answer one frame; login and logout change the session.

    Without a session the domain of the connection has ceased to exist.
    """
    exchange.use_assumptions("arm.message", "arm.opcode", "arm.compression")
    length_unit = cast(LengthUnit, exchange.use_assumption("arm.frame-length"))
    try:
        frame = frames.decode_request(exchange.request, unit=length_unit)
    except FrameError as error:
        exchange.add_violation(error.where, error.expected, error.got)
        response = make_early_error(exchange, "", str(error), 400)
        return _make_frame_reply(exchange, response, error.id, length_unit)
    exchange.operation = frame.command
    response = await _catch_errors(exchange, _run_frame(exchange, frame, session, nesting))
    return _make_frame_reply(exchange, response, frame.id, length_unit)


async def handle_post(
    exchange: Exchange,
    credentials: RequestCredentials,
    nesting: int = DEFAULT_LIMITS.nesting,
    charset: str | None = None,
) -> Reply:
    """Answer one document; the operation of the exchange is the command in the URL."""
    if charset is not None and exchange.use_assumption("arm.charset") == "ignored":
        charset = None
    steps = _run_post(exchange, credentials, nesting, charset)
    response = await _catch_errors(exchange, steps)
    return make_http_reply(exchange, response)


async def _run_frame(
    exchange: Exchange, frame: RequestFrame, session: ArmSession | None, nesting: int
) -> CommandResponse:
    if session is None:
        raise CommandFailure(404, UNKNOWN_DOMAIN)
    texts = [str(exchange.add_violation(*deviation)) for deviation in frame.deviations]
    if texts:
        choice = exchange.use_assumption("arm.wrong-length")
        if choice == "refused" or exchange.tenant.settings.arm.contract == "strict":
            raise CommandFailure(400, "; ".join(texts))
    is_too_deep = partial(is_json_too_deep, frame.body, nesting)
    if await run_if_long(is_too_deep, _is_long(exchange)):
        raise _make_nesting_failure(exchange, "JSON", nesting)
    token = session.token
    session.operator = await sessions.find_operator(exchange, token) if token else None
    return await _run_command(exchange, frame.body, "json", session)


async def _run_post(
    exchange: Exchange, credentials: RequestCredentials, nesting: int, charset: str | None
) -> CommandResponse:
    is_too_deep = partial(is_xml_too_deep, exchange.request, nesting)
    if await run_if_long(is_too_deep, _is_long(exchange)):
        raise _make_nesting_failure(exchange, "XML", nesting)
    is_login = exchange.operation == schema.LOGIN
    session = ArmSession() if is_login else await authenticate_request(exchange, credentials)
    return await _run_command(exchange, exchange.request, "xml", session, charset)


def _is_long(exchange: Exchange) -> bool:
    return len(exchange.request) > LONG_REQUEST_BYTES


async def find_refusal(exchange: Exchange) -> Reply | None:
    """The error of a body that the schema or the service refuses, whoever sends it."""
    if exchange.operation not in _COMMANDS:
        return None
    response = await _catch_errors(exchange, _check_request(exchange))
    return None if response.error is None else make_reply(exchange, response)


async def _check_request(exchange: Exchange) -> CommandResponse:
    if exchange.transport == "frame":
        body = frames.decode_request(exchange.request).body
        values = await _read_attributes(exchange, body, "json")
    else:
        values = await _read_attributes(exchange, exchange.request, "xml")
    if exchange.operation == schema.HISTORY:
        query.parse_filters(values, exchange.use_assumption)
    return CommandResponse(exchange.operation)


def _make_nesting_failure(exchange: Exchange, form: str, nesting: int) -> CommandFailure:
    exchange.add_violation("body", f"at most {nesting} levels", "more")
    return CommandFailure(400, f"{form}: nested deeper than {nesting} levels")


async def authenticate_request(exchange: Exchange, credentials: RequestCredentials) -> ArmSession:
    """Who an HTTP request is from; ``CredentialsError`` for credentials that are wrong."""
    if credentials.authorization:
        return ArmSession(sessions.authenticate_basic(exchange, credentials.authorization))
    if credentials.cookie:
        operator = await sessions.find_operator(exchange, credentials.cookie)
        if operator is None:
            raise sessions.CredentialsError(sessions.NOT_LOGGED_IN)
        return ArmSession(operator, credentials.cookie)
    return ArmSession()


async def _run_command(
    exchange: Exchange,
    body: bytes,
    body_format: BodyFormat,
    session: ArmSession,
    charset: str | None = None,
) -> CommandResponse:
    command, exchange.user = exchange.operation, session.operator or ""
    perform = _COMMANDS.get(command)
    if perform is None:
        raise CommandFailure(404, f"unknown command; there are {', '.join(_COMMANDS)}")
    if session.operator is None and command != schema.LOGIN:
        raise CommandFailure(401, sessions.NOT_LOGGED_IN)
    values = await _read_attributes(exchange, body, body_format, charset)
    return await perform(exchange, values, session)


async def _read_attributes(
    exchange: Exchange, body: bytes, body_format: BodyFormat, charset: str | None = None
) -> Attributes:
    contract, choices = exchange.tenant.settings.arm.contract, exchange.tenant.assumptions.choices
    empty_values = contract == "strict" or choices["arm.empty-filter"] == "literal"
    options = requests.BodyOptions(body_format, contract, empty_values, charset)
    parse = partial(requests.parse_body, body, exchange.operation, options)
    request = await run_if_long(parse, _is_long(exchange))
    if request.dropped:
        exchange.use_assumption("arm.empty-filter")
    if request.parse_error:
        unreadable = ("body", "a document that can be read", request.parse_error)
        exchange.add_violation(*(request.parse_problem or unreadable))
        raise CommandFailure(400, request.parse_error)
    if request.explain is not None:
        validator = schema.get_schema(exchange.operation, contract)
        is_long = _is_long(exchange) or not validator.has_explainer
        violations = await run_if_long(request.explain, is_long)
        texts = [str(exchange.add_violation(*violation)) for violation in violations]
        raise CommandFailure(None, "; ".join(texts))
    return request.attributes


async def _get_page(exchange: Exchange, values: Attributes, session: ArmSession) -> CommandResponse:
    filters = query.parse_filters(values, exchange.use_assumption)
    choices = exchange.tenant.assumptions.choices
    unfinished, tag_properties = choices["arm.unfinished"], choices["arm.tag-properties"]
    if not filters.skip_incomplete:
        exchange.use_assumption("arm.unfinished")
    if filters.filters or (filters.cursor is not None and filters.cursor.after is not None):
        exchange.use_assumption("arm.tag-properties")
    url_list, queue_id, empty_page_tag, _, _ = exchange.use_assumptions(
        "arm.url-list", "arm.queue-id", "arm.empty-page-tag", "arm.own-legs", "arm.agent-id"
    )
    tenant, operator = exchange.tenant, session.operator or ""
    options = RenderOptions(
        f"{exchange.requester.origin}/{tenant.settings.name}/{SERVICE_PATH}",
        tenant.settings.arm.contract,
        url_list,
        queue_id,
        unfinished,
        _choose_display_name(exchange, operator),
        tenant.settings.self_check,
    )
    now_ms, repeat_tag = datetime_to_ms(exchange.now), empty_page_tag == "incoming"
    plain_tag = tag_properties == "documented"
    request = PageRequest(operator, filters, now_ms, options, repeat_tag, plain_tag)
    if tenant.history.arrivals.has_arm_lags:
        request = _choose_late_rows(exchange, request)
    if filters.limit > pages.YIELD_EVERY_ROWS:
        await yield_turn()
    page = await pages.get_page(tenant.history, request)
    if len(page.rows) > pages.YIELD_EVERY_ROWS:
        await yield_turn()  # its rows are put together
    exchange.row_count = len(page.rows)
    return CommandResponse(schema.HISTORY, page=page)


def _choose_late_rows(exchange: Exchange, request: PageRequest) -> PageRequest:
    arrivals = exchange.tenant.history.arrivals
    if arrivals.arm.max_ms and not request.query.skip_incomplete:
        hidden = exchange.use_assumption("arm.late-rows") == "hidden"
        request = request._replace(hide_late=hidden)
    if arrivals.records.max_ms:
        listed = exchange.use_assumption("arm.late-records") == "listed"
        request = request._replace(early_records=listed)
    return request


def _choose_display_name(exchange: Exchange, operator: str) -> str:
    if exchange.use_assumption("arm.own-display-name") == "empty":
        return ""
    history = exchange.tenant.history
    return history.directory.operators[history.operator_index(operator)].full_name


async def _log_in(exchange: Exchange, values: Attributes, session: ArmSession) -> CommandResponse:
    exchange.use_assumption("arm.session")
    login = values["login"]
    session.token = await sessions.log_in(exchange, login, values["password"])
    session.operator = login
    return CommandResponse(schema.LOGIN, session_token=session.token)


async def _log_out(exchange: Exchange, values: Attributes, session: ArmSession) -> CommandResponse:
    exchange.use_assumption("arm.session")
    await sessions.close_session(exchange, session.token)
    session.operator = session.token = None
    return CommandResponse(schema.LOGOUT, session_token="")


_COMMANDS: dict[str, Callable[[Exchange, Attributes, ArmSession], Awaitable[CommandResponse]]] = {
    schema.HISTORY: _get_page,
    schema.LOGIN: _log_in,
    schema.LOGOUT: _log_out,
}


async def _catch_errors(
    exchange: Exchange, steps: Coroutine[Any, Any, CommandResponse]
) -> CommandResponse:
    command = exchange.operation
    try:
        return await steps
    except CommandFailure as error:
        if error.status is None:
            return make_command_error(exchange, command, str(error))
        return make_early_error(exchange, command, str(error), error.status)
    except sessions.CredentialsError as error:
        return make_early_error(exchange, command, str(error), 401)
    except query.FilterValueError as error:
        exchange.add_violation(error.where, error.expected, error.got)
        return make_command_error(exchange, command, str(error))
    except TooManyRows as error:
        return make_command_error(exchange, command, str(error))
    except Unavailable:
        raise
    except Exception as crash:
        if is_out_of_descriptors(crash):
            raise OutOfDescriptors from crash
        logger.exception("%s failed", command)
        exchange.add_violation("callmocks", "an answer", repr(crash), side="answer")
        return make_early_error(exchange, command, "internal error", 500)


def make_early_error(exchange: Exchange, command: str, text: str, status: int) -> CommandResponse:
    """The failure of what comes before the command."""
    if exchange.use_assumption("arm.transport-status") == "200":
        status = 200
    return responses.make_error_response(command, text, status)


def make_command_error(exchange: Exchange, command: str, text: str) -> CommandResponse:
    status = int(exchange.use_assumption("arm.error-status"))
    return responses.make_error_response(command, text, status)


def make_reply(exchange: Exchange, response: CommandResponse) -> Reply:
    if exchange.transport != "frame":
        return make_http_reply(exchange, response)
    try:
        id = frames.decode_request(exchange.request).id
    except FrameError as error:
        id = error.id
    length_unit = cast(LengthUnit, exchange.use_assumption("arm.frame-length"))
    return _make_frame_reply(exchange, response, id, length_unit)


def _make_frame_reply(
    exchange: Exchange, response: CommandResponse, id: str, unit: LengthUnit
) -> Reply:
    body = responses.render_response(response, "json", exchange)
    return Reply(frames.encode_response(id, response.status, *body, unit=unit), response.status)


def make_http_reply(exchange: Exchange, response: CommandResponse) -> Reply:
    body = b"".join(responses.render_response(response, "xml", exchange))
    headers = {}
    if response.session_token is not None:
        headers["Set-Cookie"] = sessions.format_cookie(exchange, response.session_token)
    if response.status == 401 and exchange.tenant.assumptions.choices["arm.basic"] == "accepted":
        headers["WWW-Authenticate"] = 'Basic realm="operator"'
    return Reply(body, response.status, exchange.use_assumption("arm.content-type"), headers)
