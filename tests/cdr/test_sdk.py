"""The public client ``comagic-data-api-sdk`` at work against the mock, in its own environment."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from callmocks.tenants.settings import CdrSettings, CdrUser
from tests.cdr.conftest import CdrClient, last_entry, rows

CLIENT = "comagic-data-api-sdk==0.0.3.4"


@pytest.fixture(scope="session")
def python(pytestconfig: pytest.Config) -> Path:
    """An interpreter that has the client; made once and kept in pytest's cache."""
    assert pytestconfig.cache is not None
    home = (
        pytestconfig.cache.mkdir("comagic-sdk")
        / f"{sys.version_info.major}{sys.version_info.minor}"
    )
    interpreter, stamp = home / "bin" / "python", home / ".installed"
    if not stamp.exists():
        venv.create(home, with_pip=True, clear=True, symlinks=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, CLIENT], capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"pip cannot install {CLIENT}: {done.stderr.strip()[-300:]}")
        stamp.touch()
    return interpreter


@pytest.fixture
def report(api: CdrClient, python: Path) -> dict[str, Any]:
    """What the client printed."""
    api.tenant()
    user = CdrUser(id=77, login="u", name="Анна", customer_id=1)
    api.tenant("p", cdr=CdrSettings(partner=True, customer_users=[user]))
    script = Path(__file__).with_name("sdk_session.py")
    done = subprocess.run(
        [str(python), str(script), api.url], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_client_logs_in_pages_filters_sorts_and_parses(
    api: CdrClient, report: dict[str, Any]
) -> None:
    legs = rows(api.legs(limit=10_000, fields=["id", "connect_time", "employee_full_name"]))
    assert report["account"][:2] == ["t", "Europe/Moscow"]
    assert report["legs"] == [leg["id"] for leg in legs]
    assert report["times"]
    assert report["connected"] == sum(leg["connect_time"] is not None for leg in legs)
    names = {leg["employee_full_name"] for leg in legs if leg["employee_full_name"]}
    assert report["names"] == sorted(names)


def test_its_filter_and_sort_arrive(api: CdrClient, report: dict[str, Any]) -> None:
    fields = ["id", "duration", "is_operator", "start_time"]
    legs = rows(api.legs(limit=10_000, fields=fields))
    wanted = [leg for leg in legs if leg["is_operator"] and leg["duration"] > 60]
    wanted.sort(key=lambda leg: (-leg["duration"], leg["start_time"]))
    assert report["talked"] == [[leg["id"], leg["duration"]] for leg in wanted]


def test_its_sessions_with_all_the_fields_it_knows(api: CdrClient, report: dict[str, Any]) -> None:
    sessions = rows(api.sessions(fields=["id", "is_lost", "talk_duration", "employees"]))
    assert report["calls"] == [[s["id"], s["is_lost"], s["talk_duration"]] for s in sessions]
    assert report["employees"] == sum(len(s["employees"]) for s in sessions) > 100


def test_its_directory_with_all_the_fields_it_knows(api: CdrClient, report: dict[str, Any]) -> None:
    tenant = api.registry.get("t")
    assert tenant is not None
    directory = tenant.history.directory
    assert sorted(report["staff"]) == sorted(
        [one.employee_id, one.full_name, one.number, 2] for one in directory.operators
    )
    groups = {group.id: group.name for group in directory.groups}
    assert {number: name for number, name, _, _ in report["groups"]} == groups
    assert all(members == numbers > 0 for _, _, members, numbers in report["groups"])
    by_name = sorted(directory.lines, key=lambda line: line.name)
    assert [number for number, _ in report["numbers"]] == [
        line.virtual_phone_number for line in by_name
    ]
    scenarios = dict(report["scenarios"])
    for number, scenario in report["numbers"]:
        assert number in scenarios[scenario]


def test_it_reads_our_errors(report: dict[str, Any]) -> None:
    assert report["errors"] == [
        "access_token_invalid",
        "invalid_parameters_combination",
        "unexpected_parameters",
        "forbidden",
    ]


def test_it_works_for_a_partner(api: CdrClient, report: dict[str, Any]) -> None:
    assert report["users"] == [[77, "Анна"]]
    assert report["for_user"] == len(report["legs"])
    partner = api.registry.get("p")
    assert partner is not None
    assert last_entry(partner).operation == "get.call_legs_report"
