"""``callmocks init`` and ``callmocks docs``, in projects of somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.examples.snippets import ENVIRONMENT, ROOT
from tests.examples.test_ci_files import schema_errors
from tests.forked import run_command

SOURCE = "git+https://git.example/callmocks.git@v0.2.0"
FILES = {
    "github": ".github/workflows/callmocks.yml",
    "gitlab": ".gitlab-ci.yml",
}


def run(folder: Path, *command: str) -> tuple[int, str, str]:
    done = run_command(*command, cwd=folder, env=ENVIRONMENT)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def written(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ci", FILES)
def test_the_files_fit_their_tools(tmp_path: Path, ci: str) -> None:
    code, _, errors = run(tmp_path, "init", "--ci", ci, "--from", SOURCE)
    assert (code, errors) == (0, "")
    assert written(tmp_path) == {"tests/conftest.py", "compose.callmocks.yml", FILES[ci]}
    ci_file = tmp_path / FILES[ci]
    schema = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}[ci]
    assert schema_errors(ci_file, schema) == ""
    assert SOURCE in ci_file.read_text(encoding="utf-8")
    compose = yaml.safe_load((tmp_path / "compose.callmocks.yml").read_text(encoding="utf-8"))
    assert schema_errors(tmp_path / "compose.callmocks.yml", "vendor.compose-spec") == ""
    assert set(compose["services"]) == {"callmocks"}


def test_a_test_of_the_project_runs_with_them(tmp_path: Path) -> None:
    run(tmp_path, "init")
    (tmp_path / "tests" / "test_client.py").write_text(
        "def test_the_settings_hold(callmocks_tenant, cdr):\n"
        "    assert callmocks_tenant.now.isoformat() == '2026-03-02T12:00:00'\n"
        "    assert callmocks_tenant.seed == 42\n"
    )
    command = [sys.executable, "-m", "pytest", "-q"]
    done = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout


def test_a_file_that_exists_is_kept_and_the_fragment_is_printed(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    conftest = tmp_path / "tests" / "conftest.py"
    conftest.write_text("mine = 1\n")
    code, output, errors = run(tmp_path, "init")
    assert (code, errors) == (1, "")
    assert conftest.read_text() == "mine = 1\n"
    assert "# tests/conftest.py exists; add this:" in output
    assert "def callmocks_settings():" in output
    assert (tmp_path / "compose.callmocks.yml").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    code, output, _ = run(tmp_path, "init", "--dry-run")
    assert code == 0
    assert written(tmp_path) == set()
    assert "# compose.callmocks.yml would be written:" in output


def test_where_ci_installs_it_from_has_to_be_said(tmp_path: Path) -> None:
    code, output, errors = run(tmp_path, "init", "--ci", "github")
    assert (code, output) == (2, "")
    assert errors.startswith("callmocks: --from: what does CI install callmocks from?")
    assert written(tmp_path) == set()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, _, errors = run(tmp_path, "init")
    assert (code, errors.count("\n")) == (2, 1)


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tests").write_text("a file")
    code, _, errors = run(tmp_path, "init")
    assert (code, errors.count("\n")) == (2, 1)
    assert "tests/conftest.py" in errors


def test_the_documentation_comes_along(tmp_path: Path) -> None:
    index, full, skill = (run(tmp_path, "docs", p)[1] for p in ("index", "full", "skill"))
    assert index == run(tmp_path, "docs")[1]
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert [page for page in pages - {"index.md"} if f"({page})" not in index] == []
    for page in ("how-to/pytest.md", "faults.md"):
        heading = (ROOT / "docs" / page).read_text(encoding="utf-8").partition("\n")[0]
        assert heading in full
    assert skill == (ROOT / "docs" / "assistants.md").read_text(encoding="utf-8")


def test_the_pages_for_assistants_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/llms", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
