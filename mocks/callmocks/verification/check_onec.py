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
from callmocks.history.clock import Clock, zone
from callmocks.onec import validate
from callmocks.onec.contract import served
from callmocks.onec.encoder import write_structure
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.namespaces import SERVICE, SOAP11, SOAP12
from callmocks.onec.responses import SoapFault, read_answer
from callmocks.onec.results import SUCCESS
from callmocks.onec.values import BadValue, Structure, ValueTable
from callmocks.verification.http_client import Got, Wire
from callmocks.verification.report import REFUSED, Probe
from callmocks.verification.runner import BrokenError, Check, SkipError, Step, StopError, Target

_HISTORY, _LINES = "GetHistoryOfServiceCalls", "ServiceLineKindRead"
_NOBODY = str(UUID(int=0x11111111222233334444555555555555))
_MEDIA = {SOAP11: "text/xml; charset=utf-8", SOAP12: "application/soap+xml; charset=utf-8"}
_SIDES = ("CallerID", "CalleeID")

Records = list[dict[str, Any]]


def request(namespace: str, operation: str, params: Structure) -> bytes:
    """A call in the version of SOAP that the namespace stands for."""
    inside = write_structure(params, f"{{{SERVICE}}}Params").decode()
    return (
        f"<s:Envelope xmlns:s={quoteattr(namespace)}><s:Body>"
        f"<p:{operation} xmlns:p={quoteattr(SERVICE)}>{inside}</p:{operation}>"
        "</s:Body></s:Envelope>"
    ).encode()


