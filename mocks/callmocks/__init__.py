"""callmocks: contract-true mock servers of three telephony providers over one call history.

::

    with callmocks.running(seed=7) as mocks:
        client = MyClient(mocks.cdr.url, mocks.cdr.token)

Names are loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from callmocks._version import __version__

if TYPE_CHECKING:
    from callmocks.testing.inprocess import arunning, running

__all__ = ["__version__", "arunning", "running"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from callmocks.testing import inprocess

    return getattr(inprocess, name)
