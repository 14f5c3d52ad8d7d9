"""The errors that users of callmocks see.

CallmocksError
├── SettingsError     a flag, variable, config, world or pin file says something impossible
├── Contradiction     a pinned call contradicts itself, another pin or the world
├── TooManyRows       an open-ended query met its row budget before its page was full
├── Unavailable       a request cannot be answered now
│   ├── StateError         what replicas share cannot be reached
│   ├── SendLimitReached   large answers that are being sent take all the memory they may have
│   ├── FaultLimitReached  faults would make more of an answer than they may
│   ├── OutOfDescriptors   this process can open no file
│   ├── OutOfThreads       this process can start no thread
│   └── ClientDisconnected nobody waits for the answer any more
├── CheckError        an endpoint could not be checked at all
└── AdminError        the admin API of a running mock refused, or could not be reached
"""


class CallmocksError(Exception):
    """Base of all errors that a user of callmocks can cause."""


class UnmetFaultWarning(UserWarning):
    """A fault was to be applied a number of times, and was not."""


class SettingsError(CallmocksError):
    """The text names the setting, or the file and its line."""


class Contradiction(CallmocksError):
    """``field`` names the property of the call."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class TooManyRows(CallmocksError):
    def __init__(self, budget: int) -> None:
        super().__init__(f"the query would look at more than {budget} rows; narrow its window")
        self.budget = budget


class Unavailable(CallmocksError):
    pass


class StateError(Unavailable):
    pass


class SendLimitReached(Unavailable):
    pass


class FaultLimitReached(Unavailable):
    pass


class OutOfDescriptors(Unavailable):
    def __init__(self) -> None:
        super().__init__(
            "this process has no file descriptor left (ulimit -n); new connections are refused "
            "until some close"
        )


class OutOfThreads(Unavailable):
    def __init__(self) -> None:
        super().__init__("the system lets this process start no thread for long work")


class ClientDisconnected(Unavailable):
    def __init__(self) -> None:
        super().__init__("the client disconnected before its answer was made")


class CheckError(CallmocksError):
    pass


class AdminError(CallmocksError):
    """``status`` is the HTTP status, 0 when there was no answer."""

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status
