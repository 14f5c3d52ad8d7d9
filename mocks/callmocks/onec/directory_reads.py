"""The reads: whom and what the ids of a call lead to, the vendor scheme's people excepted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from itertools import islice
from operator import attrgetter
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from callmocks.contract.assumptions import load_ledger
from callmocks.history.directory import Directory, User
from callmocks.history.generator import derive_key
from callmocks.history.views.lookups import WALL_TIME_DTYPE
from callmocks.history.walltime import datetime_to_ms
from callmocks.onec import tables
from callmocks.onec.contract import ColumnSpec, ServedOperation, TableColumns
from callmocks.onec.layout import Layout
from callmocks.onec.parameters import ParameterValue
from callmocks.onec.results import RowSink, require_row_budget
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import run_computation, yield_turn

_YEAR_SECONDS: Final = 365 * 86_400
_FIRST: Final = datetime(2014, 1, 1)  # in this year began what has no date: before any history
_PIECE_ROWS: Final = 10_000
_LONG_ROWS: Final = 2000  # from which on a table is made in a thread
_LAST: Final = datetime(2035, 1, 1)  # subscriptions that end do so later, after any history
# Of ActivateDate and ExpiresDate, whatever the cabinet's zone, in which all other times are.
_GMT3: Final = timezone(timedelta(hours=3))


class _DirectoryRow(NamedTuple):
    """``fields`` are those of the ledger's entry about the read's columns."""

    key: tuple[str, ...]
    fields: dict[str, Any]
    created: datetime | None = None

    @property
    def phase(self) -> int:
        """Seconds into each year at which it changes: always the same for a key."""
        return int.from_bytes(derive_key("changed", *self.key)[:4], "big") % _YEAR_SECONDS

    @property
    def since(self) -> datetime:
        return self.created or _FIRST + timedelta(seconds=self.phase)


class _Listing(NamedTuple):
    directory: Directory
    zone: ZoneInfo
    with_vendor: bool
    today: date

    @property
    def known_users(self) -> Iterator[User]:
        return (user for user in self.directory.users if user.known_from <= self.today)


async def write_directory_rows(
    exchange: Exchange,
    operation: ServedOperation,
    columns: TableColumns,
    parameters: Mapping[str, ParameterValue],
    layout: Layout,
    write_rows: RowSink,
) -> list[str]:
    """Returns where written rows leave the contract; ``ResultCodeError`` when they are too many."""
    with_vendor = False
    if operation.name in ("ClientRead", "UserServiceLineRead"):
        with_vendor = exchange.use_assumption("onec.vendor-clients") == "named"
    tenant = exchange.tenant
    directory = tenant.history.directory
    listing = _Listing(directory, tenant.clock.zone, with_vendor, exchange.now.date())
    count = max(len(directory.users), len(directory.organisations))
    if operation.name == "UserServiceLineRead":
        count *= len(directory.lines)
    require_row_budget(exchange, count)

    async def write_pieces() -> list[str]:
        violations: dict[str, None] = {}
        found = False
        rows = _LISTS[operation.name](listing)
        # Also without a row: the frame's columns are checked.
        while (piece := list(islice(rows, _PIECE_ROWS))) or not found:
            await yield_turn()
            frame = _filter_frame(exchange, _build_frame(piece, operation), parameters)
            shown = frame.select(**{spec.name: _show_field(frame, spec) for spec in columns.specs})
            rendered = tables.render_rows(shown, columns, layout, tenant.settings.self_check)
            write_rows(rendered.xml, len(shown))
            violations |= dict.fromkeys(rendered.violations)
            found = found or not frame.is_empty()
            if not piece:
                break
        if "ClientID" in parameters and not found:
            exchange.use_assumption("onec.unknown-uuid")
        return list(violations)

    return await run_computation(write_pieces(), count > _LONG_ROWS)


def _filter_frame(
    exchange: Exchange, frame: pl.DataFrame, parameters: Mapping[str, ParameterValue]
) -> pl.DataFrame:
    if "ClientID" in parameters:
        frame = frame.filter(pl.col("ClientID") == parameters["ClientID"])
    if "ChangedFrom" in parameters:
        yearly = exchange.use_assumption("onec.changed-times") == "yearly"
        changed = _build_last_change(exchange.now) if yearly else pl.col("_created")
        since = parameters["ChangedFrom"]
        assert isinstance(since, datetime)
        frame = frame.filter(changed >= _to_literal(since))
    return frame


def _build_frame(rows: Sequence[_DirectoryRow], operation: ServedOperation) -> pl.DataFrame:
    """All fields, ``_created``, and ``_phase``: seconds into each year."""
    types = load_ledger()[operation.columns_choice].fields
    schema = {name: tables.DTYPES["string" if k == "uuid" else k] for name, k in types.items()}
    schema |= {"_created": WALL_TIME_DTYPE, "_phase": pl.Int64()}
    # Polars takes no datetime of a class that a test has patched: times come in as numbers.
    times = [name for name, dtype in schema.items() if dtype == WALL_TIME_DTYPE]
    cells: list[dict[str, Any]] = [
        {"CreatedAt": row.since, "Deleted": False, "_created": row.since, "_phase": row.phase}
        | row.fields
        for row in rows
    ]
    for fields in cells:
        for name in times:
            if (wall_time := fields.get(name)) is not None:
                fields[name] = datetime_to_ms(wall_time)
    numbers = schema | dict.fromkeys(times, pl.Int64())
    return pl.DataFrame(cells, numbers).with_columns(pl.col(times).cast(WALL_TIME_DTYPE))


def _show_field(frame: pl.DataFrame, spec: ColumnSpec) -> pl.Expr:
    """A field as a column shows it; a field that no row has is empty."""
    dtype = tables.DTYPES[spec.kind]
    if spec.field not in frame.columns:
        empty = None if spec.nullable else tables.EMPTY_VALUES[spec.kind]
        return pl.repeat(empty, frame.height, dtype=dtype)
    value, kind = pl.col(spec.field), frame[spec.field].dtype
    if kind == tables.DTYPES["dateTime"]:
        value = value.dt.truncate("1d" if spec.date == "Date" else "1s")
        value = value.dt.to_string("%Y-%m-%dT%H:%M:%S") if spec.kind == "string" else value
    value = value.cast(dtype)
    return value.str.head(spec.length) if spec.kind == "string" and spec.length else value


def _build_last_change(now: datetime) -> pl.Expr:
    """The latest yearly change before now, or the creation when that was later."""
    phase = pl.duration(seconds=pl.col("_phase"))
    this = _to_literal(datetime(now.year, 1, 1)) + phase
    last = _to_literal(datetime(max(now.year - 1, 1), 1, 1)) + phase
    changed = pl.when(this <= _to_literal(now)).then(this).otherwise(last)
    return pl.max_horizontal(changed, pl.col("_created"))


def _to_literal(wall_time: datetime) -> pl.Expr:
    return pl.lit(datetime_to_ms(wall_time)).cast(WALL_TIME_DTYPE)


_get_names = attrgetter("first_name", "last_name", "patronymic")


def _name_fields(person: Any) -> dict[str, Any]:
    return dict(zip(("Name", "Surname", "SecondaryName"), _get_names(person), strict=True))


def _list_clients(listing: _Listing) -> Iterator[_DirectoryRow]:
    for client in listing.directory.organisations:
        fields = {
            "ClientID": client.client_id,
            "Name": client.name,
            "FullName": client.full_name,
            "TaxPayerIdentificator": client.inn,
            "INN": client.inn,
            "KPP": client.kpp,
            "Address": client.address,
            "Phone": client.phone,
        }
        yield _DirectoryRow((client.client_id,), fields)
    directory = listing.directory
    vendor_clients = directory.vendor_clients if listing.with_vendor else ()
    for client_id, names in zip(vendor_clients, directory.vendor_client_names, strict=False):
        fields = dict(zip(("ClientID", "Name", "FullName"), (client_id, *names), strict=True))
        yield _DirectoryRow((client_id,), fields)


def _list_users(listing: _Listing) -> Iterator[_DirectoryRow]:
    clients = listing.directory.organisations
    for user in listing.known_users:
        fields = {
            "ClientUserID": user.user_id,
            "UserID": user.user_id,
            "ClientID": clients[user.organisation].client_id,
            "Login": user.contact_id,
            **_name_fields(user),
            "Post": user.post,
            "Phone": user.phone,
            "EMail": user.email,
        }
        yield _DirectoryRow((user.user_id,), fields)


def _list_specialists(listing: _Listing) -> Iterator[_DirectoryRow]:
    departments = listing.directory.departments
    for operator in listing.directory.operators:
        fields = {
            "SpecialistID": operator.specialist_id,
            "CreatedAt": operator.created_at,
            "Deleted": operator.has_left(listing.today),
            "Login": operator.employee_id,
            **_name_fields(operator),
            "Birthday": datetime.combine(operator.birthday, time()),
            "Post": operator.post,
            "DepartmentID": departments[operator.department].id,
            "Phone": operator.mobile,
            "EMail": operator.email,
        }
        yield _DirectoryRow((operator.specialist_id,), fields, operator.created_at)


def _list_departments(listing: _Listing) -> Iterator[_DirectoryRow]:
    for department in listing.directory.departments:
        fields = {"DepartmentID": department.id, "Name": department.name}
        yield _DirectoryRow((department.id,), fields)


def _list_lines(listing: _Listing) -> Iterator[_DirectoryRow]:
    for line in listing.directory.lines:
        fields = {"ServiceID": line.service_id, "Name": line.name}
        yield _DirectoryRow((line.service_id,), fields)


def _list_subscriptions(listing: _Listing) -> Iterator[_DirectoryRow]:
    # Every user has every line, since any of them may be the line of a user's next call.
    users = [user.user_id for user in listing.known_users]
    for user_id in (*users, *(listing.directory.vendor_users if listing.with_vendor else ())):
        for line in listing.directory.lines:
            row = _DirectoryRow((user_id, line.service_id), {})
            created = row.since.replace(tzinfo=listing.zone).astimezone(_GMT3)
            ends = _LAST + timedelta(seconds=row.phase) if row.phase % 8 == 0 else None
            row.fields.update(
                ServiceUserID=user_id,
                ServiceID=line.service_id,
                CreateTime=row.since,
                ActivateDate=datetime.combine(created.date(), time()),
                ExpiresDate=ends and datetime.combine(ends.date(), time()),
            )
            yield row


_LISTS: Final[Mapping[str, Callable[[_Listing], Iterator[_DirectoryRow]]]] = {
    "ClientRead": _list_clients,
    "ClientUserRead": _list_users,
    "SpecialistRead": _list_specialists,
    "DepartmentRead": _list_departments,
    "ServiceLineKindRead": _list_lines,
    "UserServiceLineRead": _list_subscriptions,
}
