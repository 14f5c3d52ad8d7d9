"""Numbers of the Russian numbering plan: drawn in assigned ranges alone; the region of any number.

A number is an int of 11 digits from 7. The facts and their sources are in ``fixtures/numbering``.
"""

import csv
from collections.abc import Sequence
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from callmocks.contract.resources import fixture_path
from callmocks.history.columns import IntColumn
from callmocks.history.generator import Ints, RawNumbers, integers_below
from callmocks.history.random_stream import RandomStream

NumberKind = Literal["mobile", "city", "toll-free"]

_WEIGHTS_TOTAL = 4096
_SUBSCRIBER_NUMBERS = 10**7  # behind a three-digit code
COUNTRIES = (("RU", "Российская Федерация"), ("KZ", "Республика Казахстан"))


class Region(NamedTuple):
    """A federal subject; ``id`` is its code at the tax service. Without a city, no people."""

    id: int
    name: str
    area_codes: tuple[int, ...]
    share: int
    city: str
    post_code: str  # its first three digits
    tax_offices: tuple[str, ...]


class NumberRange(NamedTuple):
    first: int
    last: int
    region: int | None  # index of the region
    weight: int

    @property
    def kind(self) -> NumberKind:
        code = self.first // _SUBSCRIBER_NUMBERS % 1000
        return "mobile" if code >= 900 else "toll-free" if code == 800 else "city"


@cache
def load_regions() -> tuple[Region, ...]:
    return tuple(
        Region(
            int(row["id"]),
            row["name"],
            tuple(map(int, row["area_codes"].split())),
            int(row["share"]),
            row["city"],
            row["post_code"],
            tuple(row["tax_offices"].split()),
        )
        for row in _read_table("regions")
    )


@cache
def load_ranges() -> tuple[NumberRange, ...]:
    """Ascending, none within another."""
    indexes = {str(region.id): index for index, region in enumerate(load_regions())}
    return tuple(
        NumberRange(
            int(row["first"]), int(row["last"]), indexes.get(row["region"]), int(row["weight"])
        )
        for row in _read_table("ranges")
    )


def draw_phone_numbers(raw: RawNumbers) -> Ints:
    """The numbers of strangers: four of five mobile, a few 8-800, the others of cities."""
    first, last, _, table = _range_columns()
    index = table[integers_below(raw, _WEIGHTS_TOTAL)]
    return first[index] + integers_below(raw << np.uint64(32), last[index] - first[index] + 1)


def choose_range(stream: RandomStream, kind: NumberKind, region: int | None) -> NumberRange:
    return stream.choose_from(_ranges_of(kind, region))


def choose_region(stream: RandomStream) -> int:
    """A region with a city, as often as its share of the clients says."""
    return stream.choose_from(_region_by_share())


def find_regions(numbers: IntColumn) -> Ints:
    """Indexes of ``load_regions``; -1 where a number tells none.

    A range decides before an area code; a mobile number outside the ranges tells none.
    """
    first, last, region, _ = _range_columns()
    index = np.searchsorted(first, numbers, side="right") - 1
    in_range = (index >= 0) & (numbers <= last[index])
    russian = numbers // 10**10 == 7
    codes = np.where(russian, numbers // _SUBSCRIBER_NUMBERS % 1000, 0)
    return np.where(in_range, region[index], _region_of_code()[codes])


def find_countries(numbers: IntColumn) -> Ints:
    """Indexes of ``COUNTRIES``; -1 for a number of another country, or none."""
    kazakh = np.isin(numbers // 10**9, (76, 77))
    return np.where(numbers // 10**10 == 7, np.where(kazakh, 1, 0), -1)


@cache
def _region_by_share() -> tuple[int, ...]:
    """Indexes of regions, each as often as its share says."""
    shares = [region.share for region in load_regions()]
    return tuple(index for index, share in enumerate(shares) for _ in range(share))


@cache
def _ranges_of(kind: NumberKind, region: int | None) -> Sequence[NumberRange]:
    return [each for each in load_ranges() if each.kind == kind and each.region == region]


@cache
def _range_columns() -> tuple[Ints, Ints, Ints, Ints]:
    """First and last number, region, and for each of the weights' total the index of a range."""
    ranges = load_ranges()
    first = np.array([each.first for each in ranges])
    last = np.array([each.last for each in ranges])
    region = np.array([-1 if each.region is None else each.region for each in ranges])
    table = np.repeat(np.arange(len(ranges)), [each.weight for each in ranges])
    return first, last, region, table


@cache
def _region_of_code() -> NDArray[np.int64]:
    regions = np.full(1000, -1)
    for index, region in enumerate(load_regions()):
        regions[list(region.area_codes)] = index
    return regions


def _read_table(name: str) -> list[dict[str, str]]:
    with fixture_path(f"numbering/{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
