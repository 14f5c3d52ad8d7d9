"""A suite in this process, tenants of it, and pytest runs that use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import callmocks
from callmocks.testing import Cdr, Mocks, Tenant

NOW = "2026-03-02T12:00:00"
PLUGINS = ("-pcallmocks", "-pasyncio", "-pxdist", "-pno:cacheprovider")
"""By the names of their entry points."""
CLIENTS = Path(__file__).with_name("clients.py").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def mocks() -> Iterator[Mocks]:
    with callmocks.running(now=NOW, world="empty") as mocks:
        yield mocks


@pytest.fixture
def tenant(mocks: Mocks) -> Iterator[Tenant]:
    with mocks.tenant() as tenant:
        yield tenant


@pytest.fixture
def cdr(tenant: Tenant) -> Cdr:
    return tenant.cdr


@pytest.fixture
def run(
    mocks: Mocks, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Run pytest over a test file, against ``mocks`` unless ``url`` is None."""
    monkeypatch.setenv("PY_COLORS", "0")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others cost seconds a run
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("CI", "BUILD_NUMBER"):  # pytest cuts its summary to the width only without these
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(clients=CLIENTS)

    def run(text: str, *arguments: str, url: str | None = mocks.control_url) -> Any:
        pytester.makepyfile(test_inner=text)
        where = [f"--callmocks-url={url}"] if url else []
        return pytester.runpytest_subprocess(*PLUGINS, *where, *arguments)

    return run
