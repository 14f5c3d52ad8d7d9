"""YAML of the documentation: it can be read, and what is for a CI service fits that service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.examples import snippets
from tests.examples.snippets import ROOT, Snippet

FOUND = [
    each
    for page in sorted((ROOT / "docs").rglob("*.md"))
    for each in snippets.read(page)
    if each.language == "yaml"
]
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


def complaint(snippet: Snippet, folder: Path) -> str:
    """What the service's own schema says against a snippet; empty when nothing."""
    (schema,) = [SCHEMAS[word] for word in snippet.words if word in SCHEMAS]
    path = folder / "snippet.yml"
    path.write_text(snippet.text, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    if schema.endswith("gitlab-ci"):
        command += ["--data-transform", "gitlab-ci"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


@pytest.mark.parametrize("snippet", FOUND, ids=[each.where for each in FOUND])
def test_it_can_be_read(snippet: Snippet) -> None:
    assert isinstance(yaml.safe_load(snippet.text), dict)


OF_CI = [each for each in FOUND if set(each.words) & set(SCHEMAS)]


@pytest.mark.parametrize("snippet", OF_CI, ids=[each.where for each in OF_CI])
def test_the_service_would_take_it(snippet: Snippet, tmp_path: Path) -> None:
    assert complaint(snippet, tmp_path) == ""


def test_a_mistake_would_be_noticed(tmp_path: Path) -> None:
    github = Snippet(
        ROOT / "README.md", 1, "yaml", ("github",), "on: push\njobs: {a: {steps: 1}}\n"
    )
    gitlab = Snippet(ROOT / "README.md", 1, "yaml", ("gitlab",), "a:\n  script: {b: c}\n")
    assert complaint(github, tmp_path) != ""
    assert complaint(gitlab, tmp_path) != ""
