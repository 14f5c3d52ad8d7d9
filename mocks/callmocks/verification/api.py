"""Checking an endpoint: ``check`` of one provider."""

from __future__ import annotations

from callmocks.verification.http_client import Wire
from callmocks.verification.report import Report
from callmocks.verification.runner import Check, Target


def kind_of(provider: str) -> type[Check]:
    """The check of a provider, imported when it is wanted."""
    if provider == "arm":
        from callmocks.verification.check_arm import ArmCheck

        return ArmCheck
    if provider == "cdr":
        from callmocks.verification.check_cdr import CdrCheck

        return CdrCheck
    from callmocks.verification.check_onec import OnecCheck

    return OnecCheck


async def check(provider: str, target: Target) -> Report:
    """Make all probes of a provider; ``CheckError`` when it could not be checked at all."""
    async with Wire(target.seconds, target.tls) as wire:
        return await kind_of(provider)(target, wire).run()
