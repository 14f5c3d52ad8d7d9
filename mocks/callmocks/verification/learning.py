"""The learners of all providers: from an endpoint, or from a recording."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from callmocks.provider.base import WireExchange
from callmocks.server.providers import PROVIDERS
from callmocks.verification import decide_arm, decide_cdr, decide_onec
from callmocks.verification.cdr_exchange import parse_exchanges
from callmocks.verification.decisions import Decision, Sighting, decide_all
from callmocks.verification.http_client import HttpClient
from callmocks.verification.learn_arm import ArmLearner
from callmocks.verification.learn_cdr import CdrLearner
from callmocks.verification.learn_onec import OnecLearner
from callmocks.verification.learner import Learner
from callmocks.verification.recording import RecordedExchange
from callmocks.verification.report import CheckReport
from callmocks.verification.runner import CheckTarget

_LEARNERS: tuple[type[Learner], ...] = (ArmLearner, CdrLearner, OnecLearner)
LEARNERS = {learner.provider.name: learner for learner in _LEARNERS}


def _find_cdr_sightings(exchanges: Sequence[WireExchange]) -> Iterator[Sighting]:
    yield from decide_cdr.find_sightings(parse_exchanges(exchanges), masked=True)


def _find_arm_sightings(exchanges: Sequence[WireExchange]) -> Iterator[Sighting]:
    parsed = [found for each in exchanges if (found := decide_arm.parse_exchange(each))]
    yield from decide_arm.find_sightings(parsed)
    yield from decide_arm.find_frame_sightings(exchanges)


_DECIDERS: dict[str, Callable[[Sequence[WireExchange]], Iterator[Sighting]]] = {
    "arm": _find_arm_sightings,
    "cdr": _find_cdr_sightings,
    "onec": decide_onec.find_sightings,
}


async def learn_from_endpoint(
    provider: str, target: CheckTarget
) -> tuple[list[Decision], CheckReport]:
    """``CheckError`` when nothing could be asked."""
    async with HttpClient(target.timeout, target.tls) as http_client:
        learner = LEARNERS[provider](target, http_client)
        report = await learner.run_probes()
        return learner.decide(), report


def learn_from_recording(
    recorded: Sequence[RecordedExchange], choices: Mapping[str, str]
) -> list[Decision]:
    """Of the providers that are in it."""
    decisions: list[Decision] = []
    for name, find_sightings in _DECIDERS.items():
        exchanges = [
            each.to_wire(PROVIDERS[name])
            for each in recorded
            if each.provider == name and not each.is_hashed and not each.is_truncated
        ]
        if exchanges:
            sightings = find_sightings(exchanges)
            decisions += decide_all(name, sightings, LEARNERS[name].reasons, choices)
    return decisions
