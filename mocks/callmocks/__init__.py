"""callmocks: contract-true mock servers of three telephony providers over one call history."""

from callmocks._version import __version__

__all__ = ["__version__"]
