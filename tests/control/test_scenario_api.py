"""A tenant as one document, out of one suite and into another."""

from __future__ import annotations

from tests.control.conftest import ControlClient

SCENARIO = "/api/tenants/demo/scenario"


async def test_what_is_exported_comes_back(control: ControlClient) -> None:
    calls = [{"start": f"2026-03-02T03:0{minute}:00", "talk_seconds": 9} for minute in range(3)]
    made = [await control.post("/api/tenants/demo/calls", call) for call in calls]
    await control.call("DELETE", f"/api/tenants/demo/calls/{made[0]['id']}")
    await control.call("DELETE", f"/api/tenants/demo/calls/{made[2]['id']}")
    await control.post("/api/tenants/demo/calls", calls[0])
    fault = {"provider": "cdr", "fault": "delay", "times": 3, "params": {"ms": 1}}
    await control.post("/api/tenants/demo/faults", fault)
    await control.call("DELETE", "/api/tenants/demo/faults/f1")
    await control.post("/api/tenants/demo/faults", fault)
    await control.post("/api/tenants/demo/clock/advance", {"seconds": 3600})
    exported = await control.get(SCENARIO)
    print(exported)
    shown = await control.get("/api/tenants/demo/calls")
    status, again = await control.call("PUT", SCENARIO, exported)
    assert (status, again) == (200, exported)
    assert await control.get("/api/tenants/demo/calls") == shown
    assert (await control.get("/api/tenants/demo/clock"))["now"] == "2026-03-02T13:00:00"
