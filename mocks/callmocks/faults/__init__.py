"""Faults: one small file each. Importing this package makes all of them known."""

# ruff: noqa: F401
from callmocks.arm.faults import (
    breaks_xsd,
    command_error,
    duplicated,
    out_of_order,
    split,
    undeclared_attribute,
    wrong_length,
)
from callmocks.cdr.faults import (
    missing_metadata,
    missing_result,
    rows_between_pages,
    rpc_error,
    token_expired,
)
from callmocks.faults import (
    close,
    content_type,
    delay,
    dribble,
    malformed,
    never_answer,
    reset,
    status,
    truncated,
    unauthorized,
    wrong_id,
)
from callmocks.faults.active import ActiveFault, ActiveFaults, FaultScope
from callmocks.faults.base import FAULT_TYPES, Fault, FaultContext, FaultType, register_fault
from callmocks.onec.faults import (
    columns_reordered,
    limit_reached,
    nil_everywhere,
    result_code,
    soap_fault,
    table_truncated,
)

__all__ = [
    "FAULT_TYPES",
    "ActiveFault",
    "ActiveFaults",
    "Fault",
    "FaultContext",
    "FaultScope",
    "FaultType",
    "register_fault",
]
