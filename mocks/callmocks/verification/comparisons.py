"""The comparisons of all providers, and one run of a comparison with a recording."""

from collections.abc import Sequence

from callmocks.errors import SettingsError
from callmocks.verification.compare_arm import ArmComparison
from callmocks.verification.compare_cdr import CdrComparison
from callmocks.verification.compare_onec import OnecComparison
from callmocks.verification.comparison import Comparison
from callmocks.verification.http_client import HttpClient
from callmocks.verification.recording import RecordedExchange
from callmocks.verification.report import CheckReport
from callmocks.verification.runner import CheckTarget

_COMPARISONS: tuple[type[Comparison], ...] = (ArmComparison, CdrComparison, OnecComparison)
COMPARISONS = {each.provider.name: each for each in _COMPARISONS}


def name_provider(recorded: Sequence[RecordedExchange], source: str) -> str:
    """Whose exchanges they are; ``SettingsError`` when they are of several."""
    names = sorted({each.provider for each in recorded})
    if len(names) > 1:
        listed = " and ".join(names)
        raise SettingsError(f"{source}: it has exchanges of {listed}: compare takes one provider's")
    return names[0]


async def run_comparison(
    provider: str,
    target: CheckTarget,
    recorded: Sequence[RecordedExchange],
    wanted: str | None,
) -> tuple[CheckReport, tuple[str, ...]]:
    """With the operations that ``--require`` names, or those that had rows."""
    async with HttpClient(target.timeout, target.tls) as http_client:
        comparison = COMPARISONS[provider](target, http_client, recorded)
        required = _choose_required(comparison, wanted)
        return await comparison.run_probes(), required


def _choose_required(comparison: Comparison, wanted: str | None) -> tuple[str, ...]:
    if wanted is None:
        return comparison.required
    required = tuple(name.strip() for name in wanted.split(",") if name.strip())
    for name in required:
        if name not in comparison.operations:
            known = ", ".join(comparison.operations) or "nothing"
            raise SettingsError(f"--require: {name!r} was not recorded, only {known}")
    return required
