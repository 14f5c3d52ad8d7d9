"""``--replay-match window``: recorded rows in the portions that a request asks for.

::

    pages of one window ── joined by offset ──▶ run: rows in their order, and the time they cover
    runs of one scope   ── merged by id ──────▶ rows of any window that they cover together
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from typing import NamedTuple

from callmocks.errors import CallmocksError
from callmocks.history.walltime import datetime_to_ms, ms_to_datetime
from callmocks.provider.base import RequestKey, WireExchange
from callmocks.provider.recorded_rows import (
    RecordedPage,
    RecordedRow,
    RowReader,
    RowWindow,
    RowWindowError,
)
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import LONG_REQUEST_BYTES, read_if_long, run_if_long, run_in_worker
from callmocks.verification.request_differences import (
    hashable_key,
    join_differences,
    list_differences,
)

FIRST, LAST = -(2**62), 2**62  # before and after all rows
SECOND_MS = 1000
MAX_SHOWN_PERIODS = 3


class NotRecorded(CallmocksError):
    """What a request asks for was not recorded; the text tells what was."""


class RowSelection(NamedTuple):
    rows: Sequence[RecordedRow]
    total: int


@dataclass(slots=True)
class PageRun:
    """Pages of one window without a gap between them."""

    pages: list[RecordedPage]
    recorded_at: int  # its first page, wall ms
    rows: list[RecordedRow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = [row for page in self.pages for row in page.rows]

    @property
    def window(self) -> RowWindow:
        return self.pages[0].window

    @property
    def first(self) -> int:
        return self.window.offset

    @property
    def stop(self) -> int:
        return self.first + len(self.rows)

    @property
    def is_last(self) -> bool:
        return self.pages[-1].is_last

    def add(self, pages: list[RecordedPage]) -> None:
        self.pages += pages
        self.rows += [row for page in pages for row in page.rows]

    def is_continued_by(self, page: RecordedPage) -> bool:
        same = self.window.bounds == page.window.bounds and self.pages[0].total == page.total
        return same and self.stop == page.window.offset > 0

    def find_covered(self) -> tuple[int, int]:
        """From when to when no row is missing; of seconds at a page's edge some may be."""
        window = self.window
        begin = FIRST if window.begin is None else window.begin
        end = self.recorded_at + SECOND_MS if window.end is None else window.end
        if window.cursor is not None:
            end = min(end, window.cursor[0] + SECOND_MS)
        for is_whole, position in ((self.first == 0, 0), (self.is_last, -1)):
            if is_whole:
                continue
            if not self.rows or not self.pages[0].is_ordered:
                return begin, begin
            edge = self.rows[position].start
            if (position == 0) == window.descending:
                end = min(end, edge)
            else:
                begin = max(begin, edge + SECOND_MS)
        return begin, end


