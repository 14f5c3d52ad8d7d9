from typing import Annotated

from msgspec import Meta

from callmocks.faults.base import Fault


class IdleClose(Fault, frozen=True):
    """A websocket on which nothing passes for a while, pings included, is closed with 1001."""

    # No exchange meets it: `idle_watch` applies it.

    fault_name = "idle_close"
    breaks_contract = False
    transports = ("connection",)

    seconds: Annotated[
        float, Meta(ge=0, le=86_400, description="For how long, on the machine's clock; 0 is off.")
    ] = 60.0
