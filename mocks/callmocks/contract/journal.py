"""A journaled exchange, as the admin API, recordings and the handles of tests have it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, NamedTuple, Self

from callmocks.contract.quoting import shorten_text

_MAX_ERROR_CHARS = 120


@dataclass(frozen=True, slots=True)
class Violation:
    """Where a message leaves the contract.

    ``where`` is the provider's own kind of path (an XPath, ``filter.field``, a byte offset);
    ``side`` says whose message it is: ``request`` or ``answer`` (ours: a defect of callmocks).
    """

    where: str
    expected: str
    got: str
    side: str = "request"

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.got}"


class ResponseSummary(NamedTuple):
    """What came: the provider's own name of an error, or rows of those that match."""

    error: str = ""
    row_count: int | None = None
    total: int | None = None

    @classmethod
    def of_error(cls, *parts: str) -> Self:
        """Of a name, and of a text that may be long."""
        text = ": ".join(" ".join(part.split()) for part in parts)
        return cls(shorten_text(text, _MAX_ERROR_CHARS))

    def __str__(self) -> str:
        if self.error:
            return f"error {self.error}"
        if self.row_count is None:
            return ""
        rows = f"{self.row_count} {'row' if self.row_count == 1 else 'rows'}"
        return rows if self.total is None else f"{self.row_count} of {self.total} rows"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One exchange as the admin API shows it.

    ``at`` is the tenant's wall time, ``real_time`` the system's in UTC; ``duration_ms`` the time
    it took to make the answer, ``delay_ms`` what faults add to it. ``request_sha256`` and
    ``response_sha256`` are there when the text was cut; ``request_bytes`` and ``response_bytes``
    always count the whole body. A frame has the headers of its websocket's request.
    """

    json_name: ClassVar = "Entry"
    seq: int
    at: datetime
    provider: str
    operation: str
    status: int  # HTTP's, or the frame's
    violations: tuple[Violation, ...]
    assumptions: tuple[str, ...]  # ids of those that the answer rests on
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    request: str
    response: str
    duration_ms: float
    request_bytes: int
    response_bytes: int
    request_sha256: str | None = None
    response_sha256: str | None = None
    real_time: datetime | None = None
    delay_ms: float = 0.0
    ended: Annotated[
        str,
        "``sending``, ``answered``; by faults ``cut`` (the beginning of the answer), ``reset``, "
        "``closed``, ``unanswered``; ``client left`` before it had the whole answer.",
    ] = ""
    request_summary: Annotated[str, "Window, filter, offset and the like, in one line."] = ""
    response_summary: Annotated[str, "``10 of 157 rows``, or the error."] = ""
    error: Annotated[
        str, "The error of the answer: a mnemonic, a ResultCode, a Fault, the HTTP status."
    ] = ""
    target: Annotated[str, "``POST /v2.0``."] = ""
    request_headers: Annotated[
        dict[str, str], "At most 8 KiB; credentials are ``***``, equal names are joined."
    ] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    traceparent: Annotated[str, "Of the request, where it is a valid one (W3C)."] = ""

    @property
    def title(self) -> str:
        """``#3 12:00:00.000 cdr get.account → 200 error token_expired``."""
        at = self.at.time().isoformat(timespec="milliseconds")
        title = f"#{self.seq} {at} {self.provider} {self.operation or '(none)'} → {self.status}"
        is_status = self.error == str(self.status)
        return f"{title} error {self.error}" if self.error and not is_status else title
