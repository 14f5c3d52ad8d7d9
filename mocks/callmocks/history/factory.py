"""Makes tenants' histories, so that equal ones are drawn once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from callmocks.errors import SettingsError
from callmocks.history.cache import DayCache
from callmocks.history.day_generator import directory_key, history_key
from callmocks.history.directory import Directory
from callmocks.history.generated_days import GeneratedDays
from callmocks.history.history import History
from callmocks.history.walltime import day_of_date, parse_first_date
from callmocks.history.world import World
from callmocks.history.world_file import load_world

if TYPE_CHECKING:
    from callmocks.tenants.settings import TenantSettings


class HistoryFactory:
    """Makes tenants' histories; equal ones share what was drawn."""

    def __init__(self, cache: DayCache | None = None) -> None:
        self.cache = DayCache() if cache is None else cache
        # Weak: what no tenant uses any more goes with its last tenant.
        self._generated: WeakValueDictionary[bytes, GeneratedDays] = WeakValueDictionary()
        self._directories: WeakValueDictionary[bytes, Directory] = WeakValueDictionary()

    def create(self, settings: TenantSettings, world: World | None = None) -> History:
        """The history of a tenant; ``SettingsError`` when its world or first day is no good.

        ``world`` is that of the settings when it was read already.
        """
        world = world or load_world(settings.world)
        if settings.calls_per_day is not None:
            world = world.with_calls_per_day(settings.calls_per_day)
        key = history_key(settings.seed, world)
        drawn = self._generated.get(key)
        if drawn is None:
            drawn = GeneratedDays(key, world, self._get_directory(settings.seed, world), self.cache)
            self._generated[key] = drawn
        try:
            first_day = day_of_date(parse_first_date(settings.history_from))
        except SettingsError as error:
            raise SettingsError(f"history-from: {error}") from None
        return History(drawn, first_day)

    def _get_directory(self, seed: int, world: World) -> Directory:
        key = directory_key(seed, world)
        cast = self._directories.get(key)
        if cast is None:
            cast = self._directories[key] = Directory.build(world, key)
        return cast
