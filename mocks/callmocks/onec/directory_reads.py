"""The reads: whom and what the ids of a call lead to, if they are not other partners' ids."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, time, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple

import polars as pl

from callmocks.history.directory import Directory
from callmocks.history.generator import derive_key
from callmocks.onec import tables
from callmocks.onec.contract import ServedOperation
from callmocks.onec.layout import Layout
from callmocks.onec.parameters import ParameterValue
from callmocks.tenants.exchange import Exchange

_YEAR_SECONDS: Final = 365 * 86_400
_FIRST: Final = datetime(2014, 1, 1)  # in this year began what has no date: before any history
_LAST: Final = datetime(2035, 1, 1)  # subscriptions that end do so later, after any history


class _DirectoryRow(NamedTuple):
    cells: tuple[Any, ...]
    created: datetime | None = None
    key_columns: int = 1

    @property
    def phase(self) -> int:
        """Seconds into each year at which it changes: always the same for a key."""
        key = derive_key("changed", *self.cells[: self.key_columns])
        return int.from_bytes(key[:4], "big") % _YEAR_SECONDS

    @property
    def since(self) -> datetime:
        return self.created or _FIRST + timedelta(seconds=self.phase)


def select_rows(
    exchange: Exchange,
    operation: ServedOperation,
    parameters: Mapping[str, ParameterValue],
    layout: Layout,
) -> tables.RenderedRows:
    frame = _build_frame(exchange.tenant.history.directory, operation)
    if "ClientID" in parameters:
        frame = frame.filter(pl.col("ClientID") == parameters["ClientID"])
        if frame.is_empty():
            exchange.use_assumption("onec.unknown-uuid")
    if "ChangedFrom" in parameters:
        yearly = exchange.use_assumption("onec.changed-times") == "yearly"
        changed = _build_last_change(exchange.now) if yearly else pl.col("_created")
        frame = frame.filter(changed >= parameters["ChangedFrom"])
    return tables.render_rows(frame, operation, layout, exchange.tenant.settings.self_check)


def _build_frame(directory: Directory, operation: ServedOperation) -> pl.DataFrame:
    """The contract's columns, ``_created``, and ``_phase``: seconds into each year."""
    rows = list(_LISTS[operation.name](directory))
    schema = {column.name: tables.DTYPES[column.kind] for column in operation.column}
    frame = pl.DataFrame([row.cells for row in rows], schema, orient="row").with_columns(
        pl.Series("_created", [row.since for row in rows], dtype=pl.Datetime("ms")),
        pl.Series("_phase", [row.phase for row in rows], dtype=pl.Int64),
    )
    cut = {column.name: column.length for column in operation.column if column.length}
    return frame.with_columns(pl.col(name).str.head(length) for name, length in cut.items())


def _build_last_change(now: datetime) -> pl.Expr:
    """The latest yearly change before now, or the creation when that was later."""
    phase = pl.duration(seconds=pl.col("_phase"))
    this, last = datetime(now.year, 1, 1), datetime(max(now.year - 1, 1), 1, 1)
    changed = pl.when(pl.lit(this) + phase <= now).then(pl.lit(this) + phase)
    return pl.max_horizontal(changed.otherwise(pl.lit(last) + phase), pl.col("_created"))


_get_client_cells = attrgetter("client_id", "name", "full_name", "inn", "kpp", "address", "phone")
_get_names = attrgetter("first_name", "last_name", "patronymic")


def _list_clients(directory: Directory) -> Iterator[_DirectoryRow]:
    return map(_DirectoryRow, map(_get_client_cells, directory.organisations))


def _list_users(directory: Directory) -> Iterator[_DirectoryRow]:
    for user in directory.users:
        client_id = directory.organisations[user.organisation].client_id
        contacts = user.post, user.phone, user.email
        yield _DirectoryRow((user.user_id, client_id, *_get_names(user), *contacts))


def _list_specialists(directory: Directory) -> Iterator[_DirectoryRow]:
    for operator in directory.operators:
        account = operator.created_at.replace(microsecond=0), operator.deleted, operator.employee_id
        birthday = datetime.combine(operator.birthday, time())
        department_id = directory.departments[operator.department].id
        work = operator.post, department_id, operator.mobile, operator.email
        cells = (operator.specialist_id, *account, *_get_names(operator), birthday, *work)
        yield _DirectoryRow(cells, operator.created_at)


def _list_departments(directory: Directory) -> Iterator[_DirectoryRow]:
    for department in directory.departments:
        yield _DirectoryRow((department.id, department.name, False))


def _list_lines(directory: Directory) -> Iterator[_DirectoryRow]:
    for line in directory.lines:
        yield _DirectoryRow((line.service_id, False, line.name))


def _list_subscriptions(directory: Directory) -> Iterator[_DirectoryRow]:
    # Every user has every line, since any of them may be the line of a user's next call.
    for user in directory.users:
        for line in directory.lines:
            row = _DirectoryRow((user.user_id, line.service_id), key_columns=2)
            activated = datetime.combine(row.since, time())
            ends = _LAST + timedelta(seconds=row.phase) if row.phase % 8 == 0 else None
            expires = ends and datetime.combine(ends, time())
            yield row._replace(cells=(*row.cells, row.since, activated, expires))


_LISTS: Final[Mapping[str, Callable[[Directory], Iterator[_DirectoryRow]]]] = {
    "ClientRead": _list_clients,
    "ClientUserRead": _list_users,
    "SpecialistRead": _list_specialists,
    "DepartmentRead": _list_departments,
    "ServiceLineKindRead": _list_lines,
    "UserServiceLineRead": _list_subscriptions,
}
