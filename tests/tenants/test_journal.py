"""What the journal keeps, and its bounds."""

import asyncio
import hashlib
import time
from datetime import datetime

import pytest

from callmocks.contract.journal import JournalEntry
from callmocks.server.providers import PROVIDERS
from callmocks.tenants import pipeline
from callmocks.tenants.exchange import Exchange, Reply
from callmocks.tenants.journal import MAX_ENTRIES, SHOWN_BODY_BYTES, Journal, JournalBudget
from callmocks.tenants.registry import Registry
from callmocks.tenants.settings import TenantSettings
from callmocks.tenants.tenant import Tenant
from tests.tenants.conftest import ANSWER, EchoServer


async def exchange(tenant: Tenant, request: bytes, answer: bytes = b"ok") -> None:
    async def handle(exchange: Exchange) -> Reply:
        return Reply(answer)

    await pipeline.run(Exchange.start(tenant, PROVIDERS["cdr"], request), handle)


def entries(tenant: Tenant) -> list[JournalEntry]:
    return [*tenant.journal.read_entries()]


async def test_an_entry_has_everything_of_an_exchange(provider: EchoServer) -> None:
    async def handle(exchange: Exchange) -> Reply:
        exchange.operation = "get.orders"
        exchange.add_violation("params.limit", "a number", "'ten'")
        exchange.add_violation("params.limit", "a number", "'ten'")
        exchange.use_assumption("cdr.leg-direction")
        exchange.notes.append("the clock is frozen")
        await asyncio.sleep(0.02)
        return Reply(b'{"error": "\xd0\xb6"}', status=202)

    provider.handle[0] = handle
    provider.enable("content_type")
    await provider.post(b'{"limit": "ten"}')
    (entry,) = entries(provider.tenant)
    assert entry.seq == 1
    assert entry.at == datetime(2026, 3, 2, 12)
    assert (entry.provider, entry.operation, entry.status) == ("cdr", "get.orders", 202)
    assert [str(v) for v in entry.violations] == ["params.limit: expected a number, got 'ten'"]
    assert entry.violations[0].side == "request"
    assert entry.assumptions == ("cdr.leg-direction",)
    assert (entry.faults, entry.notes) == (("content_type",), ("the clock is frozen",))
    assert (entry.request, entry.response) == ('{"limit": "ten"}', '{"error": "ж"}')
    assert (entry.request_bytes, entry.request_sha256) == (16, None)
    assert 20 <= entry.duration_ms < 500


async def test_the_request_is_the_one_that_was_sent_whatever_a_fault_made_of_it(
    provider: EchoServer,
) -> None:
    seen = []

    async def handle(exchange: Exchange) -> Reply:
        seen.append(exchange.request)
        return Reply(ANSWER)

    provider.handle[0] = handle
    provider.enable("missing_rows")
    sent = b'{"method": "x", "params": {"offset": 10, "limit": 10}}'
    await provider.post(sent)
    assert entries(provider.tenant)[0].request.encode() == sent
    assert b'"offset":11' in seen[0]


async def test_a_thousand_entries_are_kept_and_the_oldest_give_way(tenant: Tenant) -> None:
    for number in range(MAX_ENTRIES + 7):
        await exchange(tenant, b"%d" % number)
    kept = entries(tenant)
    assert len(kept) == MAX_ENTRIES == 1000
    assert (kept[0].request, kept[-1].request) == ("7", "1006")
    assert tenant.journal.dropped_count == 7


async def test_64_kib_of_a_body_are_kept_then_its_length_and_hash(tenant: Tenant) -> None:
    whole = bytes(range(97, 123)) * 4000
    await exchange(tenant, whole, whole[:SHOWN_BODY_BYTES])
    (entry,) = entries(tenant)
    assert entry.request.encode() == whole[: 64 * 1024]
    assert entry.request_bytes == len(whole) == 104_000
    assert entry.request_sha256 == hashlib.sha256(whole).hexdigest()
    assert (entry.response_bytes, entry.response_sha256) == (64 * 1024, None)


async def test_bytes_that_are_not_utf_8_do_not_break_it(tenant: Tenant) -> None:
    await exchange(tenant, b"\xff\xfe\x00")
    assert entries(tenant)[0].request == "��\x00"


