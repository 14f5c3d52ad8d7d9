"""Access to the admin API: no page of another site, no other name for this machine.

A browser on the developer's machine sends requests for any site it shows. Two checks keep those
out: the ``Host`` must be a name that only this machine's user can point here (a rebound DNS name
has dots and is no address), and an ``Origin`` must be this server itself or its public address. A
token, when one is set, is required for everything but ``/health``.
"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from callmocks.control.problems import ProblemError
from callmocks.provider.credentials import decode_basic, secrets_equal
from callmocks.provider.server import PUBLIC_URL

OPEN_PATHS = frozenset({"/health"})


def make_guard(token: str, hosts: Collection[str]) -> Middleware:
    """``hosts`` are allowed besides addresses, ``localhost``, names without a dot (a container's)
    and those under ``.internal`` (an engine's host, a private network's); ``*.example`` allows all
    names with one more label. An empty ``token`` requires none.
    """
    allowed_hosts = {host.lower() for host in hosts}

    @web.middleware
    async def guard_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_host(request.headers.get("Host", ""), allowed_hosts)
        check_origin(request)
        if token and request.path not in OPEN_PATHS:
            check_token(request.headers.get("Authorization", ""), token)
        return await handler(request)

    return guard_request


def check_host(host: str, allowed_hosts: Collection[str]) -> None:
    """421 for a name that somebody else could have pointed here."""
    delimiters = set(host) & set("@/?#\\")  # of a URL; a Host has none
    name = "" if delimiters else (_parse_hostname(f"//{host}") or "").rstrip(".")
    allowed = (
        name in allowed_hosts
        or "*." + name.partition(".")[2] in allowed_hosts
        or name.endswith((".localhost", ".internal"))
        or _is_address(name)
    )
    if name and (allowed or "." not in name):
        return
    text = f"Host {host!r} is not a name of this server; --allowed-hosts takes further ones"
    raise ProblemError(421, text, where="Host")


def check_origin(request: web.Request) -> None:
    """403 for a request that a page of another site sent."""
    for origin in request.headers.getall("Origin", ()):
        if origin.lower() in _own_origins(request):
            continue
        raise ProblemError(403, f"requests from pages of {origin!r} are refused", where="Origin")
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method not in ("GET", "HEAD") and site not in ("none", "same-origin"):
        raise ProblemError(403, f"a {site} request may not change anything", where="Sec-Fetch-Site")


def _own_origins(request: web.Request) -> set[str]:
    addresses = [f"{request.scheme}://{request.host}", request.app.get(PUBLIC_URL, "")]
    parts = [urlsplit(address) for address in filter(None, addresses)]
    return {f"{each.scheme}://{each.netloc}".lower() for each in parts}


def check_token(authorization: str, token: str) -> None:
    """401 unless the token came: as Bearer, or as the password of Basic, which browsers ask for."""
    basic = decode_basic(authorization)
    scheme, _, value = authorization.partition(" ")
    if basic is not None:
        value = basic.password
    elif scheme.lower() != "bearer":
        value = ""
    if not secrets_equal(value.strip(), token):
        # Basic first: Chromium reads no further than the first scheme of a header.
        challenge = 'Basic realm="callmocks", Bearer realm="callmocks"'
        raise ProblemError(
            401, "the admin token is missing or wrong", headers={"WWW-Authenticate": challenge}
        )


def _parse_hostname(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
