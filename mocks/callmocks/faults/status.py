from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, field

from callmocks.config.validation import format_key
from callmocks.faults.base import Fault, FaultContext, ParameterError
from callmocks.tenants.exchange import Reply

if TYPE_CHECKING:
    from callmocks.provider.base import Provider

MAX_HEADERS = 20
MAX_BODY_CHARS = 16_384
# They frame the message, or belong to the connection.
_OWN_HEADERS = frozenset(
    {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}
)
HeaderName = Annotated[str, Meta(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$", max_length=100)]
HeaderValue = Annotated[str, Meta(pattern=r"^[\t\x20-\x7e]*$", max_length=400)]


class Status(Fault, frozen=True):
    """The answer carries another HTTP status, or another status in its frame."""

    fault_name = "status"

    status: Annotated[int, Meta(ge=200, le=599)] = 503
    headers: Annotated[
        dict[HeaderName, HeaderValue],
        Meta(
            max_length=MAX_HEADERS,
            description="Sent beside the provider's or instead of them; HTTP only.",
            examples=[{"Retry-After": "2"}],
        ),
    ] = field(default_factory=dict)
    body: Annotated[
        Annotated[str, Meta(max_length=MAX_BODY_CHARS)] | None,
        Meta(description="Sent instead of the provider's body, as plain text; HTTP only."),
    ] = None

    def check(self, provider: Provider) -> None:
        for name in self.headers:
            if name.lower() in _OWN_HEADERS:
                raise ParameterError(
                    self.fault_name, f".headers{format_key(name)}", "it is the server's own"
                )

    def corrupt_bytes(self, context: FaultContext, reply: Reply) -> Reply | None:
        exchange = context.exchange
        if exchange.transport != "http":
            return exchange.provider.with_status(exchange, reply, self.status)
        if self.body is None:
            reply = exchange.provider.with_status(exchange, reply, self.status)
        else:
            reply = Reply(self.body.encode(), self.status, "text/plain; charset=utf-8")
        return reply.with_headers(self.headers)
