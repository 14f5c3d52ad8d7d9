"""What callmocks raises at its users.

CallmocksError
├── SettingsError     a flag, variable, config, world or pin file says something impossible
├── Contradiction     a pinned call contradicts itself, another pin or the world
├── TooManyRows       an open-ended query met its row budget before its page was full
├── StateError        what replicas share cannot be reached now
├── CheckError        an endpoint could not be checked at all
└── AdminError        the admin API of a running suite refused, or could not be reached
"""


class CallmocksError(Exception):
    """Base of all errors that a user of callmocks can cause; the text is meant for people."""


class SettingsError(CallmocksError):
    """A setting, world file or data file cannot be used; the text names the place."""


class Contradiction(CallmocksError):
    """A pinned call cannot exist as asked.

    ``field`` names the property at fault.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class TooManyRows(CallmocksError):
    """An open-ended query looked at ``budget`` rows and its page was still not full."""

    def __init__(self, budget: int) -> None:
        super().__init__(f"the query would look at more than {budget} rows; narrow its window")
        self.budget = budget


class StateError(CallmocksError):
    """The store in which replicas share their state does not answer; the text says why."""


class CheckError(CallmocksError):
    """An endpoint could not be checked: it is not there, or it refused the credentials."""


class AdminError(CallmocksError):
    """The admin API refused a request; the text is its own reason.

    ``status`` is the HTTP status, 0 when there was no answer.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status
