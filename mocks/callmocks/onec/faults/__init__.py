"""Faults of the SOAP service's envelopes and ValueTables."""

from callmocks.faults import TRANSPORT_FAULTS
from callmocks.faults.base import index_faults
from callmocks.faults.unauthorized import Unauthorized
from callmocks.onec.faults.columns_reordered import ColumnsReordered
from callmocks.onec.faults.limit_reached import LimitReached
from callmocks.onec.faults.nil_everywhere import NilEverywhere
from callmocks.onec.faults.result_code import ResultCode
from callmocks.onec.faults.soap_fault import SoapFaultFault
from callmocks.onec.faults.table_truncated import TableTruncated

_ONEC_FAULTS = index_faults(
    ColumnsReordered, LimitReached, NilEverywhere, ResultCode, SoapFaultFault, TableTruncated
)
FAULT_TYPES = TRANSPORT_FAULTS | index_faults(Unauthorized) | _ONEC_FAULTS