async def test_a_process_keeps_64_mib_and_the_fullest_journal_gives_way(
    registry: Registry,
) -> None:
    quiet, busy = (
        registry.create(TenantSettings(name, world="empty")) for name in ("quiet", "busy")
    )
    body = b"x" * SHOWN_BODY_BYTES
    for _ in range(20):
        await exchange(quiet, body, body)
    for _ in range(MAX_ENTRIES):
        await exchange(busy, body, body)
    held = quiet.journal.bytes_used + busy.journal.bytes_used
    assert 60 << 20 < held <= 64 << 20
    assert (len(quiet.journal), quiet.journal.dropped_count) == (20, 0)
    assert busy.journal.dropped_count == MAX_ENTRIES - len(busy.journal) > 400
    registry.delete("busy")
    assert quiet.journal._budget.bytes_used == quiet.journal.bytes_used


async def test_clear_frees_and_numbers_go_on(tenant: Tenant) -> None:
    await exchange(tenant, b"1")
    tenant.journal.delete_entries()
    assert (entries(tenant), tenant.journal.bytes_used, tenant.journal.dropped_count) == ([], 0, 0)
    await exchange(tenant, b"2")
    assert [entry.seq for entry in entries(tenant)] == [2]


async def test_long_names_and_quotes_of_the_client_are_cut(tenant: Tenant) -> None:
    async def handle(exchange: Exchange) -> Reply:
        exchange.operation = "m" * 100_000
        for number in range(100_000):
            exchange.add_violation(f"{number}" + "f" * 1000, "less", "g" * 1000)
        return Reply(b"")

    await pipeline.run(Exchange.start(tenant, PROVIDERS["cdr"], b""), handle)
    (entry,) = entries(tenant)
    assert len(entry.operation) == 200
    assert len(entry.violations) == 100
    assert max(len(str(violation)) for violation in entry.violations) < 1100
    assert tenant.journal.bytes_used > 100_000  # they count


async def test_records_are_the_entries_as_they_are_kept(tenant: Tenant) -> None:
    for number in range(MAX_ENTRIES + 5):
        await exchange(tenant, b"%d" % number)
    for after in (0, 6, 1000, 1004, 2000):
        whole = [*tenant.journal.read_entries(after)]
        records = tenant.journal.read_records(after)
        assert [record.seq for record in records] == [entry.seq for entry in whole]
        for record, entry in zip(records, whole, strict=True):
            for name in ("at", "provider", "operation", "status", "duration_ms"):
                assert getattr(entry, name) == getattr(record, name)
            for name in ("violations", "assumptions", "faults"):
                assert getattr(entry, name) == tuple(getattr(record, name))


async def test_follow_gives_what_was_and_what_comes_in_order(tenant: Tenant) -> None:
    for number in range(3):
        await exchange(tenant, b"%d" % number)
    got: list[str] = []

    async def read() -> None:
        async for record in tenant.journal.follow(1):
            got.append(record.to_entry().request)

    reading = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    assert got == ["1", "2"]
    await exchange(tenant, b"3")
    await exchange(tenant, b"4")
    await asyncio.sleep(0.01)
    assert got == ["1", "2", "3", "4"]
    tenant.journal.delete_entries()
    await exchange(tenant, b"5")
    await asyncio.sleep(0.01)
    assert got[-1] == "5"
    tenant.journal.close()
    await asyncio.wait_for(reading, 30)


async def test_a_crash_of_a_provider_is_in_the_journal(tenant: Tenant) -> None:
    async def crash(exchange: Exchange) -> Reply:
        exchange.operation = "get.orders"
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError):
        await pipeline.run(Exchange.start(tenant, PROVIDERS["cdr"], b"{}"), crash)
    (entry,) = entries(tenant)
    assert (entry.operation, entry.status) == ("get.orders", 500)
    assert entry.violations[0].side == "answer"
    assert "ZeroDivisionError: by zero" in entry.violations[0].got


async def test_the_pipeline_with_its_journal_costs_little(tenant: Tenant) -> None:
    """A ratio in one run, of processor time: against a sum of a hundred squares."""
    reply = Reply(b"y" * 5000)

    async def handle(exchange: Exchange) -> Reply:
        return reply

    async def run_pipeline(count: int) -> float:
        exchanges = [Exchange.start(tenant, PROVIDERS["cdr"], b"x" * 300) for _ in range(count)]
        begin = time.process_time()
        for exchange in exchanges:
            await pipeline.run(exchange, handle)
        return time.process_time() - begin

    def add_squares(count: int) -> float:
        begin = time.process_time()
        for _ in range(count):
            sum(number * number for number in range(100))
        return time.process_time() - begin

    cost = min([await run_pipeline(2000) for _ in range(7)])
    assert cost < 4 * min(add_squares(2000) for _ in range(7))


def test_a_budget_is_kept_by_journals_that_come_and_go() -> None:
    budget = JournalBudget(1 << 20)
    journals = [Journal(budget) for _ in range(3)]
    for journal in journals:
        journal.close()
    assert budget.bytes_used == 0
