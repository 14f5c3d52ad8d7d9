"""What comparisons of all providers share: recorded requests are sent again, answers compared.

::

    recording ── read requests, each once ── sent with the account's own credentials
        │                                       │
    recorded answers ── shape     shape, violations of the contract ── answers
                          └──────┬──────┘
                    by operation: what differs

A violation of the contract that the recorded answers have too is no difference.
"""

import re
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from msgspec.structs import replace

from callmocks.contract.cached_property import cached_property
from callmocks.contract.findings import Finding, ValidationResult, generalize
from callmocks.errors import CheckError
from callmocks.history.generator import make_random_key
from callmocks.provider.base import RequestKey, WireExchange
from callmocks.verification.exchange_processor import describe_content_type
from callmocks.verification.http_client import HttpClient, NoResponseError
from callmocks.verification.mask_message import MessageMasker
from callmocks.verification.recording import RecordedExchange
from callmocks.verification.report import CheckReport, Probe
from callmocks.verification.runner import (
    CheckTarget,
    EndOfProbe,
    ProviderCheck,
    SkipProbe,
    StopCheck,
)
from callmocks.verification.shapes import (
    Shape,
    ShapeDifference,
    compare_empty,
    compare_kinds,
    compare_members,
    compare_words,
)

WSDL = "wsdl"
GATEWAY_STATUSES = (502, 503, 504)
MASKED = "a value in it is masked"
NO_ROWS = "no rows on either side, or on one"
_NAMES = re.compile(r"\w+(?:-\w+)*")
Answer = tuple[WireExchange, Shape]


@dataclass
class RepeatedRequest:
    """``answers`` are those that were recorded for equal requests, and have the same outcome."""

    operation: str
    exchange: WireExchange
    parameters: RequestKey
    answers: list[Answer] = field(default_factory=list)

    @property
    def has_rows(self) -> bool:
        return any(shape.rows for _, shape in self.answers)


@dataclass
class ComparedOperation:
    """``known`` is the shape of all recorded answers; the other two are of those compared."""

    probe: Probe
    known: Shape
    recorded: Shape
    got: Shape
    answers: list[WireExchange] = field(default_factory=list)
    known_violations: set[tuple[str, str]] | None = None  # of recorded answers, once needed
    violated: set[str] = field(default_factory=set)  # names in paths of violations
    compared: int = 0


