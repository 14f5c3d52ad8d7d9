"""YAML of the documentation and of the project's own CI: it fits the service that it is for."""

from __future__ import annotations

import re
from pathlib import Path

import check_jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from click.testing import CliRunner

from tests.examples import snippets
from tests.examples.snippets import ROOT, Snippet

FOUND = [
    each
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for each in snippets.read(page)
    if each.language == "yaml"
]
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ISSUE_FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def schema_errors(path: Path, schema: str) -> str:
    """What a schema of check-jsonschema says against a file; empty when nothing."""
    arguments = ["--builtin-schema", schema, str(path)]
    if schema.endswith("gitlab-ci"):
        arguments += ["--data-transform", "gitlab-ci"]
    done = CliRunner().invoke(check_jsonschema.main, arguments)
    return done.output if done.exit_code else ""


def snippet_errors(snippet: Snippet, folder: Path) -> str:
    (schema,) = [SCHEMAS[word] for word in snippet.words if word in SCHEMAS]
    path = folder / "snippet.yml"
    path.write_text(snippet.text, encoding="utf-8")
    return schema_errors(path, schema)


@pytest.mark.parametrize("snippet", FOUND, ids=[each.where for each in FOUND])
def test_it_can_be_read(snippet: Snippet) -> None:
    assert isinstance(yaml.safe_load(snippet.text), dict)


OF_CI = [each for each in FOUND if set(each.words) & set(SCHEMAS)]


@pytest.mark.parametrize("snippet", OF_CI, ids=[each.where for each in OF_CI])
def test_the_service_would_take_it(snippet: Snippet, tmp_path: Path) -> None:
    assert snippet_errors(snippet, tmp_path) == ""


def test_a_mistake_would_be_noticed(tmp_path: Path) -> None:
    github = Snippet(
        ROOT / "README.md", 1, "yaml", ("github",), "on: push\njobs: {a: {steps: 1}}\n"
    )
    gitlab = Snippet(ROOT / "README.md", 1, "yaml", ("gitlab",), "a:\n  script: {b: c}\n")
    assert snippet_errors(github, tmp_path) != ""
    assert snippet_errors(gitlab, tmp_path) != ""


INSTALLS = re.compile(r"pip install [^\n`]*(?<![\w./-])callmocks(?![\w./@-])")
TOLD = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]


@pytest.mark.parametrize("page", sorted(TOLD), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_page_installs_by_a_name_that_an_index_could_answer(page: Path) -> None:
    """Nothing is published on an index: it would be somebody else's package."""
    assert INSTALLS.findall(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("line", ["pip install callmocks", "pip install 'callmocks[tls]' pytest"])
def test_such_a_line_would_be_noticed(line: str) -> None:
    assert INSTALLS.search(line)


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_the_workflows_of_the_project_fit_their_service(path: Path) -> None:
    assert schema_errors(path, "vendor.github-workflows") == ""


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.name for path in WORKFLOWS])
def test_workflows_may_only_read_unless_a_job_says_more_and_pin_their_actions(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions != []
    assert [action for action in actions if not re.search("@[0-9a-f]{40}$", action)] == []


@pytest.mark.parametrize("path", ISSUE_FORMS, ids=[path.name for path in ISSUE_FORMS])
def test_the_issue_forms_fit_their_service(path: Path) -> None:
    assert schema_errors(path, "vendor.github-issue-forms") == ""
