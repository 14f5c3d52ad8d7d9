"""Probes of a 1C-Connect service: at most five calls of the history, ten an hour are allowed.

Each authenticated call of an operation counts, so only one is sent that must be refused. The
period ends with a past day and has at most seven days: longer ones are refused by day.
"""

from datetime import datetime, time, timedelta
from typing import Any
from xml.sax.saxutils import quoteattr

from callmocks.contract.findings import ValidationResult
from callmocks.contract.xml import UUID
from callmocks.errors import CheckError
from callmocks.history.clock import Clock, load_time_zone
from callmocks.onec import validate
from callmocks.onec.contract import load_operations
from callmocks.onec.decoder import SoapFault, read_answer
from callmocks.onec.encoder import write_structure
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import SERVICE, SOAP11, SOAP12
from callmocks.onec.provider import ONEC
from callmocks.onec.results import SUCCESS
from callmocks.onec.values import BadValue, Structure, ValueTable
from callmocks.verification.http_client import HttpResponse
from callmocks.verification.report import REFUSAL_PROBES
from callmocks.verification.runner import EndOfProbe, ProbeStep, ProviderCheck, SkipProbe, StopCheck

HISTORY_OPERATION, LINES_OPERATION = "GetHistoryOfServiceCalls", "ServiceLineKindRead"
UNKNOWN_CLIENT_ID = "11111111-2222-3333-4444-555555555555"
MEDIA_TYPES = {SOAP11: "text/xml; charset=utf-8", SOAP12: "application/soap+xml; charset=utf-8"}
PARTY_COLUMNS = ("CallerID", "CalleeID")

Records = list[dict[str, Any]]


def build_request(namespace: str, operation: str, params: Structure) -> bytes:
    inside = write_structure(params, f"{{{SERVICE}}}Params").decode()
    return (
        f"<s:Envelope xmlns:s={quoteattr(namespace)}><s:Body>"
        f"<p:{operation} xmlns:p={quoteattr(SERVICE)}>{inside}</p:{operation}>"
        "</s:Body></s:Envelope>"
    ).encode()


