"""Numbers that exist, and where they are: the facts in ``fixtures/numbering``."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np

from callmocks.history import phone_numbers
from callmocks.history.generator import Generator
from callmocks.history.random_stream import RandomStream

FACTS = Path(__file__).parents[2] / "fixtures" / "numbering"
# Codes with ranges in the register of 2026; 907, 935, 940, 943 … 948 and others have none.
MOBILE_CODES = {
    *range(900, 907), *range(908, 935), *range(936, 940), 941, 942, 949, *range(950, 956),
    *range(958, 972), *range(977, 998), 999,
}  # fmt: skip


def region_name(number: int) -> str | None:
    index = int(phone_numbers.find_regions(np.array([number]))[0])
    return None if index < 0 else phone_numbers.load_regions()[index].name


def test_strangers_have_numbers_of_assigned_ranges_of_all_kinds() -> None:
    raw = Generator(bytes(range(16))).draw_raw(7, 7, 50_000)
    numbers = phone_numbers.draw_phone_numbers(raw)
    with (FACTS / "ranges.csv").open(encoding="utf-8", newline="") as file:
        rows = [(int(row["first"]), int(row["last"])) for row in csv.DictReader(file)]
    inside = np.zeros(len(numbers), bool)
    for first, last in rows:
        inside |= (numbers >= first) & (numbers <= last)
    assert inside.all()
    codes = numbers // 10**7 % 1000
    assert set(codes[codes >= 900].tolist()) <= MOBILE_CODES
    shares = [(codes >= 900).mean(), ((codes < 900) & (codes != 800)).mean(), (codes == 800).mean()]
    assert 0.7 < shares[0] < 0.85
    assert 0.12 < shares[1] < 0.28
    assert 0.005 < shares[2] < 0.05
    assert len(np.unique(numbers)) > 49_000


def test_ranges_are_ascending_apart_and_their_weights_are_complete() -> None:
    ranges = phone_numbers.load_ranges()
    assert all(a.last < b.first for a, b in pairwise(ranges))
    assert all(each.last - each.first >= 9_999 for each in ranges)
    assert sum(each.weight for each in ranges) == 4096
    assert {each.kind for each in ranges} == {"mobile", "city", "toll-free"}


def test_a_number_tells_its_region() -> None:
    assert region_name(74957660166) == "Москва и область"
    assert region_name(74991234567) == "Москва и область"  # by the code, in no range
    assert region_name(78125830000) == "Санкт-Петербург и область"
    assert region_name(79261234567) == "Москва и область"
    assert region_name(79826543210) == "Свердловская область"
    assert region_name(73432000000) == "Свердловская область"
    assert region_name(74232000000) == "Приморский край"
    assert region_name(78005553535) is None
    assert region_name(79070000000) is None  # assigned to nobody
    assert region_name(77012345678) is None
    assert region_name(0) is None
    assert region_name(375291234567) is None


def test_a_number_tells_its_country() -> None:
    numbers = np.array([79261234567, 77012345678, 375291234567, 0, 12345])
    indexes = phone_numbers.find_countries(numbers).tolist()
    assert indexes == [0, 1, -1, -1, -1]


def test_every_region_with_people_has_numbers_and_tax_offices() -> None:
    regions = phone_numbers.load_regions()
    assert sum(region.share for region in regions) == 1000
    stream = RandomStream([1] * 1000)
    for index, region in enumerate(regions):
        assert region.area_codes, region.name
        assert bool(region.share) == bool(region.city) == bool(region.tax_offices)
        assert all(office.startswith(f"{region.id:02d}") for office in region.tax_offices)
        if region.share:
            for kind in ("mobile", "city"):
                chosen = phone_numbers.choose_range(stream, kind, index)
                assert region_name(chosen.first) == region_name(chosen.last) == region.name
    codes = [code for region in regions for code in region.area_codes]
    assert len(codes) == len(set(codes)) == 89
