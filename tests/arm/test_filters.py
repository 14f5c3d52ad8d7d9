"""Every filter against a reference in plain Python over the truth and the unfiltered rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from callmocks.contract.resources import schema_path
from callmocks.history.directory import Directory
from callmocks.history.walltime import datetime_to_ms
from tests.arm.conftest import ParsedResponse, RunningArm, Start, basic_auth, request_xml

FROM = "2026/02/16 00:00:00"
OPERATOR = "101"
Row = dict[str, str]


class ReferenceFilter:
    """The meaning of the filters in plain Python."""

    def __init__(self, cast: Directory) -> None:
        self.names = {person.number: person.full_name for person in cast.operators}
        self.groups = {
            person.number: str(cast.groups[person.group].id) for person in cast.operators
        }

    def parties(self, row: Row, what: str) -> tuple[str, str]:
        """Calling party, called party."""
        own, other = row["digits"], row["remote_agent_id"]
        mine, theirs = {
            "number": (own, row["remote_digits"]),
            "agent": (own, other),
            "group": (self.groups[own], self.groups.get(other, "")),
            "name": (self.names[own], row["remote_display_name"]),
        }[what]
        return (mine, theirs) if row["direction"] == "out" else (theirs, mine)

    def keeps(self, row: Row, filters: dict[str, str]) -> bool:
        return all(self._keeps(row, name, value) for name, value in filters.items())

    def _keeps(self, row: Row, name: str, value: str) -> bool:
        if name == "direction":
            return row["direction"] == value
        if name == "from_date":
            return row["start_time"] >= (value if " " in value else f"{value} 00:00:00")
        if name == "to_date":
            last = value if " " in value else f"{value} 23:59:59"
            return row["release_time"] != "" and row["release_time"] <= last
        what, side = WHAT[name]
        a, b = self.parties(row, what)
        fits: Callable[[str], bool] = value.__eq__
        if what == "name":
            fits = lambda text: value.lower() in text.lower()  # noqa: E731
        return (side in "ax" and fits(a)) or (side in "bx" and fits(b))


WHAT = {
    "number": ("number", "x"),
    "from_number": ("number", "a"),
    "to_number": ("number", "b"),
    "cc_agent_id": ("agent", "x"),
    "cc_agent_a_id": ("agent", "a"),
    "cc_agent_b_id": ("agent", "b"),
    "cc_agent_group": ("group", "x"),
    "cc_agent_a_group": ("group", "a"),
    "cc_agent_b_group": ("group", "b"),
    "display_name": ("name", "x"),
    "display_name_a": ("name", "a"),
    "display_name_b": ("name", "b"),
}


async def everything(demo: RunningArm, **filters: object) -> list[Row]:
    return (await demo.history(OPERATOR, limit=10_000, from_date=FROM, **filters)).rows


@pytest.mark.proves("arm.filters")
def test_every_attribute_of_the_schema_is_a_filter_of_this_test() -> None:
    xsd = "{http://www.w3.org/2001/XMLSchema}"
    schema = etree.parse(str(schema_path("arm/operator_call_history.xsd")))
    filters = schema.find(f".//{xsd}complexType[@name='Filters']")
    assert filters is not None
    declared = {attribute.get("name") for attribute in filters.iter(f"{xsd}attribute")}
    others = {"offset", "limit", "tag", "skip_incomplete", "direction", "from_date", "to_date"}
    assert declared == set(WHAT) | others


@pytest.mark.proves("arm.scope", "arm.skip-incomplete", "arm.own-legs")
async def test_the_unfiltered_rows_are_those_of_the_truth(demo: RunningArm) -> None:
    rows = await everything(demo)
    start, now = datetime(2026, 2, 16), datetime(2026, 3, 2, 12)
    expected = {
        shown.call_ref
        for call in demo.tenant.history.truth_between(
            datetime_to_ms(start), datetime_to_ms(now), datetime_to_ms(now)
        )
        for shown in call.arm
        if shown.operator == OPERATOR
    }
    refs = [row["call_ref"] for row in rows]
    assert len(set(refs)) == len(refs)
    unfinished = {row["call_ref"] for row in await everything(demo, skip_incomplete="false")}
    assert unfinished == expected
    assert set(refs) <= expected


def values(rows: list[Row], reference: ReferenceFilter) -> dict[str, st.SearchStrategy[str]]:
    """For each filter, values that hit and some that miss."""
    remote = sorted({row["remote_digits"] for row in rows if row["remote_digits"]})
    numbers = st.sampled_from([*remote[:40], OPERATOR, *reference.names, "79000000000"])
    groups = st.sampled_from([*set(reference.groups.values()), "0"])
    names = sorted({row["remote_display_name"] for row in rows if row["remote_display_name"]})
    pieces = [name[1:6] for name in names[:30]] + [name.split()[0].upper() for name in names[:30]]
    texts = st.sampled_from([*pieces, *(n.lower() for n in reference.names.values()), "ов", "$^.*"])
    times = sorted({row["start_time"] for row in rows} | {row["release_time"] for row in rows})
    dates = st.sampled_from(times) | st.sampled_from(times).map(lambda text: text[:10])
    by_kind = {"number": numbers, "agent": numbers, "group": groups, "name": texts}
    found = {name: by_kind[what] for name, (what, _) in WHAT.items()}
    found |= {"from_date": dates, "to_date": dates, "direction": st.sampled_from(["in", "out"])}
    return found


@pytest.mark.proves("arm.to-date", "arm.party-filters", "arm.display-name", "arm.date-without-time")
async def test_random_filters_agree_with_the_reference_filter(demo: RunningArm) -> None:
    rows = await everything(demo)
    reference = ReferenceFilter(demo.tenant.history.directory)
    choices = values(rows, reference)
    tried: list[dict[str, str]] = []

    @settings(max_examples=150, database=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sets(st.sampled_from(sorted(choices)), min_size=1, max_size=3).flatmap(
            lambda names: st.fixed_dictionaries({name: choices[name] for name in names})
        )
    )
    def collect(filters: dict[str, str]) -> None:
        tried.append(filters)

    collect()
    hits = 0
    for filters in tried:
        got = await demo.history(OPERATOR, limit=10_000, **{"from_date": FROM, **filters})
        expected = [
            row["call_ref"]
            for row in rows
            if reference.keeps(row, filters) and row["start_time"] >= FROM
        ]
        assert got.refs == expected, filters
        hits += bool(expected)
    assert hits > 15


@pytest.mark.proves("arm.party-filters", "arm.display-name")
@pytest.mark.parametrize("name", sorted(WHAT))
async def test_each_filter_alone_keeps_some_rows_and_drops_some(
    demo: RunningArm, name: str
) -> None:
    rows = await everything(demo)
    reference = ReferenceFilter(demo.tenant.history.directory)
    what, side = WHAT[name]
    value = next(
        party
        for row in rows
        for party in reference.parties(row, what)[0 if side in "ax" else 1 :]
        if party and 0 < sum(reference.keeps(r, {name: party}) for r in rows) < len(rows)
    )
    got = await everything(demo, **{name: value})
    assert got == [row for row in rows if reference.keeps(row, {name: value})]


@pytest.mark.proves("arm.to-date", "arm.date-without-time")
async def test_dates_include_their_second_and_a_day_is_a_whole_day(demo: RunningArm) -> None:
    rows = await everything(demo)
    one = rows[len(rows) // 2]
    exactly = await demo.history(OPERATOR, from_date=one["start_time"], to_date=one["release_time"])
    assert one["call_ref"] in exactly.refs
    later = datetime.strptime(one["start_time"], "%Y/%m/%d %H:%M:%S") + timedelta(seconds=1)
    missed = await demo.history(OPERATOR, limit=1000, from_date=later.strftime("%Y/%m/%d %H:%M:%S"))
    assert one["call_ref"] not in missed.refs
    day = one["start_time"][:10]
    of_day = await demo.history(OPERATOR, limit=1000, from_date=day, to_date=day)
    assert of_day.refs == [row["call_ref"] for row in rows if row["start_time"].startswith(day)]


async def test_offset_and_limit_cut_the_same_list(demo: RunningArm) -> None:
    rows = await everything(demo)
    for offset, limit in ((0, 1), (0, 7), (5, 10), (40, 200), (len(rows) - 1, 5), (len(rows), 5)):
        got = await demo.history(OPERATOR, offset=offset, limit=limit, from_date=FROM)
        assert got.rows == rows[offset : offset + limit]


@pytest.mark.proves("arm.scope")
async def test_the_scope_is_the_operators_own_calls_whatever_is_filtered(demo: RunningArm) -> None:
    rows = (await demo.history("101", cc_agent_id="111", limit=1000, from_date=FROM)).rows
    assert rows
    assert all(row["digits"] == "101" and row["remote_agent_id"] == "111" for row in rows)


def is_error_about(answer: ParsedResponse, attribute: str) -> bool:
    return answer.status == 200 and answer.error.startswith(f"/in/request/filters/@{attribute}: ")


@pytest.mark.proves("arm.limit-most", "arm.filter-bytes", "arm.error-status")
@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("limit", "0"), ("limit", "-1"), ("limit", "10001"), ("limit", "9" * 5000), ("limit", "x"),
        ("limit", ""), ("limit", "1.5"), ("offset", "-1"), ("offset", "9" * 20), ("offset", " "),
        ("from_date", "2026-03-02"), ("from_date", "2026/02/30 10:00:00"), ("from_date", "вчера"),
        ("from_date", "2026/03/02T10:00:00"), ("to_date", "2026/13/01"), ("to_date", "0000/01/01"),
        ("to_date", "2026/03/02 24:00:00"), ("direction", "sideways"),
        ("skip_incomplete", "no"), ("tag", "x"), ("display_name", "я" * 3000),
    ],
)  # fmt: skip
async def test_a_value_out_of_bounds_is_an_error_that_names_the_attribute(
    demo: RunningArm, attribute: str, value: str
) -> None:
    answer = await demo.history(OPERATOR, **{attribute: value})
    assert is_error_about(answer, attribute), answer.error
    entry = demo.journal()[-1]
    assert [violation.where for violation in entry.violations] == [
        f"/in/request/filters/@{attribute}"
    ]
    assert {"arm.error-status"} <= set(entry.assumptions)


@pytest.mark.proves("arm.party-filters")
async def test_number_wildcards_are_not_invented(demo: RunningArm) -> None:
    number = next(row["remote_digits"] for row in await everything(demo) if row["remote_digits"])
    assert await everything(demo, number=number)
    for wild in (number[:-1] + "*", number[:-1] + "?", number[:-1] + "%", number[:-1]):
        assert await everything(demo, number=wild) == []


@pytest.mark.proves("arm.party-filters")
@pytest.mark.parametrize("name", ["number", "from_number", "to_number"])
async def test_a_percent_sign_stands_for_any_text_when_chosen(demo: RunningArm, name: str) -> None:
    demo.tenant.assumptions.set_choice("arm.party-filters", "wildcards")
    rows = await everything(demo)
    reference = ReferenceFilter(demo.tenant.history.directory)
    side = {"a": slice(1), "b": slice(1, 2), "x": slice(2)}[WHAT[name][1]]
    number = next(row["remote_digits"] for row in rows if len(row["remote_digits"]) == 11)
    for wild in ("%", "79%", f"%{number[3:7]}%", f"{number[:4]}%{number[8:]}", "10%", "7.%", "1__"):
        pattern = re.compile(".*".join(map(re.escape, wild.split("%"))))
        found = await everything(demo, **{name: wild})
        assert found == [
            row
            for row in rows
            if any(pattern.fullmatch(party) for party in reference.parties(row, "number")[side])
        ], wild
    by_group = await everything(demo, cc_agent_group="%")
    assert by_group == []


@pytest.mark.parametrize("value", ["true", "1", " true "])
async def test_booleans_and_numbers_may_be_written_in_all_the_schemas_ways(
    demo: RunningArm, value: str
) -> None:
    answer = await demo.history(OPERATOR, skip_incomplete=value, limit="+05", offset=" 0 ")
    assert len(answer.rows) == 5


@pytest.mark.proves("arm.empty-filter")
async def test_empty_filters_count_as_not_given_unless_chosen_otherwise(demo: RunningArm) -> None:
    names = ("number", "from_date", "display_name", "cc_agent_id", "tag", "offset", "direction")
    empty = dict.fromkeys((*names, "skip_incomplete"), "")
    plain = await demo.history(OPERATOR)
    assert (await demo.history(OPERATOR, **empty)).refs == plain.refs
    assert "arm.empty-filter" in demo.journal()[-1].assumptions
    missing = await demo.history(OPERATOR, limit="")
    assert missing.error.endswith("@limit: expected this attribute, it is required, got none")
    demo.tenant.assumptions.set_choice("arm.empty-filter", "literal")
    for name in ("limit", "offset", "direction"):
        assert is_error_about(await demo.history(OPERATOR, **{name: ""}), name)
    anonymous = await demo.history(OPERATOR, from_number="")
    assert anonymous.rows
    assert {row["remote_digits"] for row in anonymous.rows} == {""}
    assert is_error_about(await demo.history(OPERATOR, from_date=""), "from_date")


@pytest.mark.proves("arm.empty-filter")
async def test_the_profile_strict_takes_empty_filters_to_the_letter(start: Start) -> None:
    strict = await start(contract="strict")
    for name in ("limit", "offset", "direction", "skip_incomplete"):
        given = {"limit": 5, "offset": 0, name: ""}
        assert is_error_about(await strict.history(OPERATOR, **given), name)


@pytest.mark.proves("arm.to-date", "arm.date-without-time", "arm.display-name", "arm.limit-most")
async def test_choices_of_the_ledger_change_what_filters_mean(demo: RunningArm) -> None:
    rows = await everything(demo)
    choose = demo.tenant.assumptions.set_choice
    choose("arm.to-date", "start")
    by_start = await everything(demo, to_date=rows[5]["start_time"])
    assert [row["call_ref"] for row in by_start] == [row["call_ref"] for row in rows[5:]]
    choose("arm.date-without-time", "refused")
    assert is_error_about(await demo.history(OPERATOR, from_date="2026/03/02"), "from_date")
    choose("arm.display-name", "equal")
    name = next(row["remote_display_name"] for row in rows if row["remote_display_name"])
    whole, part = [await everything(demo, display_name=text) for text in (name, name[:-1])]
    assert whole
    assert not part
    choose("arm.limit-most", "100")
    assert is_error_about(await demo.history(OPERATOR, limit=101), "limit")


@pytest.mark.proves("arm.error-status")
async def test_an_error_of_the_command_may_travel_with_another_status(demo: RunningArm) -> None:
    demo.tenant.assumptions.set_choice("arm.error-status", "400")
    body = request_xml(limit=0)
    answer = await demo.post("operator_call_history", body, basic_auth(OPERATOR))
    assert answer.status == 400
    assert answer.error.startswith("/in/request/filters/@limit")
