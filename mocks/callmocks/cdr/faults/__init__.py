"""Faults of the Data API's JSON-RPC."""

from callmocks.cdr.faults.missing_metadata import MissingMetadata
from callmocks.cdr.faults.missing_result import MissingResult
from callmocks.cdr.faults.rows_between_pages import DuplicateRows, MissingRows
from callmocks.cdr.faults.rpc_error import RpcErrorFault
from callmocks.cdr.faults.token_expired import TokenExpired
from callmocks.faults import TRANSPORT_FAULTS
from callmocks.faults.base import index_faults
from callmocks.faults.wrong_id import WrongId

FAULT_TYPES = TRANSPORT_FAULTS | index_faults(
    WrongId, DuplicateRows, MissingMetadata, MissingResult, MissingRows, RpcErrorFault, TokenExpired
)
