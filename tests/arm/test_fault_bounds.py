"""What faults make of an answer has bounds, however many are switched on."""

from __future__ import annotations

from collections import Counter

import pytest

from callmocks.arm.faults import split
from callmocks.contract.xml import MAX_ATTRIBUTES
from callmocks.faults import base
from callmocks.faults.active import FaultScope
from callmocks.tenants.exchange import Reply
from tests.arm.conftest import ArmSocket, RunningArm, request_json

MAX_BYTES = 100_000


def add_attributes(workplace: RunningArm, count: int, value: str = "") -> None:
    for number in range(count):
        params = {"name": f"a{number}", "value": value}
        workplace.tenant.faults.enable("arm", "undeclared_attribute", params, FaultScope())


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of the answers that a fault has made longer."""
    made: list[int] = []
    modify = base.modify_response

    def note_size(fault: base.Fault, context: base.FaultContext, reply: Reply) -> Reply | None:
        changed = modify(fault, context, reply)
        made.append(len(changed.body) if changed else 0)
        return changed

    monkeypatch.setattr("callmocks.tenants.pipeline.modify_response", note_size)
    monkeypatch.setattr(base, "MAX_CHANGED_BYTES", MAX_BYTES)
    return made


async def test_faults_lengthen_an_answer_up_to_a_bound(demo: RunningArm, sizes: list[int]) -> None:
    add_attributes(demo, 100, "я" * 400)
    page = await demo.history(limit=50)
    assert page.status == 503
    expected = f"fault undeclared_attribute: answers of at most {MAX_BYTES} bytes are changed, not"
    assert expected in page.error
    assert 0 < len(sizes) < 3 and max(sizes) <= MAX_BYTES
    async with demo.connect("101") as raw:
        frame = await ArmSocket(raw).history(limit=50)
    assert frame.status == 503 and expected in frame.error
    assert max(sizes) <= MAX_BYTES
    for entry in demo.journal():
        assert entry.status == 503 and any(expected in note for note in entry.notes)
        assert set(entry.faults) == {"undeclared_attribute"}
    assert len(demo.journal()) == 2
    demo.tenant.faults.disable_all()
    add_attributes(demo, 1, "я" * 400)
    assert (await demo.history(limit=50)).status == 200


async def test_a_longer_attribute_is_refused_before_it_is_added(
    demo: RunningArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserved: list[int] = []
    monkeypatch.setattr(base, "MAX_CHANGED_BYTES", MAX_BYTES)
    add_attributes(demo, 1, '"' * 1000)  # six bytes each in XML
    reserve = base.FaultContext.reserve_answer

    def note(context: base.FaultContext, size: int) -> None:
        reserved.append(size)
        reserve(context, size)

    monkeypatch.setattr(base.FaultContext, "reserve_answer", note)
    assert (await demo.history(limit=50)).status == 503
    before, announced = reserved
    assert announced == before + 50 * len(' a0=""' + "&quot;" * 1000)


async def test_an_answer_that_a_fault_would_read_has_a_bound_too(
    demo: RunningArm, sizes: list[int]
) -> None:
    size = len((await demo.history(limit=400)).body)
    assert size > MAX_BYTES
    demo.tenant.faults.enable("arm", "breaks_xsd", {}, FaultScope())
    page = await demo.history(limit=400)
    assert page.status == 503 and f"changed, not of {size}" in page.error


async def test_an_element_gets_a_bounded_number_of_attributes(demo: RunningArm) -> None:
    add_attributes(demo, MAX_ATTRIBUTES + 1)
    page = await demo.history(limit=1)
    assert page.status == 503
    assert f"an element has at most {MAX_ATTRIBUTES} attributes" in page.error


async def test_a_frame_is_split_into_a_bounded_number_of_messages(demo: RunningArm) -> None:
    faults = [
        demo.tenant.faults.enable("arm", "split", {"pieces": 100}, FaultScope(times=1))
        for _ in range(4)
    ]
    async with demo.connect("101") as raw:
        socket = ArmSocket(raw)
        await socket.send("operator_call_history", request_json(limit=50))
        pieces, text = 0, b""
        while len(text) < 19 or len(text) < int(text[2:12]):
            text += await raw.recv()
            pieces += 1
    assert pieces <= split.MAX_PIECES
    assert Counter(fault.applied_count for fault in faults) == {1: 2, 0: 2}
