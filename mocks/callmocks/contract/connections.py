"""The admin API's websockets of the workplace, with the tenant's wall time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

# By a close frame with code 1001, or by a TCP reset.
EndMethod = Literal["close", "reset"]


@dataclass(frozen=True, slots=True)
class Connection:
    """An open websocket of the workplace."""

    id: str
    operator: Annotated[str | None, "Who is logged in; null before the login."]
    since: Annotated[datetime, "When it was opened."]
    frames: Annotated[int, "Frames that the client has sent."]
    last_seen: Annotated[datetime, "When the last frame or ping of the client came."]
