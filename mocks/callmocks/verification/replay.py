"""``callmocks serve --replay FILE``: the responses of a recording, for whoever sends the requests.

::

    request ── operation, key ── the responses recorded for it, in their order; the last one stays
                              ├─ none, and the contract refuses it: the provider's own error
                              └─ none: an error in the provider's own shape names the nearest

With ``--replay-match operation`` the nearest one's responses are sent instead of that error, with
``window`` the recorded rows that the request asks for (``replay_window.py``). Credentials are not
checked. Exchanges are journaled for the tenant ``demo``, and its faults apply to recorded responses
too.
"""

import re
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from aiohttp import web

from callmocks.config.settings import ReplayMatch
from callmocks.contract.message_size import DEEP
from callmocks.contract.quoting import shorten_text
from callmocks.errors import SettingsError
from callmocks.history.clock import parse_clock_time
from callmocks.history.walltime import datetime_to_ms
from callmocks.provider.base import Provider, RequestKey, WireExchange
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.pipeline import Handler
from callmocks.tenants.registry import Registry
from callmocks.tenants.worker import (
    LONG_REQUEST_BYTES,
    PieceTimer,
    read_even_without_threads,
    read_if_long,
)
from callmocks.verification.recording import RecordedExchange
from callmocks.verification.replay_window import NotRecorded, RecordedRequest, WindowIndex
from callmocks.verification.request_differences import (
    count_differences,
    hashable_key,
    join_differences,
    list_differences,
)

_NAME = re.compile(r"\w+")  # of a parameter, in the path of a violation


class RecordedResponses:
    def __init__(self, request_key: RequestKey, number: int) -> None:
        self.request_key = request_key
        self.number = number  # of the first exchange in the recording
        self.responses: deque[WireExchange] = deque()  # those that are still to be sent

    def next_response(self) -> WireExchange:
        last_one_stays = len(self.responses) == 1
        return self.responses[0] if last_one_stays else self.responses.popleft()


