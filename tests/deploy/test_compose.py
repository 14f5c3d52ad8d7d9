"""docker-compose.yml against the schema of the Compose specification, and against the image."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from callmocks.cli.commands import group
from callmocks.config.options import SETTINGS
from callmocks.config.settings import ServeSettings
from tests.conftest import ROOT

FILE = ROOT / "docker-compose.yml"
DEFAULTS = ServeSettings()
PORTS = {getattr(DEFAULTS, f"{name}_port") for name in ("control", "arm", "cdr", "onec")}


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_bytes())["services"]
    return found


def schema_check(path: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run([*command, path], capture_output=True, text=True, timeout=60)


def test_the_compose_file_keeps_the_schema_of_the_compose_specification(tmp_path: Any) -> None:
    checked = schema_check(str(FILE))
    assert checked.returncode == 0, checked.stdout
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(
        FILE.read_text(encoding="utf-8").replace("read_only: true", "readonly: true"),
        encoding="utf-8",
    )
    assert schema_check(str(wrong)).returncode == 1


def test_by_default_there_is_one_service(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "profiles" not in service] == [
        "callmocks"
    ]
    assert {name for name, s in services.items() if s.get("profiles") == ["replicas"]} == {
        "replica",
        "redis",
        "balancer",
    }


@pytest.mark.parametrize("name", ["callmocks", "balancer"])
def test_it_is_reached_at_the_default_ports_and_from_this_machine_alone(
    services: dict[str, dict[str, Any]], name: str
) -> None:
    assert set(services[name]["ports"]) == {f"127.0.0.1:{port}:{port}" for port in PORTS}


def test_every_variable_is_a_setting(services: dict[str, dict[str, Any]]) -> None:
    variables = {setting.env_var for setting in SETTINGS.values()}
    for name in ("callmocks", "replica"):
        assert set(services[name]["environment"]) <= variables


def test_nothing_is_written_and_nothing_is_allowed(services: dict[str, dict[str, Any]]) -> None:
    assert all(service["read_only"] for service in services.values())
    for name in ("callmocks", "replica"):
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]
        assert "user" not in services[name]  # the image's own


def test_replicas_share_the_state_of_the_redis_beside_them(
    services: dict[str, dict[str, Any]],
) -> None:
    replica = services["replica"]
    assert replica["environment"]["CALLMOCKS_STATE"] == "redis://redis:6379/0"
    assert replica["deploy"]["replicas"] > 1
    assert replica["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert services["balancer"]["depends_on"] == {"replica": {"condition": "service_healthy"}}
    assert services["callmocks"]["environment"].keys() < replica["environment"].keys()


def test_it_starts_from_a_scenario_file_when_one_is_named(
    services: dict[str, dict[str, Any]],
) -> None:
    assert "CALLMOCKS_SCENARIO=/scenarios/orders.toml docker compose up" in FILE.read_text("utf-8")
    for name in ("callmocks", "replica"):
        assert services[name]["environment"]["CALLMOCKS_SCENARIO"] == "${CALLMOCKS_SCENARIO:-}"
        assert "./deploy/scenarios:/scenarios:ro" in services[name]["volumes"]
    files = sorted((ROOT / "deploy" / "scenarios").iterdir())
    checked = CliRunner().invoke(group, ["scenario", "check", *map(str, files)])
    assert (checked.exit_code, [file.name for file in files]) == (0, ["orders.toml"])


def test_files_that_are_mounted_and_arguments_of_the_build_exist(
    services: dict[str, dict[str, Any]],
) -> None:
    for name in ("callmocks", "replica", "balancer"):
        for volume in services[name]["volumes"]:
            assert (ROOT / volume.split(":")[0]).exists() and volume.endswith(":ro")
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for argument, value in services["callmocks"]["build"]["args"].items():
        default = value.partition(":-")[2].removesuffix("}")
        assert f"ARG {argument}={default}\n" in dockerfile
