"""What faults keep and show has bounds: a tenant may have a thousand of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

from callmocks.control.answers import PendingAnswer
from callmocks.control.dashboard import render
from callmocks.control.faults import NewFault
from callmocks.control.problems import ProblemError
from callmocks.faults.active import MAX_ACTIVE_FAULTS, FaultScope
from callmocks.faults.status import MAX_BODY_CHARS
from callmocks.server.providers import FAULT_TYPES
from callmocks.tenants.scenario import FaultSetting, FaultState, TenantScenario
from tests.control.conftest import ControlClient

FAULTS, PAGE = "/api/tenants/demo/faults", "/tenants/demo/faults"
MODELS = [kind.model for kind in FAULT_TYPES.values()] + [FaultScope, FaultSetting, FaultState]
LENGTHY = inspect.StrType | inspect.BytesType | inspect.CollectionType | inspect.DictType


def find_unbounded(kind: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(kind, LENGTHY) and kind.max_length is None:
        yield path
    if isinstance(kind, inspect.Metadata):
        yield from find_unbounded(kind.type, path)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from find_unbounded(each, path)
    elif isinstance(kind, inspect.CollectionType):
        yield from find_unbounded(kind.item_type, f"{path}[]")
    elif isinstance(kind, inspect.DictType):
        yield from find_unbounded(kind.key_type, f"{path} key")
        yield from find_unbounded(kind.value_type, f"{path} value")
    elif isinstance(kind, inspect.StructType):
        for field in kind.fields:
            yield from find_unbounded(field.type, f"{path}.{field.name}")


@pytest.mark.parametrize("model", [*MODELS, NewFault], ids=lambda model: model.__name__)
def test_every_text_and_list_of_a_fault_has_a_maximum(model: type) -> None:
    described = inspect.type_info(model)
    unbounded = set(find_unbounded(described, model.__name__))
    # What a setting has as parameters is read, and kept, as those of its kind.
    params = {f"{model.__name__}.params", f"{model.__name__}.params key"}
    assert unbounded == (params if issubclass(model, FaultSetting) else set())


def test_a_scenario_has_no_more_faults_than_a_tenant() -> None:
    (field,) = [f for f in inspect.type_info(TenantScenario).fields if f.name == "faults"]  # type: ignore[attr-defined]
    assert field.type.max_length == MAX_ACTIVE_FAULTS


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"params": {"body": "x" * (MAX_BODY_CHARS + 1)}}, "$.params.body"),
        ({"operation": "x" * 257, "unlisted": True}, "$.operation"),
    ],
)
async def test_a_longer_text_is_refused(
    control: ControlClient, more: dict[str, Any], where: str
) -> None:
    body = {"provider": "cdr", "fault": "status", **more}
    status, problem = await control.call("POST", FAULTS, body)
    assert (status, problem["where"]) == (422, where)
    assert "of length <=" in str(problem)


async def test_faults_are_listed_one_at_a_time(
    control: ControlClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[object] = []
    encode = PendingAnswer.encode

    def note(answer: PendingAnswer, value: object) -> Any:
        encoded.append(value)
        return encode(answer, value)

    monkeypatch.setattr(PendingAnswer, "encode", note)
    for _ in range(3):
        await control.post(FAULTS, {"provider": "cdr", "fault": "close"})
    assert len((await control.get(FAULTS))["faults"]) == len(encoded) == 3


def test_no_more_of_a_page_is_rendered_than_it_may_have() -> None:
    made: list[int] = []

    def pieces() -> Iterator[str]:
        for number in range(100):
            made.append(number)
            yield "x" * (render.MAX_PAGE_BYTES // 4)

    with pytest.raises(ProblemError, match="more than 2000000 bytes"):
        render._join_pieces(pieces())
    assert len(made) == 5


async def test_the_page_shows_the_longest_faults_shortened(control: ControlClient) -> None:
    params = {"body": '"' * MAX_BODY_CHARS, "headers": {f"X-{n}": '"' * 400 for n in range(20)}}
    scope = FaultScope(operation='"' * 256, unlisted=True)
    tenant = control.registry.get("demo")
    assert tenant is not None
    for _ in range(MAX_ACTIVE_FAULTS):
        tenant.faults.enable("cdr", "status", params, scope)
    async with control.session.get(control.url + PAGE) as page:
        text = await page.text()
    assert page.status == 200 and "&#34;" * 50 in text and "&#34;" * 200 not in text
