"""``callmocks serve --replay FILE``: the responses of a recording, for whoever sends the requests.

::

    request ── operation, key ── the responses recorded for it, in their order; the last one stays
                              └─ none: an error in the provider's own shape names the nearest

Credentials are not checked. Exchanges are journaled for the tenant ``demo``, and its faults apply
to recorded responses too.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from aiohttp import web

from callmocks.contract.nesting import is_message_too_deep
from callmocks.provider.base import Provider, RequestKey, WireExchange
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.registry import Registry
from callmocks.verification.recording import MAX_NESTING, RecordedExchange

MAX_DIFFERENCES = 3  # that an error lists
MAX_SHOWN_CHARS = 60


class RecordedResponses:
    def __init__(self, request_key: RequestKey, number: int) -> None:
        self.request_key = request_key
        self.number = number  # of the first exchange in the recording
        self.responses: deque[WireExchange] = deque()  # those that are still to be sent

    def next_response(self) -> WireExchange:
        last_one_stays = len(self.responses) == 1
        return self.responses[0] if last_one_stays else self.responses.popleft()


class ReplayIndex:
    def __init__(self, provider: Provider, exchanges: Iterable[RecordedExchange]) -> None:
        self.provider = provider
        self.wsdl: bytes = b""  # empty when none was recorded
        self._by_operation: dict[str, dict[tuple[tuple[str, str], ...], RecordedResponses]] = {}
        self.hashed_count = 0  # exchanges that were recorded by their hash, and cannot be sent
        for each in exchanges:
            if each.provider != provider.name or not each.status or each.is_truncated:
                continue
            if each.is_hashed:
                self.hashed_count += 1
            else:
                self._add_exchange(each.seq, each.to_wire(provider))

    async def handle(self, exchange: Exchange) -> Reply:
        if is_message_too_deep(exchange.request, MAX_NESTING):
            text = f"replay: the request is nested deeper than {MAX_NESTING} levels"
            exchange.notes.append(text)
            return self.provider.no_match_reply(exchange, text)
        if not exchange.operation:
            exchange.operation = self.provider.find_operation(exchange)
        request_key = self.provider.request_key(exchange.request, exchange.transport)
        if request_key is None:
            reply = self.provider.unreadable_reply(exchange)
            if reply is not None:
                return reply
            request_key = {}
        by_key = self._by_operation.get(exchange.operation, {})
        is_session = exchange.operation in self.provider.session_operations
        responses = by_key.get(_hashable_key({} if is_session else request_key))
        if responses is not None:
            reply = self.provider.replay_reply(exchange, responses.next_response())
            if reply is not None:
                return reply
        text = f"replay: {self._describe_nearest(exchange.operation, request_key)}"
        if self.hashed_count:
            text += f"; {self.hashed_count} exchanges were recorded by a hash alone"
        exchange.notes.append(text)
        return self.provider.no_match_reply(exchange, text)

    def _add_exchange(self, number: int, recorded: WireExchange) -> None:
        if recorded.operation == "wsdl":
            self.wsdl = recorded.response
            return
        request_key = self.provider.request_key(recorded.request, recorded.transport)
        if recorded.operation in self.provider.session_operations:
            request_key = {}
        if request_key is not None:
            by_key = self._by_operation.setdefault(recorded.operation, {})
            empty = RecordedResponses(request_key, number)
            by_key.setdefault(_hashable_key(request_key), empty).responses.append(recorded)

    def _describe_nearest(self, operation: str, request_key: RequestKey) -> str:
        by_key = self._by_operation.get(operation)
        if not by_key:
            names = ", ".join(sorted(self._by_operation)) or "nothing"
            return f"no {operation or 'such request'} was recorded, only {names}"
        ranked = [(list_differences(request_key, r.request_key), r) for r in by_key.values()]
        differences, nearest = min(ranked, key=lambda each: len(each[0]))
        if not differences:
            return f"{operation} was recorded in another version of SOAP alone, as a Fault"
        listed = "; ".join(differences[:MAX_DIFFERENCES])
        if len(differences) > MAX_DIFFERENCES:
            listed += f" and {len(differences) - MAX_DIFFERENCES} more"
        return f"{operation} was not recorded so; nearest is number {nearest.number}: {listed}"


def _hashable_key(request_key: RequestKey) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(request_key.items()))


def list_differences(requested: RequestKey, recorded: RequestKey) -> list[str]:
    """``limit: 5, recorded 10`` for each parameter that differs."""
    return [
        f"{name}: {_format_value(requested.get(name))}, "
        f"recorded {_format_value(recorded.get(name))}"
        for name in dict.fromkeys([*requested, *recorded])
        if requested.get(name) != recorded.get(name)
    ]


def _format_value(value: str | None) -> str:
    if value is None:
        return "none"
    return value if len(value) <= MAX_SHOWN_CHARS else value[:MAX_SHOWN_CHARS] + "…"


def make_apps(
    registry: Registry, exchanges: Sequence[RecordedExchange]
) -> dict[str, web.Application]:
    from callmocks.verification import replay_servers

    recorded = {each.provider for each in exchanges}
    return {
        name: replay_servers.SERVERS[name](registry, ReplayIndex(provider, exchanges)).create_app()
        for name, provider in registry.providers.items()
        if name in recorded
    }
