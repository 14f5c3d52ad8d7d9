"""The way every exchange goes, whatever the provider."""

from collections.abc import Awaitable, Callable

from callmocks.tenancy.exchange import Exchange, Reply

Handler = Callable[[Exchange], Awaitable[Reply]]


async def run(exchange: Exchange, handle: Handler) -> Reply:
    """Let the provider answer an exchange and write it into its tenant's journal."""
    reply = await handle(exchange)
    exchange.tenant.journal.record(exchange, reply)
    return reply
