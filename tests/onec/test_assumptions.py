"""Each assumption is a setting: what it does by default, and with each alternative."""

from __future__ import annotations

import pytest

from callmocks.onec import read_answer
from callmocks.onec.contract import load_operations
from tests.onec.assumption_probes import LONG, MINE, OTHER, OTHER_COLUMNS, PROBES, SHORT
from tests.onec.conftest import Client, Service, make_call

RECORDED_CHOICES = {
    (operation.columns_choice, MINE[operation.columns_choice].default)
    for operation in load_operations().values()
    if operation.recorded
}
CASES = [(name, choice) for name, (_, _, expected) in PROBES.items() for choice in expected]


def test_every_assumption_and_every_choice_has_a_probe() -> None:
    assert set(PROBES) == {name for name, entry in MINE.items() if entry.alternatives}
    for name, (_, _, expected) in PROBES.items():
        entry = MINE[name]
        assert {entry.default, *entry.alternatives} == set(expected), name
        assert (entry.statement.endswith(".") and entry.why.endswith(".")) or entry.statement


@pytest.mark.proves(
    "onec.day-clock",
    "onec.failed-callee",
    "onec.code-too-many-rows",
    "onec.body-limit",
    "onec.failed-call-time",
    "onec.row-order",
    "onec.failed-duration",
    "onec.version-mismatch",
    "onec.fault-status",
    "onec.body-elements",
    "onec.request-encoding",
)
@pytest.mark.parametrize(("name", "choice"), CASES)
def test_a_choice_has_its_effect_and_is_journaled(service: Service, name: str, choice: str) -> None:
    settings, observe, expected = PROBES[name]
    client = service.client(**settings)
    other = OTHER_COLUMNS if MINE[name].fields else OTHER
    client.tenant.assumptions.set_choice(name, other if choice == "*" else choice)
    assert observe(client) == expected[choice]
    leaned_on = {entry for record in client.journal for entry in record.assumptions}
    # That columns are as recorded ones is not assumed.
    assert (name in leaned_on) == ((name, choice) not in RECORDED_CHOICES)


def test_an_answer_names_only_the_assumptions_it_rests_on(client: Client) -> None:
    client.records(SHORT)
    assert set(client.journal[-1].assumptions) == {
        "onec.answer-layout",
        "onec.day-hours",
        "onec.day-clock",
        "onec.period-bounds",
        "onec.row-order",
    }
    assert read_answer(client.post(make_call("DepartmentRead")).content)["ResultCode"] == "SUCCESS"
    assert client.journal[-1].assumptions == ()
    assert client.code(LONG) == "SUCCESS"
