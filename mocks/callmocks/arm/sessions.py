"""Sessions and credentials: login, cookie, HTTP Basic, and the end of idle sessions.

Observed: there is a login command and it sets a session cookie. The rest is assumed, except the
120 minutes: they are the vendor's documented default for logging an idle agent out.
"""

from callmocks.history.generator import derive_token as make_token
from callmocks.history.walltime import datetime_to_ms
from callmocks.provider.credentials import decode_basic, secrets_equal
from callmocks.tenants.exchange import Exchange

COOKIE = "arm_session"
INVALID_CREDENTIALS = "Invalid login or password"  # the vendor's text
NOT_LOGGED_IN = "not logged in"
MAX_SESSIONS = 10_000
SESSION_COUNTER = "arm.sessions"

_MINUTE_MS = 60_000


class CredentialsError(Exception):
    """Invalid credentials (missing ones are not an error); the text is for the client."""


def check_password(exchange: Exchange, login: str, password: str) -> bool:
    tenant = exchange.tenant
    index = tenant.history.operator_index(login)
    operators, today = tenant.history.directory.operators, exchange.now.date()
    exists = index >= 0 and not operators[index].has_left(today)
    return secrets_equal(password, tenant.settings.arm.password) and exists


async def log_in(exchange: Exchange, login: str, password: str) -> str:
    """The token of a new session; ``CredentialsError`` for a wrong login or password."""
    if not check_password(exchange, login, password):
        raise CredentialsError(INVALID_CREDENTIALS)
    return await open_session(exchange, login)


async def open_session(exchange: Exchange, operator: str) -> str:
    """The token of a new session; beyond ``MAX_SESSIONS`` the oldest one ends."""
    state = exchange.state
    number = await state.add(SESSION_COUNTER, 1) or 1
    token = _make_session_token(exchange, number)
    oldest = await state.swap(f"arm.session-slot.{number % MAX_SESSIONS}", token.encode())
    if oldest is not None:
        await state.delete(_session_key(oldest.decode()))
    now_ms = datetime_to_ms(exchange.session_now)
    await state.put(_session_key(token), _encode_session(operator, now_ms))
    return token


async def find_operator(exchange: Exchange, token: str) -> str | None:
    """The operator whose session a token is; using it prolongs it. None when it has ended."""
    key = _session_key(token)
    value = await exchange.state.get(key)
    if value is None:
        return None
    operator, _, last_used = value.decode("ascii").rpartition(" ")
    now_ms = datetime_to_ms(exchange.session_now)
    minutes = int(exchange.use_assumption("arm.session-minutes"))
    if now_ms - int(last_used) >= minutes * _MINUTE_MS:
        exchange.notes.append(f"the session of {operator} ended after {minutes} idle minutes")
        await exchange.state.delete(key)
        return None
    if now_ms != int(last_used):  # unless another replica has ended it meanwhile
        await exchange.state.compare_and_set(key, value, _encode_session(operator, now_ms))
    return operator


async def close_session(exchange: Exchange, token: str | None) -> None:
    if token:
        await exchange.state.delete(_session_key(token))


def authenticate_basic(exchange: Exchange, header: str) -> str:
    """The operator of an ``Authorization: Basic`` header; ``CredentialsError`` for others."""
    if exchange.use_assumption("arm.basic") != "accepted":
        raise CredentialsError("HTTP Basic is not accepted here")
    credentials = decode_basic(header)
    if credentials is None or not check_password(exchange, *credentials):
        raise CredentialsError(INVALID_CREDENTIALS)
    return credentials.user


def format_cookie(exchange: Exchange, token: str) -> str:
    """The value of Set-Cookie for a token; an empty one removes the cookie."""
    ending = "" if token else "; Max-Age=0"
    return f"{COOKIE}={token}; Path=/{exchange.tenant.settings.name}; HttpOnly{ending}"


def _encode_session(operator: str, last_used_ms: int) -> bytes:
    return f"{operator} {last_used_ms}".encode("ascii")


def _make_session_token(exchange: Exchange, number: int) -> str:
    tenant = exchange.tenant
    mark = f"{tenant.state.make_salt()}{number}"
    return make_token("arm", tenant.name, tenant.settings.seed, mark)


def _session_key(token: str) -> str:
    return f"arm.session.{token}"
