from collections.abc import Callable
from datetime import datetime
from typing import Any

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

    def make(**settings: Any) -> History:
        return HistoryFactory(CACHE).create(TenantSettings("test", **settings))

    return make


@pytest.fixture
def history(make_history: MakeHistory) -> History:
    return make_history()


def wall_ms(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> int:
    return datetime_to_ms(datetime(year, month, day, hour, minute, second))


NOON = wall_ms(2026, 3, 2, 12)
LATER = wall_ms(2027, 1, 1)
