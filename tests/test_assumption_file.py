"""``serve --assumptions FILE``: the choices of the demo tenant, and the default of later ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import callmocks
from callmocks.cli.commands import group
from callmocks.config.options import resolve_settings
from callmocks.errors import AdminError, SettingsError


def chosen(tenant: Any) -> dict[str, str]:
    ledger = tenant.request("GET", "assumptions")["assumptions"]
    return {entry["id"]: entry["choice"] for entry in ledger}


def test_choices_of_a_file_hold_for_all_tenants(tmp_path: Path) -> None:
    file = tmp_path / "choices.toml"
    file.write_text('[assumptions]\n"cdr.error-limits" = "absent"\n"arm.opcode" = "text"\n')
    with callmocks.running(assumptions=file, only=("cdr",)) as mocks:
        wanted = {"cdr.error-limits": "absent", "arm.opcode": "text"}
        assert chosen(mocks.demo).items() >= wanted.items()
        own = {"arm.opcode": "binary"}
        with mocks.tenant(assumptions=own) as tenant:
            assert chosen(tenant).items() >= (wanted | own).items()


def test_the_file_is_read_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "choices.toml"
    file.write_text('[assumptions]\n"cdr.error-limits" = "sometimes"\n')
    message = r'assumptions: .*"cdr.error-limits": .sometimes. is none of present, '
    with pytest.raises(SettingsError, match=message):
        resolve_settings({"assumptions": str(file)}, ("assumptions",), "CALLMOCKS")


TEXT = "onec.code-unknown-parameter"
BAD_TEXTS = {
    "a\0b": "it holds '\\x00', which no line of XML can hold",
    "\x1f": "it holds '\\x1f', which",
    "a\nb": "it holds '\\n', which",
    "\ufffe": "it holds '\\ufffe', which",
    "\uffff": "it holds '\\uffff', which",
    "x" * 2001: "it has 2001 characters, more than 2000",
}
WAYS: dict[str, Callable[[Any, dict[str, str]], object]] = {
    "PUT choice": lambda mocks, chosen: mocks.demo.request(
        "PUT", f"assumptions/{TEXT}", {"choice": chosen[TEXT]}
    ),
    "POST tenant": lambda mocks, chosen: mocks.tenant(assumptions=chosen),
    "PUT scenario": lambda mocks, chosen: mocks.demo.request(
        "PUT", "scenario", {"assumptions": chosen}
    ),
}


@pytest.fixture(scope="module")
def mocks() -> Any:
    with callmocks.running(only=("onec",)) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", BAD_TEXTS, ids=lambda text: repr(text[:3]))
def test_a_text_that_no_answer_can_hold_is_refused(mocks: Any, text: str, way: str) -> None:
    with pytest.raises(AdminError) as raised:
        WAYS[way](mocks, {TEXT: text})
    assert raised.value.status == 422
    assert BAD_TEXTS[text] in str(raised.value)
    assert len(str(raised.value)) < 500
    assert chosen(mocks.demo)[TEXT] == "PARAM_UNKNOWN"


@pytest.mark.parametrize("name", ["onec.realm", "arm.error-reason", "arm.websocket-path"])
def test_it_is_refused_wherever_any_text_is_a_choice(mocks: Any, name: str) -> None:
    with pytest.raises(AdminError, match="which no line of XML can hold"):
        mocks.demo.request("PUT", f"assumptions/{name}", {"choice": "a\x01"})
    mocks.demo.request("PUT", f"assumptions/{name}", {"choice": "ё" * 2000})
    mocks.demo.reset()


@pytest.mark.parametrize("text", BAD_TEXTS, ids=lambda text: repr(text[:3]))
def test_a_file_with_such_a_text_is_refused(tmp_path: Path, text: str) -> None:
    choices, scenario = tmp_path / "choices.toml", tmp_path / "scenario.json"
    written = json.dumps(text)
    choices.write_text(f'[assumptions]\n"{TEXT}" = {written}\n')
    tenant = {"name": "other", "assumptions": {TEXT: text}}
    scenario.write_text(json.dumps({"tenants": [tenant]}))
    checked = CliRunner().invoke(group, ["scenario", "check", str(scenario)])
    with pytest.raises(SettingsError) as raised:
        resolve_settings({"assumptions": str(choices)}, ("assumptions",), "CALLMOCKS")
    for told in (str(raised.value), checked.stderr):
        assert BAD_TEXTS[text] in told
        assert TEXT in told
