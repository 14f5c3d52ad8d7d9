"""Modules of this package that are imported late have one copy in a process.

``mock.patch.dict(sys.modules)`` of a test forgets at its end what was imported meanwhile. A second
copy would have other application keys and exceptions than the first, which a server goes on using.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]
_known: dict[str, ModuleType] = {}


@contextmanager
def keep_modules() -> Iterator[None]:
    """Around an import that may come after others of the package were forgotten."""
    for name, module in [*_known.items()]:
        sys.modules.setdefault(name, module)
    yield
    modules = [*sys.modules.items()]
    _known.update((name, each) for name, each in modules if name.partition(".")[0] == _PACKAGE)
