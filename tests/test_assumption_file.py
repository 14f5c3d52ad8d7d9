"""``serve --assumptions FILE``: the choices of the demo tenant, and the default of later ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import callmocks
from callmocks.config.options import resolve_settings
from callmocks.errors import SettingsError


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
