"""Checking an endpoint: ``check`` of one provider."""

from __future__ import annotations

from callmocks.verification.http_client import HttpClient
from callmocks.verification.report import CheckReport
from callmocks.verification.runner import CheckTarget, ProviderCheck


def check_class(provider: str) -> type[ProviderCheck]:
    """The check of a provider, imported when it is wanted."""
    if provider == "arm":
        from callmocks.verification.check_arm import ArmCheck

        return ArmCheck
    if provider == "cdr":
        from callmocks.verification.check_cdr import CdrCheck

        return CdrCheck
    from callmocks.verification.check_onec import OnecCheck

    return OnecCheck


async def run_check(provider: str, target: CheckTarget) -> CheckReport:
    """Make all probes of a provider; ``CheckError`` when it could not be checked at all."""
    async with HttpClient(target.timeout, target.tls) as http_client:
        return await check_class(provider)(target, http_client).run_probes()
