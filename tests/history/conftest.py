from collections.abc import Callable
from datetime import datetime

import pytest

from callmocks.history.cache import DayCache
from callmocks.history.factory import HistoryFactory
from callmocks.history.history import History
from callmocks.history.walltime import datetime_to_ms
from callmocks.tenants.settings import TenantSettings

CACHE = DayCache()

MakeHistory = Callable[..., History]


@pytest.fixture
def make_history() -> MakeHistory:
    """A history by seed, world and size; what was drawn is shared between tests."""

    def make(**settings: object) -> History:
        return HistoryFactory(CACHE).create(TenantSettings("test", **settings))

    return make


@pytest.fixture
def history(make_history: MakeHistory) -> History:
    return make_history()


def wall_ms(*moment: int) -> int:
    """Wall milliseconds of year, month, day, …"""
    return datetime_to_ms(datetime(*moment))


NOON = wall_ms(2026, 3, 2, 12)
LATER = wall_ms(2027, 1, 1)
