"""The table of the three providers: it is passed on from here, nothing registers itself."""

from callmocks.arm.provider import ARM
from callmocks.cdr.provider import CDR
from callmocks.faults.base import collect_fault_types
from callmocks.onec.provider import ONEC
from callmocks.provider.base import Provider

PROVIDERS: dict[str, Provider] = {provider.name: provider for provider in (ARM, CDR, ONEC)}
FAULT_TYPES = collect_fault_types(PROVIDERS.values())