class ReplayIndex:
    def __init__(
        self,
        provider: Provider,
        exchanges: Sequence[RecordedExchange],
        match: ReplayMatch = "exact",
    ) -> None:
        self.provider = provider
        self.wsdl: bytes = b""  # empty when none was recorded
        self.hashed_count = 0  # exchanges that were recorded by their hash, and cannot be sent
        self._match = match
        self._by_operation: dict[str, dict[tuple[tuple[str, str], ...], RecordedResponses]] = {}
        requests: list[RecordedRequest] = []
        for each in exchanges:
            if each.provider != provider.name or not each.status or each.is_truncated:
                continue
            if each.is_hashed:
                self.hashed_count += 1
            else:
                requests += self._add_exchange(each, each.to_wire(provider))
        self._windows = WindowIndex(provider.make_row_reader(), requests)

    async def check_request(self, request: bytes, transport: str) -> tuple[bytes, Handler]:
        """What is read of a request, and how it is answered."""
        find_excess = self.provider.find_excess
        excess = await read_even_without_threads(find_excess, len(request), request, transport)
        if not excess:
            return request, self.handle
        # The beginning has the id of a frame and tells the version of SOAP.
        read = request if excess == DEEP else request[:LONG_REQUEST_BYTES]
        return read, self.make_refusal(excess)

    def make_refusal(self, excess: str) -> Handler:
        return partial(self._make_no_match, text=f"replay: the request {excess}")

    async def handle(self, exchange: Exchange) -> Reply:
        request, provider = exchange.request, self.provider
        if not exchange.operation:
            find_operation = provider.find_operation
            exchange.operation = await read_if_long(find_operation, len(request), exchange)
        request_key = await read_if_long(
            provider.request_key, len(request), request, exchange.transport
        )
        if request_key is None:
            reply = await provider.find_refusal(exchange)
            reply = reply or await read_if_long(provider.unreadable_reply, len(request), exchange)
            if reply is not None:
                return reply
            request_key = {}
        refused = await self._find_refusal(exchange, request_key)
        if refused is not None:
            return await self._find_refused_before(exchange, request_key) or refused
        reply, missing = None, ""
        if self._match == "window":
            reply, missing = await self._find_window(exchange, request_key)
        reply = reply or await self._find_exact(exchange, request_key)
        if reply is None and self._match == "operation":
            reply = await self._find_nearest(exchange, request_key)
        if reply is not None:
            return reply
        missing = missing or await self._describe_nearest(exchange.operation, request_key)
        text = f"replay: {missing}"
        if self.hashed_count:
            text += f"; {self.hashed_count} exchanges were recorded by a hash alone"
        return await self._make_no_match(exchange, text)

    async def _make_no_match(self, exchange: Exchange, text: str) -> Reply:
        exchange.notes.append(text)
        return await read_if_long(
            self.provider.no_match_reply, len(exchange.request), exchange, text
        )

    async def _replay(self, exchange: Exchange, recorded: WireExchange) -> Reply | None:
        size = len(exchange.request) + len(recorded.response)
        return await read_if_long(self.provider.replay_reply, size, exchange, recorded)

    def _add_exchange(
        self, exchange: RecordedExchange, recorded: WireExchange
    ) -> list[RecordedRequest]:
        if recorded.operation == "wsdl":
            self.wsdl = recorded.response
            return []
        request_key = self.provider.request_key(recorded.request, recorded.transport)
        if recorded.operation in self.provider.session_operations:
            request_key = {}
        if request_key is None:
            return []
        by_key = self._by_operation.setdefault(recorded.operation, {})
        empty = RecordedResponses(request_key, exchange.seq)
        by_key.setdefault(hashable_key(request_key), empty).responses.append(recorded)
        at = parse_recorded_time(exchange.at)
        at_ms = 0 if at is None else datetime_to_ms(at)
        return [RecordedRequest(recorded, request_key, exchange.seq, at_ms)]

    async def _find_refusal(self, exchange: Exchange, request_key: RequestKey) -> Reply | None:
        """The contract's; None when the recorded service took what the contract refuses."""
        known = len(exchange.violations)
        reply = await self.provider.find_refusal(exchange)
        if reply is None:
            return None
        for violation in exchange.violations[known:]:
            names = request_key.keys() & _NAME.findall(violation.where)
            names -= {*self.provider.window_fields}  # one end may be right and both together not
            if not any(self._was_taken(exchange.operation, n, request_key[n]) for n in names):
                return reply
        del exchange.violations[known:]
        return None

    def _was_taken(self, operation: str, name: str, text: str) -> bool:
        """Whether a recorded request with this parameter got another answer than an error."""
        return any(
            each.request_key.get(name) == text
            and not self.provider.summarize_response(each.responses[-1].response).error
            for each in self._by_operation.get(operation, {}).values()
        )

    async def _find_refused_before(
        self, exchange: Exchange, request_key: RequestKey
    ) -> Reply | None:
        """What was answered to an equal request, if the contract refuses that one, too.

        Keys lack the envelope, and those of a session's operations their parameters.
        """
        responses = self._find_responses(exchange, request_key)
        if responses is None:
            return None
        recorded = responses.responses[0]
        before = Exchange.start(
            exchange.tenant, self.provider, recorded.request, transport=recorded.transport
        )
        before.operation = recorded.operation
        if await self.provider.find_refusal(before) is None:
            return None
        return await self._replay(exchange, responses.next_response())

    async def _find_exact(self, exchange: Exchange, request_key: RequestKey) -> Reply | None:
        responses = self._find_responses(exchange, request_key)
        if responses is None:
            return None
        return await self._replay(exchange, responses.next_response())

    def _find_responses(
        self, exchange: Exchange, request_key: RequestKey
    ) -> RecordedResponses | None:
        by_key = self._by_operation.get(exchange.operation, {})
        is_session = exchange.operation in self.provider.session_operations
        return by_key.get(hashable_key({} if is_session else request_key))

    async def _find_window(
        self, exchange: Exchange, request_key: RequestKey
    ) -> tuple[Reply | None, str]:
        """Or why the rows cannot be served; ``""`` when the operation has none."""
        try:
            recorded = await self._windows.find_answer(exchange, request_key)
        except NotRecorded as error:
            return None, str(error)
        return await self._replay(exchange, recorded) if recorded else None, ""

    async def _find_nearest(self, exchange: Exchange, request_key: RequestKey) -> Reply | None:
        for responses in await self._rank_nearest(exchange.operation, request_key):
            reply = await self._replay(exchange, responses.next_response())
            if reply is not None:
                listed = join_differences(list_differences(request_key, responses.request_key))
                exchange.notes.append(f"replay: nearest is number {responses.number}: {listed}")
                return reply
        return None

    async def _rank_nearest(
        self, operation: str, request_key: RequestKey
    ) -> list[RecordedResponses]:
        timer, ranked = PieceTimer(), []
        for responses in self._by_operation.get(operation, {}).values():
            ranked.append((count_differences(request_key, responses.request_key), responses))
            await timer.yield_when_due()
        return [responses for _, responses in sorted(ranked, key=lambda each: each[0])]

    async def _describe_nearest(self, operation: str, request_key: RequestKey) -> str:
        ranked = await self._rank_nearest(operation, request_key)
        operation = shorten_text(operation)
        if not ranked:
            names = ", ".join(sorted(self._by_operation)) or "nothing"
            return f"no {operation or 'such request'} was recorded, only {names}"
        nearest = ranked[0]
        differences = list_differences(request_key, nearest.request_key)
        if not differences:
            return f"{operation} was recorded, but its answer has no form for this request"
        listed = join_differences(differences)
        return f"{operation} was not recorded so; nearest is number {nearest.number}: {listed}"


def parse_recorded_time(text: str) -> datetime | None:
    try:
        return parse_clock_time(text)
    except SettingsError:
        return None


def find_recording_time(exchanges: Sequence[RecordedExchange], source: str) -> datetime:
    """Of the last exchange; ``SettingsError`` when none tells it."""
    times = [time for each in exchanges if (time := parse_recorded_time(each.at)) is not None]
    if not times:
        raise SettingsError(f"{source}: no exchange tells when it was, as 2026-03-02T12:00:00")
    return max(times)


def make_apps(
    registry: Registry, exchanges: Sequence[RecordedExchange], match: ReplayMatch = "exact"
) -> dict[str, web.Application]:
    from callmocks.verification import replay_servers

    recorded = {each.provider for each in exchanges}
    return {
        name: replay_servers.SERVERS[name](
            registry, ReplayIndex(provider, exchanges, match)
        ).create_app()
        for name, provider in registry.providers.items()
        if name in recorded
    }
