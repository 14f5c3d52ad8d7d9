"""Errors of the admin API: RFC 9457 problem documents, whatever went wrong and wherever."""

import logging
from http import HTTPStatus
from typing import Annotated

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from callmocks.contract.garbage import drop_frames
from callmocks.contract.quoting import MAX_ERROR_CHARS, shorten_text
from callmocks.control.json_struct import doc
from callmocks.errors import CallmocksError, Unavailable
from callmocks.provider.bodies import BodyReadError
from callmocks.tenants.descriptors import is_out_of_descriptors
from callmocks.tenants.scenario import ScenarioError
from callmocks.tenants.state import StaleTenantsError
from callmocks.tenants.tenant_store import TenantDeleted

LOGGER = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
_RFC_9110_TITLES = {
    413: "Content Too Large",
    422: "Unprocessable Content",
}  # Python has them in 3.13


class Problem(msgspec.Struct, omit_defaults=True):
    """What the admin API answers instead of what was asked for."""

    title: Annotated[str, doc("The short name of the HTTP status.")]
    status: int
    detail: Annotated[str, doc("What is wrong, for people.")]
    where: Annotated[
        str,
        doc(
            "The part of the request at fault: a path in the body such as ``$.seed``, a parameter."
        ),
    ] = ""
    line: Annotated[int, doc("The line at fault, from 1, when many lines were sent.")] = 0
    type: str = "about:blank"


class ProblemError(CallmocksError):
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
        detail, where = shorten_text(detail, MAX_ERROR_CHARS), shorten_text(where)
        title = _RFC_9110_TITLES.get(status) or HTTPStatus(status).phrase
        self.problem = Problem(title, status, detail, where, line)
        self.headers = headers

    def to_response(self) -> web.Response:
        body = msgspec.json.encode(self.problem)
        status, headers = self.problem.status, self.headers
        return web.Response(body=body, status=status, content_type=CONTENT_TYPE, headers=headers)


async def render_problem(request: web.BaseRequest, status: int, text: str) -> web.StreamResponse:
    return ProblemError(status, text).to_response()


@web.middleware
async def problem_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ProblemError as error:
        return error.to_response()
    except TenantDeleted as error:
        return ProblemError(404, str(error), where="tenant").to_response()
    except StaleTenantsError:
        raise
    except ScenarioError as error:
        path = error.mistakes[0].path
        where = f"$.{path}" if path else "$"
        return ProblemError(422, str(error), where=where).to_response()
    except Unavailable as error:
        return ProblemError(503, str(error), headers={"Retry-After": "1"}).to_response()
    except CallmocksError as error:
        return ProblemError(422, str(error)).to_response()
    except (BodyReadError, ConnectionError):
        raise  # GuardedProtocol closes the connection
    except web.HTTPException as error:
        if error.status < 400:
            raise
        detail = f"{request.method} {request.path}: {error.reason}"
        if error.status == 404:
            detail += "; /openapi.json lists what there is"
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        drop_frames(error)  # aiohttp's request has it, too
        return ProblemError(error.status, detail, headers=headers).to_response()
    except Exception as error:
        if is_out_of_descriptors(error):
            raise  # the connection limiter answers it
        LOGGER.exception("%s %s", request.method, request.path)
        return ProblemError(500, "a defect of callmocks; its log says more").to_response()


def format_bytes(size: int) -> str:
    """``8 MiB`` where it is a whole number of them."""
    mebibytes, rest = divmod(size, 1024 * 1024)
    return f"{size} bytes" if rest else f"{mebibytes} MiB"
