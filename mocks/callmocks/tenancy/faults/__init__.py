"""Faults: one small file each. Importing this package makes all of them known."""

from callmocks.tenancy.faults import (  # noqa: F401
    breaks_xsd,
    close,
    columns_reordered,
    command_error,
    content_type,
    delay,
    dribble,
    duplicated,
    limit_reached,
    malformed,
    missing_metadata,
    missing_result,
    never_answer,
    nil_everywhere,
    out_of_order,
    reset,
    result_code,
    rows_between_pages,
    rpc_error,
    soap_fault,
    split,
    status,
    table_truncated,
    token_expired,
    truncated,
    unauthorized,
    undeclared_attribute,
    wrong_id,
    wrong_length,
)
from callmocks.tenancy.faults.base import KINDS, Fault, Kind, Turn, fault
from callmocks.tenancy.faults.switchboard import Faults, Scope, Switched

__all__ = ["KINDS", "Fault", "Faults", "Kind", "Scope", "Switched", "Turn", "fault"]
