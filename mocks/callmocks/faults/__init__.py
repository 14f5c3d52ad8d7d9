"""The fault engine, and the faults of the transport: one small file each."""

from callmocks.faults.base import index_faults
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
TRANSPORT_FAULTS = index_faults(
    Close, ContentType, Delay, Dribble, Malformed, NeverAnswer, Reset, Status, Truncated
)
