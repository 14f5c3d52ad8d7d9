"""Rows of recorded answers, so that ``--replay-match window`` can serve them in other portions.

Times are wall milliseconds; windows include their begin and exclude their end.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from datetime import tzinfo
from typing import ClassVar, NamedTuple

from callmocks.errors import CallmocksError
from callmocks.provider.base import RequestKey, WireExchange

Choices = Mapping[str, str]  # of the tenant, by assumption


class RowWindowError(CallmocksError):
    """A parameter of the window that cannot be read."""


class RowWindow(NamedTuple):
    """Which rows a request asks for; ``cursor`` is the last row of an earlier page."""

    scope: RequestKey  # its other parameters
    begin: int | None  # None: from the first row on
    end: int | None  # None: until now
    offset: int
    limit: int | None
    cursor: tuple[int, str] | None = None  # its second and, where others share that, its id
    descending: bool = False
    owner: str = ""  # whose rows, where the request tells it

    @property
    def bounds(self) -> Hashable:
        return self.begin, self.end, self.cursor


class RecordedRow(NamedTuple):
    id: str
    start: int
    end: int  # what the end of a window is compared with
    body: bytes


class RecordedPage(NamedTuple):
    """``group``: rows of different groups are never put together.

    ``is_ordered``: by the starts of the rows, so that the edge of a page tells what it covers.
    """

    window: RowWindow
    rows: list[RecordedRow]
    total: int | None  # of all pages, where the answer tells it
    is_last: bool
    group: Hashable
    recorded: WireExchange
    owner: str = ""
    is_ordered: bool = True


class RowReader(ABC):
    """How a provider's requests ask for rows, and where they stand in its answers."""

    assumptions: ClassVar[tuple[str, ...]]  # that windows and their order rest on
    tells_total: ClassVar[bool] = False

    @abstractmethod
    def read_window(
        self, operation: str, key: RequestKey, now: int, choices: Choices, zone: tzinfo
    ) -> RowWindow | None:
        """None when the operation has no rows; ``RowWindowError``.

        ``zone`` is the contact centre's, for times with an offset.
        """

    @abstractmethod
    def read_page(
        self, recorded: WireExchange, window: RowWindow, choices: Choices
    ) -> RecordedPage | None:
        """None when the answer has no rows."""

    @abstractmethod
    def render_answer(
        self,
        template: WireExchange,
        rows: Sequence[RecordedRow],
        total: int,
        window: RowWindow,
        choices: Choices,
    ) -> WireExchange:
        """The answer of a recorded exchange with other rows."""


def without_params(key: RequestKey, *names: str) -> RequestKey:
    return {name: value for name, value in key.items() if name not in names}
