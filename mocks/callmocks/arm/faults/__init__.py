"""Faults of the ARM's frames and XML."""

from callmocks.arm.faults.breaks_xsd import BreaksXsd
from callmocks.arm.faults.command_error import CommandErrorFault
from callmocks.arm.faults.duplicated import Duplicated
from callmocks.arm.faults.idle_close import IdleClose
from callmocks.arm.faults.out_of_order import OutOfOrder
from callmocks.arm.faults.refuse_upgrade import RefuseUpgrade
from callmocks.arm.faults.split import Split
from callmocks.arm.faults.undeclared_attribute import UndeclaredAttribute
from callmocks.arm.faults.wrong_length import WrongLength
from callmocks.faults import TRANSPORT_FAULTS
from callmocks.faults.base import index_faults
from callmocks.faults.unauthorized import Unauthorized
from callmocks.faults.wrong_id import WrongId

FAULT_TYPES = TRANSPORT_FAULTS | index_faults(
    Unauthorized,
    WrongId,
    BreaksXsd,
    CommandErrorFault,
    Duplicated,
    IdleClose,
    OutOfOrder,
    RefuseUpgrade,
    Split,
    UndeclaredAttribute,
    WrongLength,
)