class OnecCheck(Check):
    """The probes of the service, in order."""

    provider = "onec"
    example = "https://HOST/cus/ws/PartnerWebAPI2"

    def __init__(self, target: Target, wire: Wire) -> None:
        super().__init__(target, wire)
        both = f"{target.login}:{target.password}".encode()
        self.basic = f"Basic {b64encode(both).decode()}"
        self.report.hide(self.basic.partition(" ")[2])
        today = Clock(zone("Europe/Moscow")).now().date()
        self.day = target.day or today - timedelta(days=1)
        self.period: Structure = Structure()
        self.rows: Records = []

    def steps(self) -> list[Step]:
        """See ``Check.steps``."""
        return [
            ("history", "the calls of an hour, SOAP 1.2", self.history),
            ("soap-1.1", "the successful ones of them, SOAP 1.1", self.older_soap),
            ("nobody", "the calls of an organisation that does not exist", self.nobody),
            ("parties", "who called whom, and on which line", self.parties),
            ("wsdl", "the description of the service", self.wsdl),
            (REFUSED[0], "requests that must be refused", self.errors),
        ]

    async def history(self, probe: Probe) -> None:
        """An hour of the day, and when they have no call, the seven days until its end."""
        midnight = datetime.combine(self.day, time())
        for begin, end in (
            (midnight + timedelta(hours=10), midnight + timedelta(hours=11)),
            (midnight - timedelta(days=6), midnight + timedelta(days=1)),
        ):
            self.period = Structure(PeriodFrom=begin, PeriodTo=end)
            self.rows = await self._records(probe, SOAP12, self.period)
            if self.rows:
                break
        shown = f"{begin} to {end}"
        probe.notes.append(f"{len(self.rows)} calls, {shown}")
        if not self.rows:
            raise SkipError(f"no calls from {shown}: rows were not looked at")

    async def older_soap(self, probe: Probe) -> None:
        """The same calls but for the unsuccessful ones."""
        self._need_rows()
        params = Structure({**self.period, "CallResult": 1})
        found = await self._records(probe, SOAP11, params)
        wanted = [row for row in self.rows if row.get("CallResult") == 1]
        if found != wanted:
            place = next((n for n, row in enumerate(wanted) if found[n : n + 1] != [row]), 0)
            where = f"{_HISTORY}: row {place + 1} of CallResult 1"
            expected = f"{len(wanted)} calls, as without the filter"
            probe.add(where, expected, f"{len(found)} calls, or others")

    async def nobody(self, probe: Probe) -> None:
        """A UUID that nobody has: no rows, all columns (assumed)."""
        params = Structure({**self.period, "ClientID": _NOBODY})
        rows = await self._records(probe, SOAP12, params)
        if rows:
            probe.add(f"{_HISTORY}: ResultData", f"no calls of {_NOBODY}", f"{len(rows)} calls")

    async def parties(self, probe: Probe) -> None:
        """One side of a call is its user; its line is one of the partner's (assumed)."""
        self._need_rows()
        for place, row in enumerate(self.rows, 1):
            user = row.get("ServiceUserID")
            if user is not None and user not in (row.get(side) for side in _SIDES):
                where = f"{_HISTORY}: row {place} (CallerID, CalleeID)"
                probe.add(where, "ServiceUserID on one side", "others", "assumed")
        table = await self._table(probe, SOAP12, _LINES, Structure())
        lines = {row[0] for row in table.rows if row}
        for place, row in enumerate(self.rows, 1):
            line = row.get("ServiceID")
            if line is not None and line not in lines:
                where = f"{_HISTORY}: row {place} (ServiceID)"
                probe.add(where, f"a line of {_LINES}", line, "assumed")

    async def wsdl(self, probe: Probe) -> None:
        """The WSDL at the address it describes."""
        url = f"{self.target.url}?wsdl"
        got = await self.send(probe, "wsdl", "GET", url, {"Authorization": self.basic})
        if got.status != 200:
            probe.add("wsdl: status", "200", got.status, "observed")
            return
        if got.media != "text/xml":
            probe.add("wsdl: Content-Type", "text/xml", repr(got.media), "observed")
        self.judged(probe, validate.description(got.body, self.target.url), "wsdl")

    async def errors(self, probe: Probe) -> None:
        """A parameter, an operation, a message and a sender that cannot be."""
        wrong = request(SOAP12, _HISTORY, Structure({**self.period, "ClientID": "callmocks"}))
        got = await self._post(probe, "a ClientID that is no UUID", SOAP12, wrong)
        self._refused(probe, "a ClientID that is no UUID", got)
        for namespace in (SOAP11, SOAP12):
            unknown = request(namespace, "CallmocksCheck", Structure())
            name = f"an unknown operation, SOAP {'1.1' if namespace == SOAP11 else '1.2'}"
            got = await self._post(probe, name, namespace, unknown)
            self._fault(probe, name, got)
        got = await self._post(probe, "no SOAP message", SOAP11, b"<callmocks/>")
        self._fault(probe, "no SOAP message", got)
        asked = request(SOAP12, _HISTORY, self.period)
        got = await self._post(probe, "nobody", SOAP12, asked, login=False)
        if got.status != 401:
            probe.add("nobody: status", "401", got.status, "observed")
        elif not got.headers.get("WWW-Authenticate", "").lower().startswith("basic"):
            probe.add("nobody: WWW-Authenticate", "Basic", "another or none", "observed")

    async def _records(self, probe: Probe, namespace: str, params: Structure) -> Records:
        """The rows of a history by column name."""
        table = await self._table(probe, namespace, _HISTORY, params)
        return list(table.records())

    async def _table(
        self, probe: Probe, namespace: str, operation: str, params: Structure
    ) -> ValueTable:
        """The table of a call that is right; anything else is a finding and ends the probe."""
        body = request(namespace, operation, params)
        got = await self._post(probe, operation, namespace, body)
        if got.status == 401 and not self.rows:
            raise CheckError(f"{self.target.url} refuses the credentials")
        self.judged(probe, validate.message(got.body, body, got.status, got.media), operation)
        try:
            result = read_answer(got.body)
        except SoapFault as fault:
            probe.add(
                f"{operation}: /Envelope/Body", f"{operation}Response", f"a Fault: {fault.text}"
            )
            raise BrokenError from None
        except (BadValue, RecursionError):
            raise BrokenError from None
        code, data = result.get("ResultCode"), result.get("ResultData")
        if code == OUT_OF_LIMIT[0]:
            raise StopError(f"the service says {code}: {data!s}")
        if code != SUCCESS:
            place = f"{operation}: ResultCode"
            probe.add(place, SUCCESS, f"{code!s}: {data!s}")
            raise BrokenError
        if not isinstance(data, ValueTable):
            raise BrokenError
        return data

    async def _post(
        self, probe: Probe, name: str, namespace: str, body: bytes, *, login: bool = True
    ) -> Got:
        headers = {"Content-Type": _MEDIA[namespace]}
        if name in served():
            headers["SOAPAction"] = f'"{SERVICE}#PartnerWebAPI2:{name}"'
        if login:
            headers["Authorization"] = self.basic
        return await self.send(probe, name, "POST", self.target.url, headers, body)

    def _refused(self, probe: Probe, name: str, got: Got) -> None:
        """A ResultCode other than SUCCESS and its reason."""
        self.judged(probe, validate.message(got.body, None, got.status, got.media), name)
        try:
            code = read_answer(got.body).get("ResultCode")
        except (BadValue, SoapFault, RecursionError) as error:
            probe.add(f"{name}: answer", "a ResultCode", str(error), "assumed")
            return
        if code == SUCCESS:
            probe.add(f"{name}: ResultCode", "another than SUCCESS", code, "assumed")

    def _fault(self, probe: Probe, name: str, got: Got) -> None:
        """A Fault in the caller's version, with a status of an error."""
        if got.status < 400:
            probe.add(f"{name}: status", "500, or 400 for SOAP 1.2", got.status, "assumed")
        verdict = validate.message(got.body, None, got.status, got.media)
        self.judged(probe, verdict, name)
        if not verdict.kind.endswith("fault"):
            probe.add(f"{name}: answer", "a SOAP Fault", verdict.kind, "assumed")

    def _need_rows(self) -> None:
        if not self.rows:
            raise SkipError("no calls")
