"""Errors of the admin API: RFC 9457 problem documents, whatever went wrong and wherever."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from callmocks.errors import CallmocksError

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, omit_defaults=True):
    """What the admin API answers instead of what was asked for."""

    title: str
    status: int
    detail: str
    where: str = ""
    """The part of the request at fault: a path in the body such as ``$.seed``, a parameter."""
    line: int = 0
    """The line at fault, from 1, when many lines were sent."""
    type: str = "about:blank"


class RefusedError(CallmocksError):
    """Raised by a handler of the admin API to answer a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        where: str = "",
        line: int = 0,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.problem = Problem(web_reason(status), status, detail, where, line)
        self.headers = headers or {}


def web_reason(status: int) -> str:
    """The short name of an HTTP status."""
    return HTTPStatus(status).phrase


def answer(problem: Problem, headers: dict[str, str] | None = None) -> web.Response:
    """A problem as a response."""
    return web.Response(
        body=msgspec.json.encode(problem),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=headers,
    )


@web.middleware
async def middleware(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn whatever a handler raises into a problem document."""
    try:
        return await handler(request)
    except RefusedError as refused:
        return answer(refused.problem, refused.headers)
    except CallmocksError as error:
        return answer(Problem(web_reason(422), 422, str(error)))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        detail = f"{request.method} {request.path}: {error.reason}"
        headers = {k: v for k, v in error.headers.items() if k in ("Allow", "WWW-Authenticate")}
        return answer(Problem(web_reason(error.status), error.status, detail), headers)
