"""The checks of all providers, and one run of a check."""

from callmocks.verification.check_arm import ArmCheck
from callmocks.verification.check_cdr import CdrCheck
from callmocks.verification.check_onec import OnecCheck
from callmocks.verification.http_client import HttpClient
from callmocks.verification.report import CheckReport
from callmocks.verification.runner import CheckTarget, ProviderCheck

_CHECKS: tuple[type[ProviderCheck], ...] = (ArmCheck, CdrCheck, OnecCheck)
CHECKS = {check.provider.name: check for check in _CHECKS}


async def run_check(provider: str, target: CheckTarget) -> CheckReport:
    """``CheckError`` when the endpoint could not be checked at all."""
    async with HttpClient(target.timeout, target.tls) as http_client:
        return await CHECKS[provider](target, http_client).run_probes()
