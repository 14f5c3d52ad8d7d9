"""Credentials, tokens, and everything that can be wrong with an account."""

from functools import cache, lru_cache
from typing import Any

from callmocks.cdr.errors import RpcError
from callmocks.cdr.limits import RateLimiter
from callmocks.cdr.openrpc import Params
from callmocks.contract.resources import load_table
from callmocks.history.generator import derive_key, derive_token
from callmocks.provider.credentials import secrets_equal
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.settings import CDR_PREFIX_DIGITS, cdr_token_prefix
from callmocks.tenants.tenant import Tenant

MAX_SESSIONS = 10_000  # of one account; a new one ends the oldest
SESSION_SECONDS = 3600
SESSION_COUNTER = "cdr:logins"


@lru_cache(maxsize=4096)
def derive_app_id(tenant_name: str) -> int:
    return 100_000 + int.from_bytes(derive_key("cdr-account", tenant_name)[:4]) % 900_000


async def open_session(exchange: Exchange, login: str, password: str) -> dict[str, Any]:
    """The data of a successful ``login.user``; ``auth_error`` otherwise."""
    tenant = exchange.tenant
    settings = tenant.settings.cdr
    right = secrets_equal(login, settings.login) & secrets_equal(password, settings.password)
    if tenant.name == "nobody" or not right:
        raise RpcError("auth_error")
    _check_account(exchange)
    number = await exchange.state.add(SESSION_COUNTER, 1) or 1
    session = _make_session_token(tenant, number)
    slot = f"cdr:session-slot:{number % MAX_SESSIONS}"
    oldest = await exchange.state.swap(slot, session.encode())
    if oldest is not None:
        await close_session(exchange, oldest.decode())
    ends = tenant.clock.to_unix_seconds(exchange.session_now) + SESSION_SECONDS
    await exchange.state.put(_session_key(session), str(ends).encode())
    expires = tenant.clock.to_unix_seconds(exchange.now) + SESSION_SECONDS
    return {"access_token": session, "expire_at": expires, "app_id": derive_app_id(tenant.name)}


async def close_session(exchange: Exchange, session: str) -> None:
    await exchange.state.delete(_session_key(session))


async def check_token(exchange: Exchange, token: object) -> None:
    if token is None:
        raise RpcError("required_parameter_missed", "access_token", expected="a string")
    if not isinstance(token, str):
        raise RpcError("data_type_error", "access_token", token, expected="a string")
    settings = exchange.tenant.settings
    if token in settings.cdr.blocked_tokens:
        raise RpcError("access_token_blocked", "access_token", token)
    if token in settings.cdr.expired_tokens:
        raise RpcError("access_token_expired", "access_token", token)
    if secrets_equal(token, settings.cdr.token) and settings.name != "nobody":
        return
    ends = await exchange.state.get(_session_key(token))
    if ends is None:
        raise RpcError("access_token_invalid", "access_token", token)
    if exchange.tenant.clock.to_unix_seconds(exchange.session_now) >= int(ends):
        raise RpcError(exchange.use_assumption("cdr.ended-session"), "access_token", token)


async def authorize(exchange: Exchange, method: str, params: Params, limiter: RateLimiter) -> None:
    """Raise ``RpcError`` unless the account may call a method; the order is the contract's."""
    settings = exchange.tenant.settings.cdr
    _check_account(exchange)
    if method == "get.customer_users" and not settings.partner:
        raise RpcError("forbidden")
    component = _load_components("methods").get(method)
    if component in settings.disabled_components:
        error = RpcError("method_component_disabled", params={"components": component})
        error.code = int(exchange.use_assumption("cdr.component-code"))
        raise error
    try:
        await limiter.check_available()
    except RpcError:
        if exchange.use_assumption("cdr.check-order") == "limits-first":
            raise
    if method in ("logout.user", "get.customer_users"):
        return
    user = params.get("user_id")
    if settings.partner:
        _check_user(exchange, user)
    elif user is not None and exchange.use_assumption("cdr.client-user-id") == "forbidden":
        raise RpcError("forbidden", "user_id", user)


def _check_account(exchange: Exchange) -> None:
    settings = exchange.tenant.settings.cdr
    allowed = settings.allowed_networks
    if allowed and exchange.requester.ip not in allowed:
        raise RpcError("ip_not_whitelisted", params={"ip": exchange.requester.ip})
    if not settings.active:
        raise RpcError("account_inactive")


def _check_user(exchange: Exchange, user: object) -> None:
    if user is None:
        raise RpcError("required_parameter_missed", "user_id", expected="a partner's user_id")
    if isinstance(user, bool) or not isinstance(user, int):
        raise RpcError("data_type_error", "user_id", user, expected="a number")
    if user not in exchange.tenant.settings.cdr.customer_ids:
        raise RpcError(exchange.use_assumption("cdr.foreign-user"), "user_id", user)


def find_disabled_fields(exchange: Exchange) -> dict[str, str]:
    disabled = exchange.tenant.settings.cdr.disabled_components
    if not disabled:
        return {}
    components = _load_components("fields")
    return {name: component for name, component in components.items() if component in disabled}


@cache
def _load_components(kind: str) -> dict[str, str]:
    # The mock's own table: the vendor's document only shows the errors.
    table = load_table("cdr/components.csv")
    return {name: row["component"] for row in table for name in row[kind].split()}


def _make_session_token(tenant: Tenant, number: int) -> str:
    derived = derive_token("cdr", tenant.name, f"{tenant.state.make_salt()}{number}")
    return cdr_token_prefix(tenant.name) + derived[CDR_PREFIX_DIGITS:]


def _session_key(session: str) -> str:
    return f"cdr:session:{session}"