class Comparison(ProviderCheck):
    """Stands before the provider's check among the bases, whose transport and login it uses."""

    separator: ClassVar[str] = "."  # of a path's parts
    optional_members: Collection[str] = ()  # which a row has or not, as its call is
    # By the last name of a path: the entry of the ledger that a difference is about.
    member_assumptions: ClassVar[Mapping[str, str]] = {}
    # Parameters with ids and names of the recorded account: others may have no rows for them.
    selecting: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self, target: CheckTarget, http_client: HttpClient, recorded: Iterable[RecordedExchange]
    ) -> None:
        super().__init__(target, http_client)
        self.report.command = "compare"
        self.operations: dict[str, ComparedOperation] = {}
        self._masker = MessageMasker(make_random_key(), self.provider)
        self._requests: dict[object, RepeatedRequest] = {}
        for each in recorded:
            if each.provider == self.provider.name:
                self._add_recorded(each)

    @abstractmethod
    def read_shape(self, exchange: WireExchange) -> Shape | None:
        """Of a response; None when it cannot be read."""

    @abstractmethod
    def validate(self, exchange: WireExchange) -> ValidationResult: ...

    @abstractmethod
    async def send_recorded(self, exchange: WireExchange) -> WireExchange:
        """The same request as it was sent now, and its response."""

    def explain_refusal(self, exchange: WireExchange, shape: Shape) -> str:
        """Why an answer tells of the account and not of its request; ``""`` for all others."""
        return "the credentials are refused" if exchange.status == 401 else ""

    def is_unavailable(self, exchange: WireExchange, shape: Shape) -> bool:
        """Whether an answer tells of trouble of the service."""
        return exchange.status in GATEWAY_STATUSES

    def describe_variant(self, request: bytes) -> str:
        """What makes requests with the same parameters different."""
        return ""

    def list_words(self, operation: str) -> Mapping[str, Collection[str]]:
        """The contract's enumerations, by path."""
        return {}

    def depends_on_hour(self, request: RepeatedRequest) -> bool:
        return False

    def find_assumption(self, operation: str, where: str) -> str | None:
        """The entry of the ledger that a difference is about."""
        path = where.removesuffix(f"{self.separator}*")
        name = path.rpartition(self.separator)[2].removeprefix("@")
        return self.member_assumptions.get(name)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Operations that had rows, whoever asks for them."""
        found = [
            each.operation
            for each in self._requests.values()
            if each.has_rows and not self.selecting & each.parameters.keys()
        ]
        return tuple(dict.fromkeys(found))

    async def run_probes(self) -> CheckReport:
        """``CheckError`` when nothing could be compared."""
        if not self._requests:
            counts = (
                f"{count} {what}: {why}" for (what, why), count in self.report.left_out.items()
            )
            raise CheckError(f"no recorded request can be sent again: {'; '.join(counts)}")
        for request in self._order_requests():
            operation = self.operations[request.operation]
            self.probe = operation.probe
            if self.report.stopped:
                self._leave_out(request, "after the stop")
            else:
                await self._compare_whole(request, operation)
        for operation in self.operations.values():
            self._finish(operation)
        if self.report.stopped and not (self.has_results() or self.report.finding_count):
            reason = self.report.describe(self.report.stopped)
            raise CheckError(f"{self.target.url}: nothing could be compared: {reason}")
        if not self.report.stopped:
            with suppress(NoResponseError, EndOfProbe, CheckError):
                await self.log_out()
        return self.report

    def _order_requests(self) -> Iterator[RepeatedRequest]:
        """Each form of a request first: where points run out, all forms were seen."""
        forms: dict[object, int] = {}
        ordered = []
        for request in self._requests.values():
            form = (request.operation, tuple(sorted(request.parameters)), request.has_rows)
            ordered.append((forms.setdefault(form, 0), request))
            forms[form] += 1
        yield from (request for _, request in sorted(ordered, key=lambda each: each[0]))

    def _add_recorded(self, recorded: RecordedExchange) -> None:
        operation = recorded.operation
        wire = recorded.to_wire(self.provider)
        parameters: RequestKey | None = {}
        if operation != WSDL:
            parameters = self.provider.request_key(wire.request, wire.transport)
        shape = None if recorded.is_hashed or not wire.status else self.read_shape(wire)
        reason = self._explain_skip(recorded, wire, parameters, shape)
        if reason:
            self.report.leave_out(self._masker.name_operation(operation), reason)
        if parameters is None or shape is None or recorded.is_truncated:
            return
        if reason and reason != MASKED:
            return
        compared = self._get_operation(operation)
        compared.known.add_all(shape)
        compared.answers.append(wire)
        if not reason:
            key = (
                *(operation, wire.transport, tuple(sorted(parameters.items()))),
                *(shape.outcome, wire.status, self.describe_variant(wire.request)),
            )
            request = RepeatedRequest(operation, wire, parameters)
            self._requests.setdefault(key, request).answers.append((wire, shape))

    def _explain_skip(
        self,
        recorded: RecordedExchange,
        wire: WireExchange,
        parameters: RequestKey | None,
        shape: Shape | None,
    ) -> str:
        """Why a recorded request is not sent, or ``""``."""
        operation = recorded.operation
        if operation in self.provider.session_operations:
            return "it opens or ends a session"
        if operation != WSDL and operation not in self._masker.fields.operations:
            return "callmocks does not serve it"
        if recorded.is_hashed:
            return "it was recorded by a hash alone"
        if recorded.is_truncated:
            return "the journal has only its beginning"
        if not wire.status:
            return "it has no answer"
        if parameters is None:
            return "it cannot be read"
        if self.provider.find_operation(replace(wire, operation="")) not in ("", operation):
            return "it asks for another operation than the recording says"
        if shape is None:
            return "the recorded answer cannot be read"
        if refusal := self.explain_refusal(wire, shape):
            return f"the recorded answer tells that {refusal}"
        if self.is_unavailable(wire, shape):
            return "the recorded answer tells that the service was not available"
        return MASKED if operation != WSDL and self._is_masked(wire, parameters) else ""

    def _is_masked(self, wire: WireExchange, parameters: RequestKey) -> bool:
        """Whether a proxy would have masked a parameter, or has."""
        masked = self._masker.mask_message(wire.request, wire.operation, in_answer=False)
        return self.provider.request_key(masked.text.encode(), wire.transport) != parameters

    def _get_operation(self, name: str) -> ComparedOperation:
        if name not in self.operations:
            probe = Probe(name, "", operation=name)
            self.report.probes.append(probe)
            known, recorded, got = (Shape(self.separator) for _ in range(3))
            self.operations[name] = ComparedOperation(probe, known, recorded, got)
        return self.operations[name]

    async def _compare_whole(self, request: RepeatedRequest, operation: ComparedOperation) -> None:
        try:
            with self.end_early():
                await self._compare_request(request, operation)
        except SkipProbe as reason:
            self._leave_out(request, str(reason))
        except StopCheck as reason:
            self.report.stopped = str(reason)
            self._leave_out(request, "after the stop")

    def has_results(self) -> bool:
        return any(each.compared for each in self.operations.values())

    def _leave_out(self, request: RepeatedRequest, reason: str) -> None:
        self.report.leave_out(request.operation, reason)
        self.operations[request.operation].probe.is_cut_short = True

    async def _compare_request(
        self, request: RepeatedRequest, operation: ComparedOperation
    ) -> None:
        answer = await self.send_recorded(request.exchange)
        shape = self.read_shape(answer)
        if shape is not None and (refusal := self.explain_refusal(answer, shape)):
            raise StopCheck(refusal)
        violations = self._list_new_violations(operation, answer)
        operation.violated |= {name for each in violations for name in _list_names(each.where)[-1:]}
        operation.probe.findings.add_all(violations)
        if shape is None:
            self.probe.is_cut_short = True
            return
        first, recorded = request.answers[0]
        if shape.outcome != recorded.outcome:
            if self.depends_on_hour(request):
                raise SkipProbe("its answer depends on the hour")
            paths = {recorded.outcome_path, shape.outcome_path}
            where = paths.pop() if len(paths) == 1 else "answer"
            self._add(operation, ShapeDifference(where, recorded.outcome, shape.outcome))
            operation.compared += 1
            return
        if shape.rows == 0 or (recorded.rows is not None and not request.has_rows):
            return
        operation.compared += 1
        self._compare_transport(operation, first, answer)
        joined = Shape(self.separator)
        for _, each in request.answers:
            if each.rows != 0:
                joined.add_all(each)
        # The rows of several answers may be the same ones.
        largest = max((each for _, each in request.answers), key=lambda each: each.rows or 0)
        for difference in (
            *compare_members(joined, shape, self.optional_members),
            *compare_empty(largest, shape),
        ):
            self._add(operation, difference)
        operation.recorded.add_all(joined)
        operation.got.add_all(shape)

    def _list_new_violations(
        self, operation: ComparedOperation, answer: WireExchange
    ) -> list[Finding]:
        found = self.validate(answer).failures
        if found and operation.known_violations is None:
            operation.known_violations = {
                _generalize_finding(each)
                for recorded in operation.answers
                for each in self.validate(recorded).failures
            }
        known = operation.known_violations or ()
        return [each for each in found if _generalize_finding(each) not in known]

    def _compare_transport(
        self, operation: ComparedOperation, recorded: WireExchange, answer: WireExchange
    ) -> None:
        if answer.status != recorded.status:
            self._add(
                operation, ShapeDifference("status", str(recorded.status), str(answer.status))
            )
        theirs, ours = recorded.content_type, describe_content_type(answer.content_type)
        if theirs and theirs.replace(" ", "") != ours.replace(" ", ""):
            self._add(operation, ShapeDifference("Content-Type", theirs, ours or "another"))

    def _finish(self, operation: ComparedOperation) -> None:
        probe = self.probe = operation.probe
        sent = sum(each.probe == probe.name for each in self.report.sent)
        probe.title = f"{sent} of its recorded requests"
        if not len(probe.findings):
            if not operation.compared:
                probe.skipped = NO_ROWS if sent else "none of its requests was sent"
            elif operation.known.rows and not operation.got.rows:
                probe.skipped = NO_ROWS
        for difference in (
            *compare_kinds(operation.recorded, operation.got, operation.known),
            *compare_words(operation.known, operation.got, self.list_words(probe.name)),
        ):
            self._add(operation, difference)
        rows = operation.recorded.rows, operation.got.rows
        if any(rows):
            probe.notes.append(f"{rows[0]} recorded rows and {rows[1]} of now")

    def _add(self, operation: ComparedOperation, difference: ShapeDifference) -> None:
        """What a violation of the contract at the same place says already is left out."""
        where, expected, got = difference
        if not operation.violated.intersection(_list_names(where)[-2:]):
            assumption = self.find_assumption(operation.probe.name, where)
            operation.probe.add(where, expected, got, "observed", assumption)


def _list_names(where: str) -> list[str]:
    return _NAMES.findall(where)


def _generalize_finding(finding: Finding) -> tuple[str, str]:
    return generalize(finding.where), generalize(finding.expected)
