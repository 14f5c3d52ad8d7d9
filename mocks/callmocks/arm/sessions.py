"""Who is asking: login, cookie, HTTP Basic, and the end of a session that nobody uses.

Observed: there is a login command and it sets a session cookie. The rest is assumed, except the
120 minutes: they are the vendor's documented default for logging an idle agent out.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from callmocks.history.generator import token as make_token
from callmocks.history.walltime import to_ms
from callmocks.provider.credentials import same

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

COOKIE = "arm_session"
INVALID = "Invalid login or password"
"""The vendor's text."""
NOBODY = "not logged in"
MOST = 10_000
"""Sessions of a domain."""

_MINUTE_MS = 60_000


class RefusedError(Exception):
    """Credentials that are wrong, which is worse than none; the text is for the client."""


def knows(exchange: Exchange, login: str, password: str) -> bool:
    """Whether this is an operator of the domain, by internal number, and his password."""
    tenant = exchange.tenant
    known = tenant.history.operator_index(login) >= 0
    return same(password, tenant.settings.arm.password) and known


async def open_session(exchange: Exchange, operator: str) -> str:
    """A new session's token; the oldest of very many gives way."""
    state = exchange.tenant.state
    number = await state.add("arm.sessions", 1) or 1
    if number > MOST:
        await state.drop(_key(_token(exchange, number - MOST)))
    token = _token(exchange, number)
    await state.put(_key(token), _used(exchange, operator))
    return token


async def operator_of(exchange: Exchange, token: str | None) -> str | None:
    """The operator whose session a token is; using it keeps it alive. None when it has ended."""
    if not token:
        return None
    key = _key(token)
    value = await exchange.tenant.state.get(key)
    if value is None:
        return None
    operator, _, used = value.decode("ascii").rpartition(" ")
    now, minutes = to_ms(exchange.session_now), int(exchange.assume("arm.session-minutes"))
    if now - int(used) >= minutes * _MINUTE_MS:
        exchange.notes.append(f"the session of {operator} ended after {minutes} idle minutes")
        await exchange.tenant.state.drop(key)
        return None
    if now != int(used):  # a logout at another replica meanwhile stays one
        await exchange.tenant.state.swap(key, value, _used(exchange, operator))
    return operator


async def close_session(exchange: Exchange, token: str | None) -> None:
    """End a session; one that has ended already stays so."""
    if token:
        await exchange.tenant.state.drop(_key(token))


def basic(exchange: Exchange, header: str) -> str:
    """The operator of an ``Authorization: Basic`` header; ``RefusedError`` for any other."""
    if exchange.assume("arm.basic") != "accepted":
        raise RefusedError("HTTP Basic is not accepted here")
    scheme, _, credentials = header.partition(" ")
    try:
        login, colon, password = (
            base64.b64decode(credentials, validate=True).decode().partition(":")
        )
    except (binascii.Error, ValueError):
        raise RefusedError(INVALID) from None
    if scheme.lower() != "basic" or not colon or not knows(exchange, login, password):
        raise RefusedError(INVALID)
    return login


def cookie(exchange: Exchange, token: str) -> str:
    """Set-Cookie for a token; an empty one takes the cookie away."""
    ending = "" if token else "; Max-Age=0"
    return f"{COOKIE}={token}; Path=/{exchange.tenant.name}; HttpOnly{ending}"


def _used(exchange: Exchange, operator: str) -> bytes:
    """What is kept of a session: whose it is, and when it was used last."""
    return f"{operator} {to_ms(exchange.session_now)}".encode("ascii")


def _token(exchange: Exchange, number: int) -> str:
    """The token of the n-th session; a shared store that was lost begins other ones."""
    tenant = exchange.tenant
    mark = (tenant.state.losses << 32) + number
    return make_token("arm", tenant.name, tenant.settings.seed, mark)


def _key(token: str) -> str:
    return f"arm.session.{token}"
