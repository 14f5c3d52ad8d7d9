"""The fault engine, and the faults of the transport: one small file each."""

from callmocks.faults.active import ActiveFault, ActiveFaults, FaultScope
from callmocks.faults.base import Fault, FaultContext, FaultType, index_faults
from callmocks.faults.close import Close
from callmocks.faults.content_type import ContentType
from callmocks.faults.delay import Delay
from callmocks.faults.dribble import Dribble
from callmocks.faults.malformed import Malformed
from callmocks.faults.never_answer import NeverAnswer
from callmocks.faults.reset import Reset
from callmocks.faults.status import Status
from callmocks.faults.truncated import Truncated

# Those that every provider has.
TRANSPORT_FAULTS = (
    Close,
    ContentType,
    Delay,
    Dribble,
    Malformed,
    NeverAnswer,
    Reset,
    Status,
    Truncated,
)

__all__ = [
    "TRANSPORT_FAULTS",
    "ActiveFault",
    "ActiveFaults",
    "Fault",
    "FaultContext",
    "FaultScope",
    "FaultType",
    "index_faults",
]
