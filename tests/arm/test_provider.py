"""What the journal and the ledger tell about the workplace, and what faults may ask of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callmocks import arm
from callmocks.contract.assumptions import load_ledger
from callmocks.contract.resources import fixture_path
from callmocks.server.providers import PROVIDERS
from callmocks.tenants.exchange import Exchange
from tests.arm.conftest import ArmSocket, RunningArm, basic_auth, parse_frame, request_xml

HISTORY = "operator_call_history"
SOURCES = "".join(path.read_text() for path in Path(arm.__file__).parent.glob("*.py"))
CALLS = re.findall(r"(?:assumptions?\(|choices\[)([^)\]]*)[)\]]", SOURCES)
USED = re.findall(r'"(arm\.[^"]+)"', "".join(CALLS))
OURS = [entry for entry in load_ledger().values() if entry.provider == "arm"]


def test_every_assumption_the_code_uses_is_in_the_ledger_and_changeable() -> None:
    assert set(USED) <= set(load_ledger())
    changeable = {entry.id for entry in OURS if entry.alternatives}
    assert changeable <= set(USED), "an alternative that nothing looks at"


def test_the_ledger_says_why() -> None:
    assert len(OURS) > 20
    for entry in OURS:
        assert entry.id.startswith("arm.")
        assert len(entry.statement) > 30
        assert entry.why.endswith(".")


async def test_the_journal_names_the_assumptions_an_answer_rests_on(demo: RunningArm) -> None:
    async with demo.connect("101") as raw:
        await ArmSocket(raw).history(limit=5, to_date="2026/03/01", display_name="а")
    entry = demo.journal()[-1]
    assert {
        "arm.message", "arm.opcode", "arm.frame-length", "arm.session-minutes", "arm.limit-most",
        "arm.to-date", "arm.date-without-time", "arm.display-name", "arm.url-list",
    } <= set(entry.assumptions)  # fmt: skip
    assert "arm.tag-filters" not in entry.assumptions
    assert (entry.provider, entry.operation, entry.status) == ("arm", HISTORY, 200)


async def test_every_assumption_that_something_rests_on_is_named_somewhere() -> None:
    silent = {entry.id for entry in OURS} - set(USED)
    assert silent == {"arm.frame-pad"}  # holds for reading alone: both pads are taken


async def test_fields_are_the_same_of_a_frame_and_of_a_document(demo: RunningArm) -> None:
    ours = PROVIDERS["arm"]
    assert ours is not None
    assert ours.read_fields(fixture_path("documented/arm/request.frame").read_bytes()) == {
        "filters.limit": "50"
    }
    assert ours.read_fields(request_xml(limit=50).encode()) == {"filters.limit": "50"}
    login = b'<in><request login="101" password="demo"/></in>'
    assert ours.read_fields(login) == {"request.login": "101", "request.password": "demo"}
    for unreadable in (b"", b"x", b"<in>", b"01000000"):
        assert ours.read_fields(unreadable) == {}


async def test_faults_get_errors_in_the_shape_of_the_transport(demo: RunningArm) -> None:
    ours = PROVIDERS["arm"]
    assert ours is not None
    frame = fixture_path("documented/arm/request.frame").read_bytes()
    for name in ours.list_errors():
        framed = Exchange.start(demo.tenant, PROVIDERS["arm"], frame, transport="frame")
        assert ours.find_operation(framed) == HISTORY
        framed.operation = HISTORY
        answer = parse_frame(ours.error_reply(framed, name, {"text": "timeout"}).body)
        assert (answer.id, answer.error) == ("0012", "timeout")
        posted = Exchange.start(demo.tenant, PROVIDERS["arm"], b"<in/>", operation=HISTORY)
        assert b">timeout</error>" in ours.error_reply(posted, name, {"text": "timeout"}).body
    damaged = Exchange.start(demo.tenant, PROVIDERS["arm"], b"zz", transport="frame")
    assert ours.find_operation(damaged) == ""
    assert parse_frame(ours.error_reply(damaged, "unauthorized", {}).body).id == "0000"
    with pytest.raises(KeyError):
        ours.error_reply(damaged, "no_such_error", {})


async def test_own_answers_are_not_checked_when_that_is_switched_off(
    demo: RunningArm, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callmocks.arm import schema

    async def checks() -> int:
        seen = []
        with monkeypatch.context() as patch:
            real = schema.Schema.validate_bytes

            def counted(self: schema.Schema, document: bytes) -> list[schema.SchemaViolation]:
                seen.append(document)
                return real(self, document)

            patch.setattr(schema.Schema, "validate_bytes", counted)
            await demo.post(HISTORY, request_xml(limit=3), basic_auth("109"))
        return len(seen)

    assert await checks() > 0
    demo.tenant.settings.self_check = False
    assert await checks() == 0
