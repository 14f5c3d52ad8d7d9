"""Names that speak: one class per class name, verbs with their objects, few docstrings."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

import callmocks

PACKAGE = Path(callmocks.__file__).parent
VERBS = frozenset(
    (
        *("read", "write", "parse", "render", "encode", "decode", "handle", "run", "start", "stop"),
        *("close", "open", "send", "add", "get", "put", "delete", "create", "update", "reset"),
        *("load", "find", "validate", "apply", "check"),
    )
)
"""Verbs that say enough as the whole name of a function."""
MAX_ONE_WORD_NAMES = 0.35
MAX_DOCSTRING_LINES = 0.07

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def modules() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]


def has_own_name(function: Function) -> bool:
    """Whether the name was chosen for a caller: a property, a dunder and a command's are not."""
    decorators = {ast.unparse(each).partition("(")[0] for each in function.decorator_list}
    attribute = {each for each in decorators if each.endswith(("property", ".setter"))}
    command = {each for each in decorators if each.endswith((".command", ".group", "fixture"))}
    return not (attribute or command or function.name.startswith("__"))


def is_one_word(name: str) -> bool:
    plain = name.strip("_")
    return "_" not in plain and plain not in VERBS


def docstring_lines(tree: ast.Module) -> int:
    """Lines of docstrings, of attributes too: strings that stand as statements."""
    return sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_no_class_name_is_defined_twice(modules: list[ast.Module]) -> None:
    names = Counter(
        node.name for tree in modules for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_most_functions_are_named_by_a_verb_and_its_object(modules: list[ast.Module]) -> None:
    assert len(VERBS) <= 25
    names = [
        node.name
        for tree in modules
        for node in ast.walk(tree)
        if isinstance(node, Function) and has_own_name(node)
    ]
    one_word = sorted(name for name in names if is_one_word(name))
    assert len(one_word) <= MAX_ONE_WORD_NAMES * len(names), one_word


def test_docstrings_are_few(modules: list[ast.Module]) -> None:
    lines = sum(
        len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")
    )
    assert sum(map(docstring_lines, modules)) <= MAX_DOCSTRING_LINES * lines
