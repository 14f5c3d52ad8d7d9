"""Rosters and episodes over the admin API; what calls show of them: tests/history."""

from tests.control.conftest import ControlClient

WEEK = "from=2026-03-02T00:00:00&till=2026-03-09T00:00:00"


async def test_a_roster_holds_every_operator_and_marks_who_has_left(
    control: ControlClient,
) -> None:
    operators = (await control.get(f"/api/tenants/demo/roster?{WEEK}"))["operators"]
    tenant = await control.get("/api/tenants/demo")
    assert [each["operator"] for each in operators] == [str(number) for number in range(101, 113)]
    assert [each["operator"] for each in operators if each["left"]] == ["112"]
    assert [each["number"] for each in tenant["arm"]["operators"]] == [
        each["operator"] for each in operators if not each["left"]
    ]
    for each in operators:
        assert each["last_day"] is None or (each["last_day"] < "2026-03-02" and not each["shifts"])
        for shift in each["shifts"]:
            assert shift["from"] < shift["till"] and shift["from"][:10] == shift["till"][:10]
            edges = [shift["from"]]
            for pause in shift["breaks"]:
                assert "status" in pause["status"]
                edges += [pause["from"], pause["till"]]
            assert edges == sorted(edges) and edges[-1] <= shift["till"]


async def test_who_leaves_works_until_his_last_day(control: ControlClient) -> None:
    path = "/api/tenants/demo/roster?from=2025-01-01T00:00:00&till=2026-01-01T00:00:00"
    left = (await control.get(path))["operators"][-1]
    days = [shift["from"][:10] for shift in left["shifts"]]
    assert days and max(days) <= left["last_day"]
    await control.call("PUT", "/api/tenants/demo/clock", {"now": f"{left['last_day']}T12:00:00"})
    operators = (await control.get("/api/tenants/demo"))["arm"]["operators"]
    assert operators[-1]["number"] == "112"


async def test_shifts_of_a_window_begin_in_it_and_episodes_touch_it(control: ControlClient) -> None:
    whole = (await control.get(f"/api/tenants/demo/roster?{WEEK}"))["operators"]
    starts = [shift["from"] for each in whole for shift in each["shifts"]]
    part = "from=2026-03-03T09:00:00&till=2026-03-04T09:00:00"
    found = (await control.get(f"/api/tenants/demo/roster?{part}"))["operators"]
    inside = [start for start in starts if "2026-03-03T09:00" <= start < "2026-03-04T09:00"]
    assert [shift["from"] for each in found for shift in each["shifts"]] == inside
    month = "from=2026-03-01T00:00:00&till=2026-04-01T00:00:00"
    episodes = (await control.get(f"/api/tenants/demo/episodes?{month}"))["episodes"]
    assert len(episodes) > 20
    middle = episodes[5]["from"][:19]
    touching = await control.get(f"/api/tenants/demo/episodes?from={middle}&till={middle[:18]}9")
    assert episodes[5] in touching["episodes"]
    assert all(each["from"] <= f"{middle[:18]}9" for each in touching["episodes"])


async def test_windows_have_a_limit(control: ControlClient) -> None:
    for name in ("roster", "episodes"):
        for query, where in (
            ("from=2015-01-01T00:00:00&till=2030-01-01T00:00:00", "till"),
            ("from=2026-03-02T00:00:00&till=2026-03-01T00:00:00", "till"),
            ("from=soon&till=2026-03-01T00:00:00", "from"),
        ):
            status, problem = await control.call("GET", f"/api/tenants/demo/{name}?{query}")
            assert status == 422 and where in str(problem), problem
