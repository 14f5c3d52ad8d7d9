"""What README and docs say of the size of an installation holds within 5 %."""

from __future__ import annotations

import platform
import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
MEASURED_ON = ("Linux", "x86_64", "CPython", (3, 11))


def size_of(name: str, seen: set[str]) -> int:
    """Bytes of a package and all it needs, by their RECORD, without those seen."""
    package = metadata.distribution(name)
    if package.metadata["Name"] in seen:
        return 0
    seen.add(package.metadata["Name"])
    total = sum(file.size or 0 for file in package.files or [])
    for requirement in map(Requirement, package.requires or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            total += size_of(requirement.name, seen)
    return total


@pytest.mark.parametrize("page", ["README.md", "README.ru.md", "docs/performance.md"])
def test_the_size_that_is_told_is_that_of_the_pinned_packages(page: str) -> None:
    here = (platform.system(), platform.machine(), platform.python_implementation())
    if (*here, sys.version_info[:2]) != MEASURED_ON:
        pytest.skip(f"measured on {MEASURED_ON}")
    seen: set[str] = set()
    megabytes = size_of("callmocks", seen) / 1e6
    text = (ROOT / page).read_text(encoding="utf-8")
    (told,) = re.findall(r"(\d+)\s+(?:MB of packages|МБ пакетов)", text)
    assert len(seen) > 30
    assert int(told) == pytest.approx(megabytes, rel=0.05)
