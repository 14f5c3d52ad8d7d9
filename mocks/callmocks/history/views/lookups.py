"""From indexes to the directory's values, column by column."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.contract.cached_property import cached_property
from callmocks.history import reasons
from callmocks.history.columns import IntColumn
from callmocks.history.directory import Directory

_FEW = 1000
WALL_TIME_DTYPE = pl.Datetime("ms")
_CAUSES = [reasons.CAUSE_TEXT.get(code) for code in range(max(reasons.CAUSE_TEXT) + 1)]


class Lookup:
    """Values by index; index -1 gives null. Without a dtype they are an ordered enumeration."""

    def __init__(self, values: Sequence[Any], dtype: Any = None) -> None:
        # The garbage collector walks long lists each time, but no tuples of texts and numbers.
        self._values = (*values, None)
        self._dtype = dtype
        self._null = len(values)

    @cached_property
    def series(self) -> pl.Series:
        # Built at first use: a process that nobody asks for calls does without Polars' code for it.
        if self._dtype is not None:
            return pl.Series(self._values, dtype=self._dtype)
        return pl.Series(self._values, dtype=pl.String).cast(_ordered_enum(self._values))

    def gather(self, indexes: IntColumn) -> pl.Series:
        rows = np.where(indexes < 0, self._null, indexes).astype(np.uint32)
        return self.series[pl.Series(rows)]  # Series.gather() would run a query


def make_frame(columns: Mapping[str, pl.Series | NDArray[Any]]) -> pl.DataFrame:
    # From a mapping Polars takes a third longer, which few rows show.
    return pl.DataFrame(
        [
            column.alias(name) if isinstance(column, pl.Series) else pl.Series(name, column)
            for name, column in columns.items()
        ]
    )


def _ordered_enum(values: Sequence[str | None]) -> pl.Enum:
    """An enumeration whose order is the code points' order, so that sorting it is sorting text."""
    if len(values) > _FEW:  # Python's sort would hold up other threads
        return pl.Enum(pl.Series(values, dtype=pl.String).drop_nulls().unique().sort())
    return pl.Enum(sorted({each for each in values if each is not None}))


def show_times(day_start: int, times: IntColumn) -> pl.Series:
    """Wall times cut to whole seconds, as the views show them; null for -1."""
    wall = day_start + times.astype(np.int64) // 1000 * 1000
    return add_nulls(wall, times >= 0).cast(WALL_TIME_DTYPE)


def add_nulls(values: NDArray[Any], present: NDArray[np.bool_]) -> pl.Series:
    series = pl.Series(values)
    return series if present.all() else series.zip_with(pl.Series(present), pl.Series([None]))


def show_phones(numbers: IntColumn) -> pl.Series:
    """Phone numbers as digits; null for a hidden one (0)."""
    return add_nulls(numbers, numbers > 0).cast(pl.String)


def _attribute(entries: str, name: str, dtype: Any = None) -> cached_property[Lookup]:
    """An attribute of the directory's operators, lines, …; texts of few values without a dtype."""

    def build_lookup(lookups: "Lookups") -> Lookup:
        values = [getattr(entry, name) for entry in getattr(lookups.directory, entries)]
        return Lookup(values, dtype)

    return cached_property(build_lookup)


class Lookups:
    """All lookups of a directory; the large ones are built at their first use."""

    reason = Lookup(reasons.NAMES)
    reason_text = Lookup(reasons.DESCRIPTIONS)
    cause_text = Lookup(_CAUSES)

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.group_of_operator = np.append(directory.operator_groups, -1)
        lines = directory.lines
        self.scenario_of_line = np.array([*(each.scenario for each in lines), -1])
        self.night_scenario_of_line = np.array([*(each.night_scenario for each in lines), -1])
        self.hours_of_line = np.array([*(each.hours for each in lines), (0, 24)])
        self.vendor_user = Lookup(directory.vendor_users, pl.String)
        self.vendor_client = self._repeat_for_vendor_users(directory.vendor_clients)
        self.vendor_specialist = self._repeat_for_vendor_users(directory.vendor_specialists)

    operator_name = _attribute("operators", "full_name")
    operator_phone = _attribute("operators", "phone")
    agent_id = _attribute("operators", "agent_id")
    operator_number = _attribute("operators", "number")
    employee_id = _attribute("operators", "employee_id", pl.Int64)
    specialist = _attribute("operators", "specialist_id", pl.String)
    group_id = _attribute("groups", "id", pl.Int64)
    group_name = _attribute("groups", "name")
    virtual_number = _attribute("lines", "virtual_phone_number")
    queue = _attribute("lines", "queue_id")
    service = _attribute("lines", "service_id", pl.String)
    scenario_id = _attribute("scenarios", "id", pl.Int64)
    scenario_name = _attribute("scenarios", "name")
    action_id = _attribute("scenarios", "action_id", pl.Int64)
    action_name = _attribute("scenarios", "action_name")
    contact_id = _attribute("users", "contact_id", pl.Int64)
    user_name = _attribute("users", "full_name")
    user_id = _attribute("users", "user_id", pl.String)

    @cached_property
    def own_number(self) -> Lookup:
        """Phones of operators, then, from ``first_line_number`` on, virtual numbers of lines."""
        phones = [each.phone for each in self.directory.operators]
        lines = [each.virtual_phone_number for each in self.directory.lines]
        return Lookup([*phones, *lines], pl.String)

    @property
    def first_line_number(self) -> int:
        return len(self.directory.operators)

    @cached_property
    def client_id(self) -> Lookup:
        clients = self.directory.organisations
        return Lookup([clients[u.organisation].client_id for u in self.directory.users], pl.String)

    def build_large(self) -> None:
        """Those whose first use would hold up other requests."""
        for lookup in (self.contact_id, self.user_name, self.user_id, self.client_id):
            _ = lookup.series

    def _repeat_for_vendor_users(self, values: Sequence[str]) -> Lookup:
        users = range(len(self.directory.vendor_users))
        return Lookup([values[user % len(values)] for user in users], pl.String)