class RecordedTable:
    """The recorded rows of one scope; ``number`` is that of its first exchange."""

    def __init__(self, page: RecordedPage, number: int, tells_total: bool) -> None:
        self.scope = page.window.scope
        self.number = number
        self.last_page = page
        self.size = 0  # bytes of its recorded answers
        self._tells_total = tells_total
        self._groups: dict[tuple[str, Hashable], list[PageRun]] = {}

    def add(self, page: RecordedPage, recorded_at: int) -> None:
        self.last_page = page
        self.size += len(page.recorded.response)
        runs = self._groups.setdefault((page.owner, page.group), [])
        for run in reversed(runs):
            if run.is_continued_by(page):
                run.add([page])
                return
        runs.append(PageRun([page], recorded_at))

    def join_runs(self) -> None:
        """Pages that were recorded in another order than theirs."""
        for runs in self._groups.values():
            for run in [run for run in runs if run.first]:
                for other in reversed(runs):
                    if other is not run and other.is_continued_by(run.pages[0]):
                        other.add(run.pages)
                        runs.remove(run)
                        break

    def list_periods(self) -> list[tuple[int, int]]:
        """From when to when no row is missing."""
        return [run.find_covered() for runs in self._groups.values() for run in runs]

    def select(self, window: RowWindow) -> RowSelection:
        """``NotRecorded`` when rows of the window may be missing."""
        groups = self._list_groups(window)
        for runs in groups:
            found = self._select_merged(runs, window)
            if found is not None:
                return found
        for run in (run for runs in groups for run in reversed(runs)):
            found = self._select_pages(run, window)
            if found is not None:
                return found
        raise NotRecorded(self._describe_periods(groups))

    def _list_groups(self, window: RowWindow) -> list[list[PageRun]]:
        owners = {owner for owner, _ in self._groups if owner}
        if len(owners) > 1:
            if window.owner not in owners:
                names = ", ".join(sorted(owners))
                raise NotRecorded(f"rows of several operators were recorded: {names}")
            owners = {window.owner}
        groups = [runs for (owner, _), runs in self._groups.items() if owner in ("", *owners)]
        return sorted(groups, key=lambda runs: -max(run.recorded_at for run in runs))

    def _select_merged(self, runs: list[PageRun], window: RowWindow) -> RowSelection | None:
        end = _resolve_end(runs, window)
        if end is None:
            return None
        begin = FIRST if window.begin is None else window.begin
        top = end if window.cursor is None else min(end, window.cursor[0] + SECOND_MS)
        covered = join_periods(run.find_covered() for run in runs)
        period = next((p for p in covered if p[0] <= max(begin, p[0]) < top <= p[1]), None)
        if begin >= top:
            return RowSelection([], 0)
        if period is None:
            return None
        is_whole = period[0] <= begin
        rows = _merge_rows(runs, max(begin, period[0]), end, window)
        page = rows[window.offset :][: window.limit]
        if is_whole or (not self._tells_total and len(page) == window.limit):
            return RowSelection(page, len(rows))
        return None

    def _select_pages(self, run: PageRun, window: RowWindow) -> RowSelection | None:
        """A part of the pages of the very window, which may have more of them."""
        last = window.offset + (window.limit or 0)
        if run.window.bounds != window.bounds or not run.first <= window.offset:
            return None
        if last > run.stop and not run.is_last:
            return None
        rows = run.rows[window.offset - run.first : last - run.first]
        return RowSelection(rows, run.pages[0].total or 0)

    def _describe_periods(self, groups: list[list[PageRun]]) -> str:
        periods = [
            period
            for runs in groups
            for period in join_periods(run.find_covered() for run in runs)
            if period[0] < period[1]
        ]
        shown = [_format_period(*period) for period in periods[:MAX_SHOWN_PERIODS]]
        if len(periods) > MAX_SHOWN_PERIODS:
            shown.append(f"{len(periods) - MAX_SHOWN_PERIODS} more")
        return f"only rows of {' and '.join(shown) or 'other pages'} were recorded"


def _resolve_end(runs: list[PageRun], window: RowWindow) -> int | None:
    """None when it is «now», and no recorded window is open."""
    if window.end is not None:
        return window.end
    ends = [run.find_covered()[1] for run in runs if run.window.end is None]
    return max(ends, default=None)


def _merge_rows(runs: list[PageRun], begin: int, end: int, window: RowWindow) -> list[RecordedRow]:
    runs = [run for run in runs if _overlaps(run.find_covered(), begin, end)]
    newest: dict[str, RecordedRow] = {}
    for run in sorted(runs, key=lambda run: run.recorded_at):
        newest |= {row.id: row for row in run.rows}
    ordered: dict[str, RecordedRow] = {}
    side = 1 if window.descending else 0
    for run in sorted(runs, key=lambda run: run.find_covered()[side], reverse=window.descending):
        for row in run.rows:
            ordered.setdefault(row.id, newest[row.id])
    rows = [row for row in ordered.values() if begin <= row.start and row.end < end]
    return rows if window.cursor is None else _rows_behind(rows, *window.cursor)


def _overlaps(period: tuple[int, int], begin: int, end: int) -> bool:
    return period[0] < end and begin < period[1]


