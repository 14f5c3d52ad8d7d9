"""Imports point downwards, as docs/architecture.md draws it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import callmocks

PACKAGE = Path(callmocks.__file__).parent
LINES = (
    ("_version", "errors"),
    ("contract", "config.toml"),
    ("config.validation",),
    ("history",),
    ("tenants.exchange", "tenants.delivery", "tenants.state"),
    ("faults",),
    ("tenants",),
    ("config",),
    ("replication",),
    ("provider",),
    ("arm", "cdr", "onec"),
    ("server.providers",),
    ("control",),
    ("verification",),
    ("server",),
)
"""From the lowest to the highest; a module of a folder may stand lower than the folder."""
LEVEL = {part: level for level, line in enumerate(LINES) for part in line}
HIGHEST = len(LINES)


def level_of(module: str) -> int:
    """The level of ``folder.module``, or of what is imported from it."""
    parts = module.split(".")
    return LEVEL.get(".".join(parts[:2]), LEVEL.get(parts[0], HIGHEST))


def imported(tree: ast.AST) -> Iterator[str]:
    """Modules that are imported when the program runs, not for annotations alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        yield from imported(node)


def upwards(source: str, importer: str) -> list[str]:
    """Imports from other folders that do not point downwards."""
    level, folder = level_of(importer), importer.partition(".")[0]
    found = []
    for module in imported(ast.parse(source)):
        top, _, target = module.partition(".")
        if top != "callmocks" or target.partition(".")[0] in (folder, "__version__"):
            continue
        if level_of(target) >= level:
            found.append(module)
    return found


def test_imports_point_downwards() -> None:
    found = {}
    for path in PACKAGE.rglob("*.py"):
        importer = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if importer.partition(".")[0] in ("cli", "testing") or "." not in importer:
            continue  # at the very top
        wrong = upwards(path.read_text(encoding="utf-8"), importer)
        if wrong:
            found[importer] = wrong
    assert found == {}


def test_nothing_stands_at_the_top_of_the_package_but_what_belongs_there() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {
        "__init__",
        "__main__",
        "_version",
        "errors",
    }


def test_an_import_that_points_upwards_is_noticed() -> None:
    assert upwards("from callmocks.onec import wsdl", "cdr.query") == ["callmocks.onec.wsdl"]
    assert upwards("def f():\n    from callmocks.server import providers", "cdr.service")
    assert upwards("from callmocks.tenants.tenant import Tenant", "faults.base")
    assert upwards("from callmocks.tenants.exchange import Reply", "faults.base") == []
    assert upwards("from callmocks.tenants import journal", "cdr.query") == []
    assert upwards("if TYPE_CHECKING:\n    import callmocks.control.routing", "history.ids") == []


def compared_names(source: str) -> list[str]:
    """Comparisons with the name of a provider."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        for part in ast.walk(side)
        if isinstance(part, ast.Constant) and part.value in ("arm", "cdr", "onec")
    ]


def test_providers_are_asked_not_compared_by_name() -> None:
    found = {
        str(path.relative_to(PACKAGE)): compared
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in ("provider", "config")
        if (compared := compared_names(path.read_text(encoding="utf-8")))
    }
    assert found == {}
    assert compared_names('if provider == "arm": pass') == ["provider == 'arm'"]
