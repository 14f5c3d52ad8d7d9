"""The ledger of assumptions: whole, and every alternative of it really changes behaviour."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, CookieJar

import callmocks
from callmocks.config.settings import ServeSettings
from callmocks.contract.assumptions import ledger
from callmocks.server.mock_server import Suite
from tests.tenants import assumption_cases_arm, assumption_cases_cdr, assumption_cases_onec
from tests.tenants.assumption_cases import NOW, TENANTS, Stage

SCENES = {
    "arm": assumption_cases_arm.SCENES,
    "cdr": assumption_cases_cdr.SCENES,
    "onec": assumption_cases_onec.SCENES,
}
OTHER_TEXT = {"arm.websocket-path": "cc/elsewhere"}
"""A choice for those that take any text; the rest take CHOSEN_BY_TEST."""

ALTERNATIVES = [
    (entry.id, OTHER_TEXT.get(entry.id, "CHOSEN_BY_TEST") if choice == "*" else choice)
    for entry in ledger().values()
    for choice in entry.alternatives
]

Baseline = dict[str, list[tuple[list[object], set[str]]]]
"""For each provider and scene: the answers, and the assumptions that journals named."""


def code() -> dict[str, str]:
    root = Path(callmocks.__file__).parent
    return {str(path): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}


def test_every_assumption_in_the_code_is_in_the_ledger() -> None:
    for path, text in code().items():
        asked = re.findall(r"(?:assume|choice|holds|refuse)\([^\"()]*\"([a-z]+\.[a-z-]+)\"", text)
        asked += re.findall(r"\"((?:arm|cdr|onec|history)\.[a-z]+(?:-[a-z]+)+)\"", text)
        for name in asked:
            assert name in ledger(), f"{path}: {name}"


def test_every_choice_of_the_ledger_is_made_somewhere_in_the_code() -> None:
    text = "\n".join(code().values())
    for entry in ledger().values():
        if entry.alternatives:
            assert f'"{entry.id}"' in text, entry.id


def test_entries_are_complete() -> None:
    for entry in ledger().values():
        assert entry.id.partition(".")[0] == entry.provider
        assert entry.statement.endswith((".", ".)")) and entry.why.endswith("."), entry.id
        assert entry.default and entry.default not in entry.alternatives
        assert len(set(entry.alternatives)) == len(entry.alternatives)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    settings = ServeSettings(
        arm_port=0, cdr_port=0, onec_port=0, control_port=0, now=NOW, history_from="2026-02-01"
    )
    jar = CookieJar(unsafe=True)  # cookies of an address, not of a name
    async with Suite(settings) as suite, ClientSession(cookie_jar=jar) as http:
        made = Stage(suite, http)
        for name, more in TENANTS.items():
            if name != "demo":
                url = suite.urls["control"] + "/api/tenants"
                async with http.post(url, json={"name": name, **more}) as answer:
                    assert answer.status == 201, await answer.text()
        yield made


async def reset(stage: Stage) -> None:
    for name in TENANTS:
        await stage.control("POST", name, "/reset")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def baseline(stage: Stage) -> Baseline:
    """What is answered when every assumption has its default; the same each time."""
    found: Baseline = {}
    for provider, scenes in SCENES.items():
        found[provider] = []
        for scene in scenes:
            runs: list[Any] = []
            for _ in range(2):
                await reset(stage)
                runs.append(await stage.play(scene))
            assert runs[0] == runs[1], scene
            assert runs[0] and not isinstance(runs[0][-1], str), scene
            found[provider].append((runs[0], leaned_on(stage)))
    return found


def leaned_on(stage: Stage) -> set[str]:
    """Assumptions that journal entries name."""
    registry = stage.suite.registry
    return {
        name
        for tenant in (*registry, registry.nobody)
        for entry in tenant.journal.entries()
        for name in entry.assumptions
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "choice"), ALTERNATIVES)
async def test_each_alternative_changes_behaviour(
    stage: Stage, baseline: Baseline, name: str, choice: str
) -> None:
    provider = ledger()[name].provider
    for scene, (answers, leaned) in zip(SCENES[provider], baseline[provider], strict=True):
        await reset(stage)
        for tenant in TENANTS:
            await stage.control("PUT", tenant, f"/assumptions/{name}", {"choice": choice})
        if await stage.play(scene) != answers:
            assert name in leaned | leaned_on(stage), "no journal entry names it"
            return
    pytest.fail(f"{name} = {choice} answers as the default does")