def _rows_behind(rows: list[RecordedRow], second: int, id: str) -> list[RecordedRow]:
    found = next((index for index, row in enumerate(rows) if row.id == id), None) if id else None
    if found is not None:
        return rows[found + 1 :]
    return [row for row in rows if row.start < second]


def join_periods(periods: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(period for period in periods if period[0] < period[1]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((begin, end))
    return joined


def _format_period(begin: int, end: int) -> str:
    first = "the beginning" if begin == FIRST else _format_time(begin)
    return f"{first} … {_format_time(end - SECOND_MS)}"


def _format_time(ms: int) -> str:
    return ms_to_datetime(ms).isoformat(" ", "seconds")


class RecordedRequest(NamedTuple):
    """A recorded exchange; ``number`` is its place in the recording, ``at`` its wall ms."""

    exchange: WireExchange
    request_key: RequestKey
    number: int
    at: int


class WindowIndex:
    """The recorded rows of a provider by operation and scope, as the tenant's choices have them."""

    def __init__(self, reader: RowReader, requests: list[RecordedRequest]) -> None:
        self._reader = reader
        self._requests = requests
        self._read_by: tuple[dict[str, str], tzinfo] | None = None
        self._tables: dict[str, list[RecordedTable]] = {}

    async def find_answer(self, exchange: Exchange, request_key: RequestKey) -> WireExchange | None:
        """None when the operation has no rows; ``NotRecorded``."""
        reader = self._reader
        now = datetime_to_ms(exchange.now)
        zone = exchange.tenant.clock.zone
        choices = {name: exchange.tenant.assumptions.choices[name] for name in reader.assumptions}
        try:
            read, size = reader.read_window, len(exchange.request)
            operation = exchange.operation
            window = await read_if_long(read, size, operation, request_key, now, choices, zone)
        except RowWindowError as error:
            raise NotRecorded(str(error)) from None
        if window is None:
            return None
        exchange.use_assumptions(*reader.assumptions)
        if (choices, zone) != self._read_by:
            tables = await run_in_worker(partial(self._build_tables, choices, zone))
            self._read_by, self._tables = (choices, zone), tables
        of_operation = self._tables.get(operation, [])
        table = next((table for table in of_operation if table.scope == window.scope), None)
        if table is None:
            raise NotRecorded(_describe_scopes(operation, window.scope, of_operation))
        return await run_if_long(
            partial(self._render_answer, table, window, choices), table.size > LONG_REQUEST_BYTES
        )

    def _render_answer(
        self, table: RecordedTable, window: RowWindow, choices: dict[str, str]
    ) -> WireExchange:
        rows, total = table.select(window)
        recorded = table.last_page.recorded
        return self._reader.render_answer(recorded, rows, total, window, choices)

    def _build_tables(
        self, choices: dict[str, str], zone: tzinfo
    ) -> dict[str, list[RecordedTable]]:
        tables: dict[tuple[str, Hashable], RecordedTable] = {}
        for recorded, key, number, at in self._requests:
            operation = recorded.operation
            try:
                window = self._reader.read_window(operation, key, at, choices, zone)
            except RowWindowError:
                continue
            page = window and self._reader.read_page(recorded, window, choices)
            if page is None:
                continue
            name = operation, hashable_key(page.window.scope)
            if name not in tables:
                tables[name] = RecordedTable(page, number, self._reader.tells_total)
            tables[name].add(page, at)
        by_operation: dict[str, list[RecordedTable]] = {}
        for (operation, _), table in tables.items():
            table.join_runs()
            by_operation.setdefault(operation, []).append(table)
        return by_operation


def _describe_scopes(operation: str, scope: RequestKey, tables: list[RecordedTable]) -> str:
    if not tables:
        return f"no rows of {operation} were recorded"
    ranked = [(list_differences(scope, table.scope), table) for table in tables]
    differences, nearest = min(ranked, key=lambda each: len(each[0]))
    listed = join_differences(differences)
    return (
        f"{operation}: rows were recorded otherwise; nearest is number {nearest.number}: {listed}"
    )
