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
from callmocks.contract.assumptions import Assumption, load_ledger
from callmocks.contract.resources import schema_path
from callmocks.server.mock_server import MockServer
from tests.tenants import assumption_cases_arm, assumption_cases_cdr, assumption_cases_onec
from tests.tenants.assumption_cases import NOW, TENANTS, RecordingClient

CASES = {
    "arm": assumption_cases_arm.CASES,
    "cdr": assumption_cases_cdr.CASES,
    "onec": assumption_cases_onec.CASES,
}


def _choose_text(entry: Assumption) -> str:
    return OTHER_COLUMNS if entry.fields else OTHER_TEXT.get(entry.id, "CHOSEN_BY_TEST")


OTHER_TEXT = {"arm.websocket-path": "cc/elsewhere"}
"""A choice for those that take any text; the rest take CHOSEN_BY_TEST."""

OTHER_COLUMNS = "Gone=Deleted string"
"""A choice for those that take a list of columns."""

ALTERNATIVES = [
    (entry.id, _choose_text(entry) if choice == "*" else choice)
    for entry in load_ledger().values()
    for choice in entry.alternatives
]

Baseline = dict[str, list[tuple[list[object], set[str]]]]
"""For each provider and case: the answers, and the assumptions that journals named."""


def source_texts() -> dict[str, str]:
    root = Path(callmocks.__file__).parent
    return {str(path): path.read_text(encoding="utf-8") for path in root.rglob("*.py")}


def test_every_assumption_in_the_code_is_in_the_ledger() -> None:
    for path, text in source_texts().items():
        asked = re.findall(
            r"(?:use_assumption\(|choices\[|holds\(|refuse\()[^\"()]*\"([a-z]+\.[a-z-]+)\"", text
        )
        asked += re.findall(r"\"((?:arm|cdr|onec|history)\.[a-z]+(?:-[a-z]+)+)\"", text)
        for name in asked:
            assert name in load_ledger(), f"{path}: {name}"


def test_every_choice_of_the_ledger_is_made_somewhere_in_the_code() -> None:
    operations = schema_path("onec/operations.toml").read_text(encoding="utf-8")
    text = "\n".join([*source_texts().values(), operations])
    for entry in load_ledger().values():
        if entry.alternatives:
            assert f'"{entry.id}"' in text, entry.id


def test_entries_are_complete() -> None:
    for entry in load_ledger().values():
        assert entry.id.partition(".")[0] == entry.provider
        assert entry.statement.endswith((".", ".)")) and entry.why.endswith("."), entry.id
        assert entry.default and entry.default not in entry.alternatives
        assert len(set(entry.alternatives)) == len(entry.alternatives)
        assert bool(entry.alternatives) != entry.no_alternative.endswith("."), entry.id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[RecordingClient]:
    settings = ServeSettings(
        arm_port=0, cdr_port=0, onec_port=0, control_port=0, now=NOW, history_from="2026-02-01"
    )
    jar = CookieJar(unsafe=True)  # cookies of an address, not of a name
    async with MockServer(settings) as suite, ClientSession(cookie_jar=jar) as http:
        made = RecordingClient(suite, http)
        for name, more in TENANTS.items():
            if name != "demo":
                url = suite.urls["control"] + "/api/tenants"
                async with http.post(url, json={"name": name, **more}) as answer:
                    assert answer.status == 201, await answer.text()
        yield made


async def reset_tenants(client: RecordingClient) -> None:
    for name in TENANTS:
        await client.call_control("POST", name, "/reset")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def baseline(client: RecordingClient) -> Baseline:
    """What is answered when every assumption has its default; the same each time."""
    found: Baseline = {}
    for provider, cases in CASES.items():
        found[provider] = []
        for case in cases:
            runs: list[Any] = []
            for _ in range(2):
                await reset_tenants(client)
                runs.append(await client.run_case(case))
            assert runs[0] == runs[1], case
            assert runs[0] and not isinstance(runs[0][-1], str), case
            found[provider].append((runs[0], used_assumptions(client)))
    return found


def used_assumptions(client: RecordingClient) -> set[str]:
    """Assumptions that journal entries name."""
    registry = client.suite.registry
    return {
        name
        for tenant in (*registry, registry.unmatched)
        for entry in tenant.journal.read_entries()
        for name in entry.assumptions
    }


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "choice"), ALTERNATIVES)
async def test_each_alternative_changes_behaviour(
    client: RecordingClient, baseline: Baseline, name: str, choice: str
) -> None:
    provider = load_ledger()[name].provider
    runs = zip(CASES[provider], baseline[provider], strict=True)
    # Those that rest on it by default come first.
    for case, (answers, used) in sorted(runs, key=lambda run: name not in run[1][1]):
        await reset_tenants(client)
        for tenant in TENANTS:
            await client.call_control("PUT", tenant, f"/assumptions/{name}", {"choice": choice})
        if await client.run_case(case) != answers:
            assert name in used | used_assumptions(client), "no journal entry names it"
            return
    pytest.fail(f"{name} = {choice} answers as the default does")
