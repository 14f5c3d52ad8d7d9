"""The check of a 1C-Connect service: at most five calls of the history, ten an hour are allowed.

Each authenticated call of an operation counts, so a refusal is provoked once. The period is a
day that is over, at most seven days: longer ones are refused by day.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID
from xml.sax.saxutils import quoteattr

from callmocks.errors import CheckError
from callmocks.history.clock import Clock, load_time_zone
from callmocks.onec import validate
from callmocks.onec.contract import load_operations
from callmocks.onec.encoder import write_structure
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import SERVICE, SOAP11, SOAP12
from callmocks.onec.responses import SoapFault, read_answer
from callmocks.onec.results import SUCCESS
from callmocks.onec.values import BadValue, Structure, ValueTable
from callmocks.verification.http_client import HttpClient, HttpResponse
from callmocks.verification.report import REFUSAL_PROBES, Probe
from callmocks.verification.runner import (
    CheckTarget,
    ProbeStep,
    ProviderCheck,
    SkipProbeError,
    StopCheckError,
    UnusableResponseError,
)

HISTORY_OPERATION, LINES_OPERATION = "GetHistoryOfServiceCalls", "ServiceLineKindRead"
UNKNOWN_CLIENT_ID = str(UUID(int=0x11111111222233334444555555555555))
MEDIA_TYPES = {SOAP11: "text/xml; charset=utf-8", SOAP12: "application/soap+xml; charset=utf-8"}
PARTY_COLUMNS = ("CallerID", "CalleeID")

TableRecords = list[dict[str, Any]]


def build_request(namespace: str, operation: str, params: Structure) -> bytes:
    """A call in the version of SOAP that the namespace stands for."""
    inside = write_structure(params, f"{{{SERVICE}}}Params").decode()
    return (
        f"<s:Envelope xmlns:s={quoteattr(namespace)}><s:Body>"
        f"<p:{operation} xmlns:p={quoteattr(SERVICE)}>{inside}</p:{operation}>"
        "</s:Body></s:Envelope>"
    ).encode()


class OnecCheck(ProviderCheck):
    """The probes of the service, in order."""

    provider = "onec"
    example_url = "https://HOST/cus/ws/PartnerWebAPI2"

    def __init__(self, target: CheckTarget, wire: HttpClient) -> None:
        super().__init__(target, wire)
        both = f"{target.login}:{target.password}".encode()
        self.basic = f"Basic {b64encode(both).decode()}"
        self.report.add_secret(self.basic.partition(" ")[2])
        today = Clock(load_time_zone("Europe/Moscow")).now().date()
        self.day = target.day or today - timedelta(days=1)
        self.period: Structure = Structure()
        self.rows: TableRecords = []

    def probe_steps(self) -> list[ProbeStep]:
        """See ``Check.steps``."""
        return [
            ("history", "the calls of an hour, SOAP 1.2", self.check_history),
            ("soap-1.1", "the successful ones of them, SOAP 1.1", self.check_soap11),
            (
                "nobody",
                "the calls of an organisation that does not exist",
                self.check_unknown_client,
            ),
            ("parties", "who called whom, and on which line", self.check_parties),
            ("wsdl", "the description of the service", self.check_wsdl),
            (REFUSAL_PROBES[0], "requests that must be refused", self.check_refusals),
        ]

    async def check_history(self, probe: Probe) -> None:
        """An hour of the day, and when they have no call, the seven days until its end."""
        midnight = datetime.combine(self.day, time())
        for begin, end in (
            (midnight + timedelta(hours=10), midnight + timedelta(hours=11)),
            (midnight - timedelta(days=6), midnight + timedelta(days=1)),
        ):
            self.period = Structure(PeriodFrom=begin, PeriodTo=end)
            self.rows = await self._fetch_records(probe, SOAP12, self.period)
            if self.rows:
                break
        shown = f"{begin} to {end}"
        probe.notes.append(f"{len(self.rows)} calls, {shown}")
        if not self.rows:
            raise SkipProbeError(f"no calls from {shown}: rows were not looked at")

    async def check_soap11(self, probe: Probe) -> None:
        """The same calls but for the unsuccessful ones."""
        self._require_rows()
        params = Structure({**self.period, "CallResult": 1})
        found = await self._fetch_records(probe, SOAP11, params)
        wanted = [row for row in self.rows if row.get("CallResult") == 1]
        if found != wanted:
            place = next((n for n, row in enumerate(wanted) if found[n : n + 1] != [row]), 0)
            where = f"{HISTORY_OPERATION}: row {place + 1} of CallResult 1"
            expected = f"{len(wanted)} calls, as without the filter"
            probe.add(where, expected, f"{len(found)} calls, or others")

    async def check_unknown_client(self, probe: Probe) -> None:
        """A UUID that nobody has: no rows, all columns (assumed)."""
        params = Structure({**self.period, "ClientID": UNKNOWN_CLIENT_ID})
        rows = await self._fetch_records(probe, SOAP12, params)
        if rows:
            probe.add(
                f"{HISTORY_OPERATION}: ResultData",
                f"no calls of {UNKNOWN_CLIENT_ID}",
                f"{len(rows)} calls",
            )

    async def check_parties(self, probe: Probe) -> None:
        """One side of a call is its user; its line is one of the partner's (assumed)."""
        self._require_rows()
        for place, row in enumerate(self.rows, 1):
            user = row.get("ServiceUserID")
            if user is not None and user not in (row.get(side) for side in PARTY_COLUMNS):
                where = f"{HISTORY_OPERATION}: row {place} (CallerID, CalleeID)"
                probe.add(where, "ServiceUserID on one side", "others", "assumed")
        table = await self._fetch_table(probe, SOAP12, LINES_OPERATION, Structure())
        lines = {row[0] for row in table.rows if row}
        for place, row in enumerate(self.rows, 1):
            line = row.get("ServiceID")
            if line is not None and line not in lines:
                where = f"{HISTORY_OPERATION}: row {place} (ServiceID)"
                probe.add(where, f"a line of {LINES_OPERATION}", line, "assumed")

    async def check_wsdl(self, probe: Probe) -> None:
        """The WSDL at the address it describes."""
        url = f"{self.target.url}?wsdl"
        got = await self.send_request(probe, "wsdl", "GET", url, {"Authorization": self.basic})
        if got.status != 200:
            probe.add("wsdl: status", "200", got.status, "observed")
            return
        if got.media_type != "text/xml":
            probe.add("wsdl: Content-Type", "text/xml", repr(got.media_type), "observed")
        self.add_verdict(probe, validate.validate_wsdl(got.body, self.target.url), "wsdl")

    async def check_refusals(self, probe: Probe) -> None:
        """A parameter, an operation, a message and a sender that cannot be."""
        wrong = build_request(
            SOAP12, HISTORY_OPERATION, Structure({**self.period, "ClientID": "callmocks"})
        )
        got = await self._post_envelope(probe, "a ClientID that is no UUID", SOAP12, wrong)
        self._expect_result_code(probe, "a ClientID that is no UUID", got)
        for namespace in (SOAP11, SOAP12):
            unknown = build_request(namespace, "CallmocksCheck", Structure())
            name = f"an unknown operation, SOAP {'1.1' if namespace == SOAP11 else '1.2'}"
            got = await self._post_envelope(probe, name, namespace, unknown)
            self._expect_fault(probe, name, got)
        got = await self._post_envelope(probe, "no SOAP message", SOAP11, b"<callmocks/>")
        self._expect_fault(probe, "no SOAP message", got)
        asked = build_request(SOAP12, HISTORY_OPERATION, self.period)
        got = await self._post_envelope(probe, "nobody", SOAP12, asked, login=False)
        if got.status != 401:
            probe.add("nobody: status", "401", got.status, "observed")
        elif not got.headers.get("WWW-Authenticate", "").lower().startswith("basic"):
            probe.add("nobody: WWW-Authenticate", "Basic", "another or none", "observed")

    async def _fetch_records(self, probe: Probe, namespace: str, params: Structure) -> TableRecords:
        """The rows of a history by column name."""
        table = await self._fetch_table(probe, namespace, HISTORY_OPERATION, params)
        return list(table.records())

    async def _fetch_table(
        self, probe: Probe, namespace: str, operation: str, params: Structure
    ) -> ValueTable:
        """The table of a call that is right; anything else is a finding and ends the probe."""
        body = build_request(namespace, operation, params)
        got = await self._post_envelope(probe, operation, namespace, body)
        if got.status == 401 and not self.rows:
            raise CheckError(f"{self.target.url} refuses the credentials")
        self.add_verdict(
            probe, validate.validate_message(got.body, body, got.status, got.media_type), operation
        )
        try:
            result = read_answer(got.body)
        except SoapFault as fault:
            probe.add(
                f"{operation}: /Envelope/Body", f"{operation}Response", f"a Fault: {fault.text}"
            )
            raise UnusableResponseError from None
        except (BadValue, RecursionError):
            raise UnusableResponseError from None
        code, data = result.get("ResultCode"), result.get("ResultData")
        if code == OUT_OF_LIMIT[0]:
            raise StopCheckError(f"the service says {code}: {data!s}")
        if code != SUCCESS:
            place = f"{operation}: ResultCode"
            probe.add(place, SUCCESS, f"{code!s}: {data!s}")
            raise UnusableResponseError
        if not isinstance(data, ValueTable):
            raise UnusableResponseError
        return data

    async def _post_envelope(
        self, probe: Probe, name: str, namespace: str, body: bytes, *, login: bool = True
    ) -> HttpResponse:
        headers = {"Content-Type": MEDIA_TYPES[namespace]}
        if name in load_operations():
            headers["SOAPAction"] = f'"{SERVICE}#PartnerWebAPI2:{name}"'
        if login:
            headers["Authorization"] = self.basic
        return await self.send_request(probe, name, "POST", self.target.url, headers, body)

    def _expect_result_code(self, probe: Probe, name: str, response: HttpResponse) -> None:
        """A ResultCode other than SUCCESS and its reason."""
        self.add_verdict(
            probe,
            validate.validate_message(response.body, None, response.status, response.media_type),
            name,
        )
        try:
            code = read_answer(response.body).get("ResultCode")
        except (BadValue, SoapFault, RecursionError) as error:
            probe.add(f"{name}: answer", "a ResultCode", str(error), "assumed")
            return
        if code == SUCCESS:
            probe.add(f"{name}: ResultCode", "another than SUCCESS", code, "assumed")

    def _expect_fault(self, probe: Probe, name: str, response: HttpResponse) -> None:
        """A Fault in the caller's version, with a status of an error."""
        if response.status < 400:
            probe.add(f"{name}: status", "500, or 400 for SOAP 1.2", response.status, "assumed")
        verdict = validate.validate_message(
            response.body, None, response.status, response.media_type
        )
        self.add_verdict(probe, verdict, name)
        if not verdict.kind.endswith("fault"):
            probe.add(f"{name}: answer", "a SOAP Fault", verdict.kind, "assumed")

    def _require_rows(self) -> None:
        if not self.rows:
            raise SkipProbeError("no calls")
