"""The checks of all providers, and one run of a check."""

from collections.abc import Iterable
from dataclasses import replace

from callmocks.errors import SettingsError
from callmocks.verification.check_arm import ArmCheck
from callmocks.verification.check_cdr import CdrCheck
from callmocks.verification.check_onec import OnecCheck
from callmocks.verification.http_client import HttpClient
from callmocks.verification.report import COMPARE, CheckReport
from callmocks.verification.runner import TRANSPORTS, CheckTarget, ProviderCheck

_CHECKS: tuple[type[ProviderCheck], ...] = (ArmCheck, CdrCheck, OnecCheck)
CHECKS = {check.provider.name: check for check in _CHECKS}


def choose_required_probes(
    provider: str, target: CheckTarget, wanted: str | None
) -> tuple[str, ...]:
    """Those that ``--require`` names, or those of rows; ``SettingsError`` for unknown ones."""
    check = CHECKS[provider](target, HttpClient(target.timeout))
    if wanted is None:
        return check.row_probes
    known = [name for name, _, _ in check.probe_steps()]
    required = tuple(name.strip() for name in wanted.split(",") if name.strip())
    for name in required:
        if name not in known:
            raise SettingsError(f"--require: {name!r} is none of {', '.join(known)}")
    return required


def refuse_unknown_probes(provider: str, target: CheckTarget, baseline: Iterable[str]) -> None:
    """``SettingsError`` for the id of a known finding that no probe of the provider can have."""
    every = replace(target, transports=TRANSPORTS)
    steps = CHECKS[provider](every, HttpClient(target.timeout)).probe_steps()
    known = [*(name for name, _, _ in steps), COMPARE]
    for id in baseline:
        owner, name = id.split("/")[:2]
        if owner == provider and name not in known:
            raise SettingsError(f"--baseline: {id}: {name!r} is none of {', '.join(known)}")


async def run_check(provider: str, target: CheckTarget) -> CheckReport:
    """``CheckError`` when the endpoint could not be checked at all."""
    async with HttpClient(target.timeout, target.tls) as http_client:
        return await CHECKS[provider](target, http_client).run_probes()
