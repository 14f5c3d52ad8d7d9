from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from callmocks.contract.garbage import paused_collection
from callmocks.errors import SettingsError
from callmocks.history.cache import DayCache
from callmocks.history.directory import Directory
from callmocks.history.generated_days import GeneratedDays
from callmocks.history.history import History
from callmocks.history.keys import directory_key, history_key
from callmocks.history.walltime import day_of_date, parse_first_date
from callmocks.history.world import World
from callmocks.history.world_file import load_world, world_names

if TYPE_CHECKING:
    from callmocks.tenants.settings import TenantSettings


class HistoryFactory:
    """Creates tenants' histories; equal ones share their generated days."""

    def __init__(self, cache: DayCache | None = None) -> None:
        self.cache = DayCache() if cache is None else cache
        # Weak: what no tenant uses any more goes with its last tenant.
        self._generated: WeakValueDictionary[bytes, GeneratedDays] = WeakValueDictionary()
        self._directories: WeakValueDictionary[bytes, Directory] = WeakValueDictionary()

    def create(self, settings: TenantSettings, world: World | None = None) -> History:
        """``world`` is that of the settings, when it was read already."""
        world = _choose_world(settings, world)
        key = history_key(settings.seed, world)
        generated = self._generated.get(key)
        if generated is None:
            draw = partial(self._get_directory, settings.seed, world)
            generated = self._generated[key] = GeneratedDays(key, world, draw, self.cache)
            # Few people are drawn at their first use: NumPy's random numbers alone take 3 MB.
            if settings.world not in world_names():
                _ = generated.directory
            if world.has_many_people:
                generated.prepare()
        try:
            first_day = day_of_date(parse_first_date(settings.history_from))
        except SettingsError as error:
            raise SettingsError(f"history-from: {error}") from None
        return History(generated, first_day, settings.lags)

    def takes_long(self, settings: TenantSettings, world: World | None = None) -> bool:
        """Whether its people are many, and no tenant has its calls; a world file takes long too."""
        is_file = isinstance(settings.world, str) and settings.world not in world_names()
        if world is None and is_file:
            return True
        world = _choose_world(settings, world)
        if world.lists_many and not world.has_fingerprint:
            return True
        if not world.has_many_people:
            return False
        is_drawn = directory_key(settings.seed, world) in self._directories
        return not (is_drawn and history_key(settings.seed, world) in self._generated)

    def _get_directory(self, seed: int, world: World) -> Directory:
        key = directory_key(seed, world)
        directory = self._directories.get(key)
        if directory is None:
            from callmocks.history.directory_builder import build_directory

            with paused_collection():
                directory = self._directories[key] = build_directory(world, key)
        return directory


def _choose_world(settings: TenantSettings, world: World | None) -> World:
    world = world or load_world(settings.world)
    calls = settings.calls_per_day
    return world if calls is None else world.with_calls_per_day(calls)
