"""Experiments with a 1C-Connect service: at most nine calls of the history, and some reads.

Parameters are tried at a read, whose limit is 250 an hour.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from xml.sax.saxutils import escape

from callmocks.errors import CheckError
from callmocks.onec import contract
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import CORE, SERVICE, SOAP11, SOAP12, XS, XSI
from callmocks.verification import decide_onec
from callmocks.verification.check_onec import (
    HISTORY_OPERATION,
    PARTY_COLUMNS,
    UNKNOWN_CLIENT_ID,
    OnecCheck,
)
from callmocks.verification.decide_onec import FAILED
from callmocks.verification.decisions import Sighting, see, see_name
from callmocks.verification.learner import Experiment, Learner
from callmocks.verification.onec_answers import OnecAnswer, parse_answer
from callmocks.verification.runner import EndOfProbe, SkipProbe, StopCheck

MAX_HISTORY_CALLS = 9
READ, READ_OF_CLIENT = "ServiceLineKindRead", "ClientUserRead"
CHANGED_FROM = "2026-01-01T00:00:00"
FAR_FUTURE = "2999-01-01T00:00:00"
OFFSET = "-06:00"
MIN_ROWS = 20
MAX_TEN_DAY_ROWS = 2  # so that the calls of ten years have less than 1 MiB


def write_property(name: str, value: object, type_name: str = "") -> str:
    """``None`` is nil."""
    if value is None:
        inner = '<c:Value i:nil="true"/>'
    else:
        text = value.isoformat() if isinstance(value, datetime) else str(value)
        guessed = "dateTime" if isinstance(value, datetime) else "string"
        written = "" if type_name == "none" else f' i:type="x:{type_name or guessed}"'
        inner = f"<c:Value{written}>{escape(text)}</c:Value>"
    return f'<c:Property name="{name}">{inner}</c:Property>'


def write_envelope(
    operation: str, *properties: str, namespace: str = SOAP11, header: str = "", beside: str = ""
) -> bytes:
    spaces = f'xmlns:s="{namespace}" xmlns:c="{CORE}" xmlns:i="{XSI}" xmlns:x="{XS}"'
    return (
        f'<s:Envelope {spaces} xmlns:p="{SERVICE}">{header}<s:Body>'
        f"<p:{operation}><p:Params>{''.join(properties)}</p:Params></p:{operation}>{beside}"
        "</s:Body></s:Envelope>"
    ).encode()


class OnecLearner(Learner, OnecCheck):
    reasons = decide_onec.REASONS
    max_requests = 30

    def prepare(self) -> None:
        super().prepare()
        self.history_calls = 0
        self.ignores_unknown: bool | None = None  # parameters
        self.too_long_code = ""
        self.ten_day_rows = 0  # of the known user and specialist
        self.old_rows: list[str] = []  # calls more than seven days before the period's end
        self.known: tuple[str, ...] = ()  # properties that select few calls, one of the sample

    def list_experiments(self) -> list[Experiment]:
        midnight = datetime.combine(self.day, time())
        self.begin, self.end = midnight, midnight + timedelta(days=1)
        return [
            ("offset-dates", "half a day of calls, by dates with an offset", self.try_sample),
            ("unknown-parameter", "a parameter of another name", self.try_unknown_parameter),
            ("parameter-case", "a parameter in small letters", self.try_parameter_case),
            ("values", "empty, wrong and repeated values", self.try_values),
            ("envelopes", "envelopes of other kinds", self.try_envelopes),
            ("wsdl-access", "the WSDL without credentials", self.try_wsdl),
            ("columns", "reads of what changes in a thousand years", self.try_columns),
            ("period-bounds", "calls exactly at both ends", self.try_bounds),
            ("reversed-period", "a period that ends before it begins", self.try_reversed),
            ("unknown-uuid", "an unknown organisation", self.try_unknown_client),
            ("code-wrong-value", "a CallResult of 3", self.try_wrong_value),
            ("code-period-too-long", "ten days of a user", self.try_long_period),
            ("failed-callee", "unsuccessful calls of four days", self.try_failed),
            ("missing-period-to", "no PeriodTo", self.try_missing_end),
            ("missing-period-from", "no PeriodFrom", self.try_missing_begin),
        ]

    def find_sightings(self) -> Iterator[Sighting]:
        yield from decide_onec.find_sightings(self.exchanges)
        yield from self.own_sightings

    async def ask(
        self, operation: str, *properties: str, namespace: str = SOAP11, header: str = "",
        beside: str = "",
    ) -> OnecAnswer:  # fmt: skip
        if operation == HISTORY_OPERATION:
            if self.history_calls >= MAX_HISTORY_CALLS:
                raise SkipProbe(f"{MAX_HISTORY_CALLS} calls of the history were made")
            self.history_calls += 1
        body = write_envelope(
            operation, *properties, namespace=namespace, header=header, beside=beside
        )
        known = SOAP12 if namespace == SOAP12 else SOAP11
        response = await self.post_envelope(operation, known, body)
        if response.status == 401:
            raise CheckError(f"{self.target.url} refuses the credentials")
        answer = parse_answer(response.body, response.status)
        if answer is None:
            raise EndOfProbe
        if answer.code == OUT_OF_LIMIT[0]:
            raise StopCheck(f"the service says {answer.code}")
        return answer

    async def ask_history(self, *properties: str) -> OnecAnswer:
        return await self.ask(HISTORY_OPERATION, *properties)

    def note(self, assumption: str, choice: str, shown: str) -> None:
        self.own_sightings += see(f"onec.{assumption}", choice, shown)

    def note_code(self, name: str, answer: OnecAnswer) -> None:
        if not answer.succeeded and answer.code != "Fault":
            self.own_sightings += see_name(
                f"onec.code-{name}", answer.code, "the code of a refusal"
            )

    @staticmethod
    def require_result(answer: OnecAnswer) -> None:
        """A Fault may have any other cause."""
        if answer.code == "Fault":
            raise EndOfProbe

    async def try_sample(self) -> None:
        """Where the offset is converted, calls of the afternoon are there, else of the night."""
        begin, noon = self.begin, self.begin + timedelta(hours=12)
        answer = await self.ask_history(
            *(write_property("PeriodFrom", f"{begin.isoformat()}{OFFSET}", "dateTime"),),
            *(write_property("PeriodTo", f"{noon.isoformat()}{OFFSET}", "dateTime"),),
        )
        self.rows = answer.rows
        self.require_rows(MIN_ROWS)
        late = noon + timedelta(hours=1)
        times = [row.get("CallTime") for row in self.rows]
        converted = any(isinstance(time, datetime) and time > late for time in times)
        choice = "convert" if converted else "drop"
        self.note("offset-dates", choice, f"dates with {OFFSET}: {choice}")
        answered = [row for row in self.rows if row.get("CallResult") != FAILED]
        users = Counter(row.get("ServiceUserID") for row in answered if row.get("ServiceUserID"))
        rare = [row for row in answered if row.get("ServiceUserID")]
        if rare:
            user = min(rare, key=lambda row: users[row["ServiceUserID"]])
            named = {name: user.get(name) for name in ("ServiceUserID", "ServiceID")}
            sides = [user.get(name) for name in PARTY_COLUMNS]
            named["SpecialistID"] = next((id for id in sides if id != user["ServiceUserID"]), None)
            chosen = [write_property(name, id) for name, id in named.items() if id]
            self.known = (*chosen, write_property("CallResult", 1, "decimal"))
            self.known_call = str(user.get("CallID"))

    async def try_unknown_parameter(self) -> None:
        answer = await self.ask(READ, write_property("Callmocks", "x"))
        self.require_result(answer)
        self.ignores_unknown = answer.succeeded
        choice = "ignore" if answer.succeeded else "refuse"
        self.note("unknown-parameter", choice, f"a parameter of another name: {answer.code}")
        self.note_code("unknown-parameter", answer)

    async def try_parameter_case(self) -> None:
        """Where unknown parameters are ignored, a value that is none tells whether it was read."""
        if self.ignores_unknown is None:
            raise SkipProbe("whether unknown parameters are refused did not show")
        value = "callmocks" if self.ignores_unknown else CHANGED_FROM
        answer = await self.ask(READ, write_property("changedfrom", value, "dateTime"))
        self.require_result(answer)
        choice = "any" if answer.succeeded != self.ignores_unknown else "exact"
        self.note("parameter-case", choice, f"a name in small letters: {answer.code}")

    async def try_values(self) -> None:
        changed = write_property("ChangedFrom", CHANGED_FROM, "dateTime")
        await self.ask(READ, write_property("ChangedFrom", None))
        await self.ask(READ, write_property("ChangedFrom", CHANGED_FROM, "string"))
        answer = await self.ask(READ, write_property("ChangedFrom", "callmocks", "none"))
        self.note_code("wrong-type", answer)
        self.note_code("duplicate-parameter", await self.ask(READ, changed, changed))
        bad = write_property("ClientID", "callmocks")
        self.note_code("bad-uuid", await self.ask(READ_OF_CLIENT, bad))

    async def try_envelopes(self) -> None:
        header = '<s:Header><h xmlns="urn:callmocks" s:mustUnderstand="1"/></s:Header>'
        await self.ask(READ, header=header)
        await self.ask(READ, beside="<callmocks/>")
        answer = await self.ask("CallmocksCheck", namespace=SOAP12)
        if answer.code == "Fault":
            shown = f"an unknown operation in SOAP 1.2: {answer.status}"
            self.note("sender-fault-status", str(answer.status), shown)
        answer = await self.ask(READ, namespace="urn:callmocks")
        if answer.code == "Fault":
            mismatch = answer.fault == "VersionMismatch"
            choice = "VersionMismatch" if mismatch else "Client"
            self.note("version-mismatch", choice, f"an unknown envelope: {answer.fault}")

    async def try_wsdl(self) -> None:
        response = await self.send_request("wsdl", "GET", f"{self.target.url}?wsdl", {})
        if response.status in (200, 401):
            choice = "open" if response.status == 200 else "basic"
            self.note("wsdl-access", choice, f"without credentials: {response.status}")

    async def try_columns(self) -> None:
        """An answer without rows has all columns."""
        changed = write_property("ChangedFrom", FAR_FUTURE, "dateTime")
        for operation in contract.load_operations().values():
            if operation.columns_choice:
                await self.ask(operation.name, changed)

    async def try_failed(self) -> None:
        period = _write_period(self.end - timedelta(days=4), self.end)
        await self.ask_history(*period, write_property("CallResult", FAILED, "decimal"))

    async def try_bounds(self) -> None:
        """An unsuccessful call's time is that of its beginning; two of them are the ends."""
        failed = [row for row in self.rows if row.get("CallResult") == FAILED]
        timed = {row["CallTime"]: row.get("CallID") for row in failed if row.get("CallTime")}
        times = sorted(time for time in timed if time.year > 1)
        if len(times) < 2:
            raise SkipProbe(self.reasons["onec.period-bounds"])
        begin, end = times[0], times[1]
        answer = await self.ask_history(*_write_period(begin, end))
        found = {row.get("CallID") for row in answer.rows}
        choice = {
            (True, False): "from-included", (True, True): "both-included",
            (False, False): "both-excluded", (False, True): "to-included",
        }[timed[begin] in found, timed[end] in found]  # fmt: skip
        self.note("period-bounds", choice, f"calls at both ends of a period: {choice}")

    async def try_reversed(self) -> None:
        end = self.begin + timedelta(hours=10)
        answer = await self.ask_history(*_write_period(end, end - timedelta(hours=1)))
        self.require_result(answer)
        choice = "empty" if answer.succeeded else "refuse"
        self.note("reversed-period", choice, f"a reversed period: {answer.code}")

    async def try_unknown_client(self) -> None:
        period = _write_period(self.begin, self.end)
        answer = await self.ask_history(*period, write_property("ClientID", UNKNOWN_CLIENT_ID))
        self.require_result(answer)
        choice = "empty" if answer.succeeded else "refuse"
        self.note("unknown-uuid", choice, f"an unknown identifier: {answer.code}")

    async def try_wrong_value(self) -> None:
        period = _write_period(self.begin, self.begin + timedelta(hours=1))
        answer = await self.ask_history(*period, write_property("CallResult", 3, "decimal"))
        self.note_code("wrong-value", answer)

    async def try_long_period(self) -> None:
        answer = await self._ask_known(*_write_period(self.end - timedelta(days=10), self.end))
        if answer.succeeded:  # by night
            old = self.end - timedelta(days=8)
            self.ten_day_rows = len(answer.rows)
            self.old_rows = [str(r["CallID"]) for r in answer.rows if r["CallTime"] < old]
        else:
            self.too_long_code = answer.code
            self.note_code("period-too-long", answer)

    async def try_missing_end(self) -> None:
        """A period of more than seven days up to now, which is too long by day."""
        begin = write_property("PeriodFrom", self.end - timedelta(days=10))
        answer = await self._ask_known(begin)
        if answer.code == self.too_long_code:
            self.note("missing-period-to", "now", "it is too long by day")
        elif answer.succeeded:
            there = self.known_call in {str(row["CallID"]) for row in answer.rows}
            shown = f"a call of nine days later is {'' if there else 'not '}there"
            self.note("missing-period-to", "now" if there else "seven-days-after", shown)

    async def try_missing_begin(self) -> None:
        if self.ten_day_rows > MAX_TEN_DAY_ROWS:
            raise SkipProbe("all calls of a user may be too many")
        answer = await self._ask_known(write_property("PeriodTo", self.end))
        by_day, shown = bool(self.too_long_code), f"no PeriodFrom: {answer.code}"
        if answer.succeeded:
            choices = ["optional"] if by_day else ["optional", "required-by-day"]
            self.own_sightings += see("onec.period-from", choices, shown)
            found = {str(row["CallID"]) for row in answer.rows}
            if by_day or (self.old_rows and not found.intersection(self.old_rows)):
                self.note("missing-period-from", "seven-days-before", shown)
            elif self.old_rows:
                self.note("missing-period-from", "beginning", "older calls are there")
        elif answer.code == self.too_long_code:
            self.note("period-from", "optional", f"{shown}, as a period that is too long")
            self.note("missing-period-from", "beginning", shown)
        else:
            choices = ["required", "required-by-day"] if by_day else ["required"]
            self.own_sightings += see("onec.period-from", choices, shown)
            self.note_code("missing-parameter", answer)

    async def _ask_known(self, *properties: str) -> OnecAnswer:
        if not self.known:
            raise SkipProbe("no call of the sample has a user")
        return await self.ask_history(*properties, *self.known)


def _write_period(begin: datetime, end: datetime) -> tuple[str, str]:
    return write_property("PeriodFrom", begin), write_property("PeriodTo", end)
