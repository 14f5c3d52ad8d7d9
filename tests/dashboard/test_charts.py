"""Charts: whole numbers, an axis above the highest column, the same bytes when drawn again."""

from __future__ import annotations

import re

import pytest
from lxml import etree

from callmocks.control.dashboard.charts import OUTCOMES, _Bars, _Columns

SVG = "{http://www.w3.org/2000/svg}"


def columns(*totals: int) -> str:
    rows = [(f"{hour:02}:00", (total, 0, 0)) for hour, total in enumerate(totals)]
    return str(_Columns(880, 2).draw(rows))


@pytest.mark.parametrize("highest", [0, 1, 2, 3, 4, 5, 7, 10, 19, 99, 100, 101, 12_345])
def test_the_axis_has_whole_numbers_and_ends_above_the_highest_column(highest: int) -> None:
    axis = etree.fromstring(columns(highest, 0)).findall(f".//{SVG}g[@aria-hidden]/{SVG}text")
    numbers = [text.text or "" for text in axis]
    assert numbers[0] == "0" and all(number.isdigit() for number in numbers)
    assert int(numbers[-1]) > highest and int(numbers[-1]) == 2 * int(numbers[1])


def test_a_chart_is_the_same_bytes_when_drawn_again_and_brings_no_style() -> None:
    rows = [("subscriber_busy", (12,)), ("<b>", (3,))]
    for drawn in (lambda: columns(4, 5), lambda: str(_Bars(350, 5).draw(rows))):
        assert drawn() == drawn()
        assert not re.search(r"<style|<script|style=|<b>", drawn())
    assert _Bars(350, 5).draw([]) == ""


def test_each_column_says_what_it_shows() -> None:
    rows = [("10:00", (1, 2, 3)), ("11:00", (4, 5, 6))]
    tree = etree.fromstring(str(_Columns(350, 2).draw(rows)))
    titles = [title.text for title in tree.iter(f"{SVG}title")]
    assert titles == ["10:00: 1", "11:00: 4", "10:00: 2", "11:00: 5", "10:00: 3", "11:00: 6"]
    assert len(OUTCOMES) == 3
