"""The sibling reads: whoever and whatever the ids of a call lead to.

Vendor-scheme calls do not resolve here: their clients, users and specialists are other partners'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from callmocks.history.directory import Directory
from callmocks.history.generator import derive_key
from callmocks.onec import tables
from callmocks.onec.contract import ServedOperation
from callmocks.onec.parameters import ParameterValue

if TYPE_CHECKING:
    from callmocks.tenants.exchange import Exchange

_YEAR_SECONDS: Final = 365 * 86_400
_FIRST: Final = datetime(2014, 1, 1)
"""Everybody is there before the first day of any history; what has no date came in this year."""
_LAST: Final = datetime(2035, 1, 1)
"""After the last day of any history: subscriptions that end do so from here on."""


class _DirectoryEntry(NamedTuple):
    """A row: its cells by the contract's columns, and when it came to be."""

    key: tuple[str, ...]
    cells: tuple[str | int | bool | datetime | None, ...]
    created: datetime | None = None

    @property
    def phase(self) -> int:
        """Seconds into the year at which it changes every year; the key's own, for ever."""
        return int.from_bytes(derive_key("changed", *self.key)[:4], "big") % _YEAR_SECONDS

    @property
    def since(self) -> datetime:
        """When it came to be."""
        return self.created or _FIRST + timedelta(seconds=self.phase)


def select_rows(
    exchange: Exchange, operation: ServedOperation, parameters: Mapping[str, ParameterValue]
) -> tables.RenderedRows:
    """The rows that a read selects, in the cast's order."""
    frame = _build_frame(exchange.tenant.history.directory, operation)
    if "ClientID" in parameters:
        frame = frame.filter(pl.col("ClientID") == parameters["ClientID"])
        if frame.is_empty():
            exchange.use_assumption("onec.unknown-uuid")
    if "ChangedFrom" in parameters:
        yearly = exchange.use_assumption("onec.changed-times") == "yearly"
        changed = _build_last_change(exchange.now) if yearly else pl.col("_created")
        frame = frame.filter(changed >= parameters["ChangedFrom"])
    return tables.render_rows(frame, operation, exchange.tenant.settings.self_check)


def _build_frame(cast: Directory, operation: ServedOperation) -> pl.DataFrame:
    """All a read can return. Hidden: ``_created`` and ``_phase``, seconds into each year."""
    entries = list(_LISTS[operation.name](cast))
    columns = {
        column.name: pl.Series(
            [entry.cells[place] for entry in entries], dtype=tables.DTYPES[column.kind]
        )
        for place, column in enumerate(operation.column)
    }
    frame = pl.DataFrame(columns).with_columns(
        pl.Series("_created", [entry.since for entry in entries], dtype=pl.Datetime("ms")),
        pl.Series("_phase", [entry.phase for entry in entries], dtype=pl.Int64),
    )
    cut = {column.name: column.length for column in operation.column if column.length}
    return frame.with_columns(pl.col(name).str.head(length) for name, length in cut.items())


def _build_last_change(now: datetime) -> pl.Expr:
    """The latest yearly change before now, or the creation when that was later."""
    phase = pl.duration(seconds=pl.col("_phase"))
    this, last = datetime(now.year, 1, 1), datetime(max(now.year - 1, 1), 1, 1)
    changed = pl.when(pl.lit(this) + phase <= now).then(pl.lit(this) + phase)
    return pl.max_horizontal(changed.otherwise(pl.lit(last) + phase), pl.col("_created"))


def _list_clients(cast: Directory) -> Iterator[_DirectoryEntry]:
    for client in cast.organisations:
        yield _DirectoryEntry(
            (client.client_id,),
            (
                client.client_id,
                client.name,
                client.full_name,
                client.inn,
                client.kpp,
                client.address,
                client.phone,
            ),
        )


def _list_users(cast: Directory) -> Iterator[_DirectoryEntry]:
    for user in cast.users:
        client = cast.organisations[user.organisation].client_id
        names = user.first_name, user.last_name, user.patronymic
        yield _DirectoryEntry(
            (user.user_id,), (user.user_id, client, *names, user.post, user.phone, user.email)
        )


def _list_specialists(cast: Directory) -> Iterator[_DirectoryEntry]:
    for person in cast.operators:
        yield _DirectoryEntry(
            (person.specialist_id,),
            (
                person.specialist_id,
                person.created_at.replace(microsecond=0),
                person.deleted,
                person.employee_id,
                person.first_name,
                person.last_name,
                person.patronymic,
                datetime.combine(person.birthday, time()),
                person.post,
                cast.departments[person.department].id,
                person.mobile,
                person.email,
            ),
            person.created_at,
        )


def _list_departments(cast: Directory) -> Iterator[_DirectoryEntry]:
    for department in cast.departments:
        yield _DirectoryEntry((department.id,), (department.id, department.name, False))


def _list_lines(cast: Directory) -> Iterator[_DirectoryEntry]:
    for line in cast.lines:
        yield _DirectoryEntry((line.service_id,), (line.service_id, False, line.name))


def _list_subscriptions(cast: Directory) -> Iterator[_DirectoryEntry]:
    """Every user has every line, since any of them may be the line of his next call."""
    for user in cast.users:
        for line in cast.lines:
            entry = _DirectoryEntry((user.user_id, line.service_id), ())
            begun = datetime.combine(entry.since, time())
            ends = _LAST + timedelta(seconds=entry.phase) if entry.phase % 8 == 0 else None
            expires = ends and datetime.combine(ends, time())
            cells = (user.user_id, line.service_id, entry.since, begun, expires)
            yield entry._replace(cells=cells)


_LISTS: Final[Mapping[str, Callable[[Directory], Iterator[_DirectoryEntry]]]] = {
    "ClientRead": _list_clients,
    "ClientUserRead": _list_users,
    "SpecialistRead": _list_specialists,
    "DepartmentRead": _list_departments,
    "ServiceLineKindRead": _list_lines,
    "UserServiceLineRead": _list_subscriptions,
}