class OnecCheck(ProviderCheck):
    provider = ONEC
    example_url = "https://HOST/cus/ws/PartnerWebAPI2"
    row_probes = ("history", "soap-1.1", "parties")
    too_few_rows = "no calls"

    def prepare(self) -> None:
        self.basic = self.basic_header()
        today = Clock(load_time_zone("Europe/Moscow")).now().date()
        self.day = self.target.day or today - timedelta(days=1)
        self.period: Structure = Structure()
        self.rows: Records = []

    def probe_steps(self) -> list[ProbeStep]:
        return [
            ("history", "the calls of an hour, SOAP 1.2", self.check_history),
            ("soap-1.1", "the successful ones of them, SOAP 1.1", self.check_soap11),
            ("nobody", "the calls of an unknown organisation", self.check_unknown_client),
            ("parties", "who called whom, and on which line", self.check_parties),
            ("wsdl", "the description of the service", self.check_wsdl),
            (REFUSAL_PROBES[0], "requests that must be refused", self.check_refusals),
        ]

    async def check_history(self) -> None:
        """An hour of the day or, when it has no call, the seven days that end with it."""
        midnight = datetime.combine(self.day, time())
        for begin, end in (
            (midnight + timedelta(hours=10), midnight + timedelta(hours=11)),
            (midnight - timedelta(days=6), midnight + timedelta(days=1)),
        ):
            self.period = Structure(PeriodFrom=begin, PeriodTo=end)
            self.rows = await self._fetch_records(SOAP12, self.period)
            if self.rows:
                break
        shown = f"{begin} to {end}"
        self.probe.notes.append(f"{len(self.rows)} calls, {shown}")
        if not self.rows:
            raise SkipProbe(f"no calls from {shown}: rows were not checked")

    async def check_soap11(self) -> None:
        self.require_rows()
        params = Structure({**self.period, "CallResult": 1})
        found = await self._fetch_records(SOAP11, params)
        expected = [row for row in self.rows if row.get("CallResult") == 1]
        if found != expected:
            index = next((n for n, row in enumerate(expected) if found[n : n + 1] != [row]), 0)
            where = f"{HISTORY_OPERATION}: row {index + 1} of CallResult 1"
            count = f"{len(expected)} calls, as without the filter"
            self.probe.add(where, count, f"{len(found)} calls, or others")

    async def check_unknown_client(self) -> None:
        """No rows, but all columns (assumed); or a refusal."""
        params = Structure({**self.period, "ClientID": UNKNOWN_CLIENT_ID})
        if self.choices["onec.unknown-uuid"] == "refuse":
            await self._expect_refusal("nobody", params, "onec.unknown-uuid")
            return
        rows = await self._fetch_records(SOAP12, params, "onec.unknown-uuid")
        if rows:
            where = f"{HISTORY_OPERATION}: ResultData"
            expected = f"no calls of {UNKNOWN_CLIENT_ID}"
            self.probe.add(where, expected, f"{len(rows)} calls")

    async def check_parties(self) -> None:
        """The user is caller or callee; the line is one of the partner's (assumed)."""
        self.require_rows()
        for number, row in enumerate(self.rows, 1):
            user = row.get("ServiceUserID")
            if user is not None and user not in (row.get(side) for side in PARTY_COLUMNS):
                where = f"{HISTORY_OPERATION}: row {number} (CallerID, CalleeID)"
                self.probe.add(where, "ServiceUserID on one side", "others", "assumed")
        table = await self._fetch_table(SOAP12, LINES_OPERATION, Structure())
        position = table.names.index("ServiceID") if "ServiceID" in table.names else 0
        lines = {row[position] for row in table.rows if len(row) > position}
        if not all(isinstance(line, str) and UUID.fullmatch(line) for line in lines):
            self.probe.notes.append(
                f"{LINES_OPERATION} shows no ServiceID: lines were not compared"
            )
            return
        for number, row in enumerate(self.rows, 1):
            line = row.get("ServiceID")
            if line is not None and line not in lines:
                where = f"{HISTORY_OPERATION}: row {number} (ServiceID)"
                self.probe.add(where, f"a line of {LINES_OPERATION}", line, "assumed")

    async def check_wsdl(self) -> None:
        url = f"{self.target.url}?wsdl"
        response = await self.send_request("wsdl", "GET", url, {"Authorization": self.basic})
        if response.status != 200:
            self.probe.add("wsdl: status", "200", response.status, "observed")
            return
        if response.media_type != "text/xml":
            self.probe.add("wsdl: Content-Type", "text/xml", repr(response.media_type), "observed")
        self.add_result(validate.validate_wsdl(response.body, self.target.url), "wsdl")

    async def check_refusals(self) -> None:
        params = Structure({**self.period, "ClientID": "callmocks"})
        await self._expect_refusal("a ClientID that is no UUID", params, "onec.code-bad-uuid")
        for namespace in (SOAP11, SOAP12):
            unknown = build_request(namespace, "CallmocksCheck", Structure())
            name = f"an unknown operation, SOAP {'1.1' if namespace == SOAP11 else '1.2'}"
            response = await self.post_envelope(name, namespace, unknown)
            self._expect_fault(name, response)
        response = await self.post_envelope("no SOAP message", SOAP11, b"<callmocks/>")
        self._expect_fault("no SOAP message", response)
        valid = build_request(SOAP12, HISTORY_OPERATION, self.period)
        response = await self.post_envelope("nobody", SOAP12, valid, login=False)
        if response.status != 401:
            self.probe.add("nobody: status", "401", response.status, "observed")
        elif not response.headers.get("WWW-Authenticate", "").lower().startswith("basic"):
            self.probe.add("nobody: WWW-Authenticate", "Basic", "another or none", "observed")

    async def _expect_refusal(self, name: str, params: Structure, assumption: str) -> None:
        """A ResultCode that is not SUCCESS."""
        body = build_request(SOAP12, HISTORY_OPERATION, params)
        response = await self.post_envelope(name, SOAP12, body)
        self._validate(name, response)
        try:
            if (code := read_answer(response.body).get("ResultCode")) == SUCCESS:
                where, expected = f"{name}: ResultCode", "another than SUCCESS"
                self.probe.add(where, expected, code, "assumed", assumption)
        except (BadValue, SoapFault, RecursionError) as error:
            self.probe.add(f"{name}: answer", "a ResultCode", str(error), "assumed")

    async def _fetch_records(
        self, namespace: str, params: Structure, assumption: str = ""
    ) -> Records:
        table = await self._fetch_table(namespace, HISTORY_OPERATION, params, assumption)
        return list(table.records())

    async def _fetch_table(
        self, namespace: str, operation: str, params: Structure, assumption: str = ""
    ) -> ValueTable:
        """The table; anything else is a finding and ends the probe. A refusal is about the
        ``assumption``, if any.
        """
        body = build_request(namespace, operation, params)
        response = await self.post_envelope(operation, namespace, body)
        if response.status == 401 and not self.rows:
            raise CheckError(f"{self.target.url} refuses the credentials")
        self._validate(operation, response, body)
        try:
            result = read_answer(response.body)
        except SoapFault as fault:
            where = f"{operation}: /Envelope/Body"
            self.probe.add(where, f"{operation}Response", f"a Fault: {fault.text}")
            raise EndOfProbe from None
        except (BadValue, RecursionError):
            raise EndOfProbe from None
        code, data = result.get("ResultCode"), result.get("ResultData")
        if code == OUT_OF_LIMIT[0]:
            raise StopCheck(f"the service says {code}: {data!s}")
        if code != SUCCESS:
            where, got = f"{operation}: ResultCode", f"{code!s}: {data!s}"
            if assumption:
                self.probe.add(where, SUCCESS, got, "assumed", assumption)
            else:
                self.probe.add(where, SUCCESS, got)
            raise EndOfProbe
        if not isinstance(data, ValueTable):
            raise EndOfProbe
        return data

    async def post_envelope(
        self, name: str, namespace: str, body: bytes, *, login: bool = True
    ) -> HttpResponse:
        headers = {"Content-Type": MEDIA_TYPES[namespace]}
        if name in load_operations():
            headers["SOAPAction"] = f'"{SERVICE}#PartnerWebAPI2:{name}"'
        if login:
            headers["Authorization"] = self.basic
        return await self.send_request(name, "POST", self.target.url, headers, body)

    def _expect_fault(self, name: str, response: HttpResponse) -> None:
        """The response must be a Fault with the status of an error."""
        if (status := response.status) < 400:
            self.probe.add(f"{name}: status", "500, or 400 for SOAP 1.2", status, "assumed")
        result = self._validate(name, response)
        if not result.kind.endswith("fault"):
            self.probe.add(f"{name}: answer", "a SOAP Fault", result.kind, "assumed")

    def _validate(
        self, name: str, response: HttpResponse, request: bytes | None = None
    ) -> ValidationResult:
        status, media_type = response.status, response.media_type
        result = validate.validate_message(response.body, request, status, media_type, self.choices)
        self.add_result(result, name)
        return result
