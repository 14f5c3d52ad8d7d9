"""Who is asking: login, cookie, HTTP Basic, and the end of a session that nobody uses.

Observed: there is a login command and it sets a session cookie. The rest is assumed, except the
120 minutes: they are the vendor's documented default for logging an idle agent out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callmocks.history.generator import derive_token as make_token
from callmocks.history.walltime import datetime_to_ms
from callmocks.provider.credentials import decode_basic, secrets_equal

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

COOKIE = "arm_session"
INVALID_CREDENTIALS = "Invalid login or password"
"""The vendor's text."""
NOT_LOGGED_IN = "not logged in"
MAX_SESSIONS = 10_000
"""Sessions of a domain."""

_MINUTE_MS = 60_000


class CredentialsError(Exception):
    """Credentials that are wrong, which is worse than none; the text is for the client."""


def check_password(exchange: Exchange, login: str, password: str) -> bool:
    """Whether this is an operator of the domain, by internal number, and his password."""
    tenant = exchange.tenant
    known = tenant.history.operator_index(login) >= 0
    return secrets_equal(password, tenant.settings.arm.password) and known


async def open_session(exchange: Exchange, operator: str) -> str:
    """A new session's token; the oldest of very many gives way."""
    state = exchange.state
    number = await state.add("arm.sessions", 1) or 1
    if number > MAX_SESSIONS:
        await state.delete(_session_key(_make_session_token(exchange, number - MAX_SESSIONS)))
    token = _make_session_token(exchange, number)
    await state.put(_session_key(token), _encode_session(exchange, operator))
    return token


async def find_operator(exchange: Exchange, token: str | None) -> str | None:
    """The operator whose session a token is; using it keeps it alive. None when it has ended."""
    if not token:
        return None
    key = _session_key(token)
    value = await exchange.state.get(key)
    if value is None:
        return None
    operator, _, used = value.decode("ascii").rpartition(" ")
    now, minutes = (
        datetime_to_ms(exchange.session_now),
        int(exchange.use_assumption("arm.session-minutes")),
    )
    if now - int(used) >= minutes * _MINUTE_MS:
        exchange.notes.append(f"the session of {operator} ended after {minutes} idle minutes")
        await exchange.state.delete(key)
        return None
    if now != int(used):  # a logout at another replica meanwhile stays one
        await exchange.state.compare_and_set(key, value, _encode_session(exchange, operator))
    return operator


async def close_session(exchange: Exchange, token: str | None) -> None:
    """End a session; one that has ended already stays so."""
    if token:
        await exchange.state.delete(_session_key(token))


def authenticate_basic(exchange: Exchange, header: str) -> str:
    """The operator of an ``Authorization: Basic`` header; ``RefusedError`` for any other."""
    if exchange.use_assumption("arm.basic") != "accepted":
        raise CredentialsError("HTTP Basic is not accepted here")
    credentials = decode_basic(header)
    if credentials is None or not check_password(exchange, *credentials):
        raise CredentialsError(INVALID_CREDENTIALS)
    return credentials.user


def format_cookie(exchange: Exchange, token: str) -> str:
    """Set-Cookie for a token; an empty one takes the cookie away."""
    ending = "" if token else "; Max-Age=0"
    return f"{COOKIE}={token}; Path=/{exchange.tenant.name}; HttpOnly{ending}"


def _encode_session(exchange: Exchange, operator: str) -> bytes:
    """What is kept of a session: whose it is, and when it was used last."""
    return f"{operator} {datetime_to_ms(exchange.session_now)}".encode("ascii")


def _make_session_token(exchange: Exchange, number: int) -> str:
    """The token of the n-th session; a shared store that was lost begins other ones."""
    tenant = exchange.tenant
    mark = (tenant.state.data_loss_count << 32) + number
    return make_token("arm", tenant.name, tenant.settings.seed, mark)


def _session_key(token: str) -> str:
    return f"arm.session.{token}"
