"""Values of one directory entry: drawn one after another, some of them unique in the directory."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


class RandomStream:
    """Raw numbers, used up one by one, mapped as ``generator.integers_below`` does."""

    def __init__(self, raw: list[int]) -> None:
        self._raw = iter(raw)

    def next_raw(self) -> int:
        return next(self._raw)

    def integer_below(self, bound: int) -> int:
        return ((next(self._raw) >> 32) * bound) >> 32

    def choose_from(self, choices: Sequence[T]) -> T:
        return choices[self.integer_below(len(choices))]

    def make_uuid(self) -> str:
        text = f"{next(self._raw):016x}{next(self._raw):016x}"
        variant = "89ab"[int(text[16], 16) & 3]
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


class UniquePool:
    """Gives out each number or text once, and never a reserved one."""

    def __init__(self, reserved: Iterable[object]) -> None:
        self._taken = {str(value) for value in reserved if value is not None}

    def take_number(self, stream: RandomStream, low: int, high: int) -> int:
        offset = stream.integer_below(high - low)
        while not self.try_take(str(low + offset)):
            offset = (offset + 1) % (high - low)
        return low + offset

    def take_from(self, stream: RandomStream, pool: Sequence[str], make: Callable[[], str]) -> str:
        """A free entry of the pool, or the first free other text after eight taken entries."""
        first = stream.integer_below(len(pool))
        for index in range(first, first + 8):
            if self.try_take(text := pool[index % len(pool)]):
                return text
        while not self.try_take(text := make()):
            pass
        return text

    def take_first(self, texts: Iterable[str]) -> str:
        return next(text for text in texts if self.try_take(text))

    def try_take(self, text: str) -> bool:
        if text in self._taken:
            return False
        self._taken.add(text)
        return True
