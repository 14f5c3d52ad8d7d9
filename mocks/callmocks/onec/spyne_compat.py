"""spyne 2.14.0, importable on every Python that callmocks supports.

Its bundled ``six`` has an importer without ``find_spec``, which Python 3.12 needs. The real ``six``
replaces it, executed under that name so that its importer serves ``spyne.util.six.moves`` too.
``cgi``, which Python 3.13 dropped, comes from the dependency ``legacy-cgi``.
"""

import importlib.util
import logging
import operator
import sys
import warnings

_NAME = "spyne.util.six"


def _install_six() -> None:
    found = importlib.util.find_spec("six")  # is not loaded under its own name as well
    assert found is not None
    spec = importlib.util.spec_from_file_location(_NAME, found.origin)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = module
    spec.loader.exec_module(module)
    # spyne's one addition to its copy.
    module.get_function_name = operator.attrgetter("__name__")  # type: ignore[attr-defined]


if "spyne" not in sys.modules:
    _install_six()
with warnings.catch_warnings():  # on which no user of callmocks can act
    warnings.simplefilter("ignore")
    import spyne.protocol.soap
    import spyne.server

# spyne logs faults of clients with tracebacks; the journal has them already.
logging.getLogger("spyne").addHandler(logging.NullHandler())
logging.getLogger("spyne").propagate = False

__all__ = ["spyne"]
