"""From indexes to the cast's values, column by column."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.history import reasons
from callmocks.history.columns import IntColumn
from callmocks.history.directory import Directory

WALL_TIME_DTYPE = pl.Datetime("ms")


class Lookup:
    """Values by index; index -1 gives null."""

    def __init__(self, values: Sequence[Any], dtype: Any) -> None:
        self._values = pl.Series([*values, None], dtype=dtype)
        self._null = len(values)

    def gather(self, indexes: IntColumn) -> pl.Series:
        """One value for each index."""
        return self._values.gather(np.where(indexes < 0, self._null, indexes).astype(np.uint32))


def ordered_enum(values: Iterable[str]) -> pl.Enum:
    """An enumeration whose order is the code points' order, so that sorting it is sorting text."""
    return pl.Enum(sorted(set(values)))


def enum_lookup(values: Sequence[str]) -> Lookup:
    """Texts by index, stored as an enumeration."""
    return Lookup(values, ordered_enum(values))


def wall_time_column(day_start: int, times: IntColumn) -> pl.Series:
    """Wall times cut to whole seconds, as the views show them; null for -1."""
    wall = day_start + times.astype(np.int64) // 1000 * 1000
    return with_nulls(wall, times >= 0).cast(WALL_TIME_DTYPE)


def with_nulls(values: NDArray[Any], present: NDArray[np.bool_]) -> pl.Series:
    """Values where they are there, null elsewhere."""
    series = pl.Series(values)
    return series if present.all() else series.zip_with(pl.Series(present), pl.Series([None]))


def phone_column(numbers: IntColumn) -> pl.Series:
    """Phone numbers as digits; null for a hidden one (0)."""
    return with_nulls(numbers, numbers > 0).cast(pl.String)


class Lookups:
    """All lookups of a cast, each made when first asked for."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory

    def make_enum_lookup(self, field: str, value: Callable[[Any], str]) -> Lookup:
        """Texts of each operator, line, … as an enumeration."""
        return enum_lookup([value(thing) for thing in getattr(self.directory, field)])

    @cached_property
    def reason(self) -> Lookup:
        """Finish reasons."""
        return enum_lookup(reasons.NAMES)

    @cached_property
    def reason_text(self) -> Lookup:
        """Finish reasons' descriptions."""
        return enum_lookup(reasons.DESCRIPTIONS)

    @cached_property
    def cause_text(self) -> Lookup:
        """Q.850 descriptions by cause code."""
        most = max(reasons.CAUSE_TEXT)
        values = [reasons.CAUSE_TEXT.get(code) for code in range(most + 1)]
        return Lookup(values, ordered_enum(reasons.CAUSE_TEXT.values()))

    @cached_property
    def operator_name(self) -> Lookup:
        """Operators' full names."""
        return self.make_enum_lookup("operators", lambda o: o.full_name)

    @cached_property
    def operator_phone(self) -> Lookup:
        """Operators' numbers as CDR shows them."""
        return self.make_enum_lookup("operators", lambda o: o.phone)

    @cached_property
    def operator_number(self) -> Lookup:
        """Operators' internal numbers."""
        return self.make_enum_lookup("operators", lambda o: o.number)

    @cached_property
    def employee_id(self) -> Lookup:
        """CDR employee ids."""
        return Lookup([o.employee_id for o in self.directory.operators], pl.Int64)

    @cached_property
    def specialist(self) -> Lookup:
        """1C specialists."""
        return Lookup([o.specialist_id for o in self.directory.operators], pl.String)

    @cached_property
    def group_of_operator(self) -> NDArray[np.int64]:
        """Group index of each operator, and -1 for index -1."""
        return np.array([*(o.group for o in self.directory.operators), -1])

    @cached_property
    def group_id(self) -> Lookup:
        """CDR group ids."""
        return Lookup([g.id for g in self.directory.groups], pl.Int64)

    @cached_property
    def group_name(self) -> Lookup:
        """Groups' names."""
        return self.make_enum_lookup("groups", lambda g: g.name)

    @cached_property
    def virtual_number(self) -> Lookup:
        """Virtual numbers of the lines."""
        return self.make_enum_lookup("lines", lambda line: line.virtual_phone_number)

    @cached_property
    def queue(self) -> Lookup:
        """Queues of the lines."""
        return self.make_enum_lookup("lines", lambda line: line.queue_id)

    @cached_property
    def service(self) -> Lookup:
        """1C service lines."""
        return Lookup([line.service_id for line in self.directory.lines], pl.String)

    @cached_property
    def scenario_of_line(self) -> NDArray[np.int64]:
        """Scenario index of each line, and -1 for index -1."""
        return np.array([*(line.scenario for line in self.directory.lines), -1])

    @cached_property
    def scenario_id(self) -> Lookup:
        """Scenario ids."""
        return Lookup([s.id for s in self.directory.scenarios], pl.Int64)

    @cached_property
    def scenario_name(self) -> Lookup:
        """Scenarios' names."""
        return self.make_enum_lookup("scenarios", lambda s: s.name)

    @cached_property
    def action_id(self) -> Lookup:
        """Operations' ids."""
        return Lookup([s.action_id for s in self.directory.scenarios], pl.Int64)

    @cached_property
    def action_name(self) -> Lookup:
        """Operations' names."""
        return self.make_enum_lookup("scenarios", lambda s: s.action_name)

    @cached_property
    def contact_id(self) -> Lookup:
        """Contacts' ids."""
        return Lookup([u.contact_id for u in self.directory.users], pl.Int64)

    @cached_property
    def user_name(self) -> Lookup:
        """Users' full names."""
        return self.make_enum_lookup("users", lambda u: u.full_name)

    @cached_property
    def user_id(self) -> Lookup:
        """1C service users."""
        return Lookup([u.user_id for u in self.directory.users], pl.String)

    @cached_property
    def client_id(self) -> Lookup:
        """1C clients, by user."""
        clients = self.directory.organisations
        return Lookup([clients[u.organisation].client_id for u in self.directory.users], pl.String)

    @cached_property
    def vendor_user(self) -> Lookup:
        """Users of the vendor scheme."""
        return Lookup(self.directory.vendor_users, pl.String)

    @cached_property
    def vendor_client(self) -> Lookup:
        """Clients of the vendor scheme, by user."""
        clients = self.directory.vendor_clients
        return Lookup(
            [clients[i % len(clients)] for i in range(len(self.directory.vendor_users))], pl.String
        )

    @cached_property
    def vendor_specialist(self) -> Lookup:
        """Specialists of the vendor scheme, by user."""
        specialists = self.directory.vendor_specialists
        return Lookup(
            [specialists[i % len(specialists)] for i in range(len(self.directory.vendor_users))],
            pl.String,
        )
