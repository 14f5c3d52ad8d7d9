"""Checking an endpoint: ``check`` of one provider."""

from __future__ import annotations

from callmocks.check.report import Report
from callmocks.check.run import Check, Target
from callmocks.check.wire import Wire


def kind_of(provider: str) -> type[Check]:
    """The check of a provider, imported when it is wanted."""
    if provider == "arm":
        from callmocks.check.arm import ArmCheck

        return ArmCheck
    if provider == "cdr":
        from callmocks.check.cdr import CdrCheck

        return CdrCheck
    from callmocks.check.onec import OnecCheck

    return OnecCheck


async def check(provider: str, target: Target) -> Report:
    """Make all probes of a provider; ``CheckError`` when it could not be checked at all."""
    async with Wire(target.seconds, target.tls) as wire:
        return await kind_of(provider)(target, wire).run()
