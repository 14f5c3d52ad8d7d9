"""The calls of a day as three providers tell them: read page by page, tried again, merged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

import requests

PAGE = 1000
TRIES = 5
MOST_LEGS = 3
CORE = "{http://v8.1c.ru/8.1/data/core}"
ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xs="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>'
    '<GetHistoryOfServiceCalls xmlns="http://buhphone.com/PartnerWebAPI2"><Params>'
    '<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodFrom">'
    '<Value xsi:type="xs:dateTime">{:%Y-%m-%dT%H:%M:%S}</Value></Property>'
    '<Property xmlns="http://v8.1c.ru/8.1/data/core" name="PeriodTo">'
    '<Value xsi:type="xs:dateTime">{:%Y-%m-%dT%H:%M:%S}</Value></Property>'
    "</Params></GetHistoryOfServiceCalls></e:Body></e:Envelope>"
)


class ProviderError(Exception):
    """A provider refused a request; the text is its mnemonic, reason or code."""


class Passing(ProviderError):
    """An error that goes by itself after ``seconds``."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


@dataclass
class Client:
    """What the three clients share: a request is tried again when its error passes."""

    url: str
    sleep: Callable[[float], object] = time.sleep

    def retry(self, attempt: Callable[..., Any], *arguments: object) -> Any:
        for _ in range(TRIES - 1):
            try:
                return attempt(*arguments)
            except Passing as error:
                self.sleep(error.seconds)
        return attempt(*arguments)

    def post(self, url: str, **more: Any) -> requests.Response:
        try:
            answer = requests.post(url, timeout=30, **more)
        except requests.ConnectionError as error:
            raise Passing(str(error), 5) from None
        if answer.status_code in (502, 503, 504):
            raise Passing(f"status {answer.status_code}", 5)
        return answer


@dataclass
class DataApi(Client):
    token: str = ""

    def legs(self, since: datetime, till: datetime) -> list[dict[str, Any]]:
        """All call legs that started in a window."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.retry(self.page, since, till, len(found))
            found += page["data"]
            if not page["data"] or len(found) >= page["metadata"]["total_items"]:
                return found

    def page(self, since: datetime, till: datetime, offset: int) -> Any:
        params = {
            "access_token": self.token,
            "date_from": f"{since:%Y-%m-%d %H:%M:%S}",
            "date_till": f"{till:%Y-%m-%d %H:%M:%S}",
            "limit": PAGE,
            "offset": offset,
        }
        request = {"jsonrpc": "2.0", "id": 1, "method": "get.call_legs_report", "params": params}
        answer = self.post(self.url, json=request).json()
        if "error" not in answer:
            return answer["result"]
        data = answer["error"]["data"]
        if data["mnemonic"] == "limit_exceeded":
            raise Passing("limit_exceeded", 60)
        raise ProviderError(data["mnemonic"])


@dataclass
class Workplace(Client):
    number: str = ""
    password: str = ""

    def rows(self, since: datetime) -> list[dict[str, str]]:
        """An operator's calls, newest first, page by page behind the tag."""
        found: list[dict[str, str]] = []
        tag = ""
        while True:
            history = self.retry(self.page, since, tag)
            page = [dict(row.attrib) for row in history.iter("call_history")]
            found, tag = found + page, history.get("tag")
            if not page:
                return found

    def page(self, since: datetime, tag: str) -> ElementTree.Element:
        filters = ElementTree.Element("filters", limit="50", offset="0")
        filters.set("from_date", f"{since:%Y/%m/%d %H:%M:%S}")
        if tag:
            filters.set("tag", tag)
        body = b"<in><request>%s</request></in>" % ElementTree.tostring(filters)
        url = f"{self.url}/operator_call_history"
        answer = self.post(url, data=body, auth=(self.number, self.password))
        root = ElementTree.fromstring(answer.content)
        error = root.find("error")
        if error is not None:
            raise ProviderError(error.get("reason", ""))
        (history,) = root.iter("history")
        return history


@dataclass
class ServiceCalls(Client):
    user: str = ""
    password: str = ""

    def rows(self, since: datetime, till: datetime) -> list[dict[str, str | None]]:
        """Calls on the partner's lines that began in a period; cells by their column's name."""
        return list(self.retry(self.call, since, till))

    def call(self, since: datetime, till: datetime) -> list[dict[str, str | None]]:
        body = ENVELOPE.format(since, till)
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        answer = self.post(self.url, data=body, headers=headers, auth=(self.user, self.password))
        root = ElementTree.fromstring(answer.content)
        values = {each.get("name"): each[0] for each in root.iter(f"{CORE}Property")}
        if "ResultCode" not in values:
            raise ProviderError("".join(root.itertext()).strip())
        code, data = values["ResultCode"].text, values["ResultData"]
        if code == "OUT_OF_LIMIT":
            raise Passing(code, 3600)
        if code != "SUCCESS":
            raise ProviderError(f"{code}: {data.text}")
        names = [name.text or "" for name in data.iterfind(f"{CORE}column/{CORE}Name")]
        return [
            dict(zip(names, (value.text for value in row), strict=True))
            for row in data.iterfind(f"{CORE}row")
        ]


@dataclass
class MergedCall:
    """One talk as all providers show it."""

    session_id: int
    answered: str
    """``2026-03-02 11:00:11``."""
    phone: str
    seconds: int
    call_refs: list[str] = field(default_factory=list)
    """Of the ARM, of the operators whose history was read."""
    call_id: str | None = None
    """Of 1C; None when that provider does not show the call."""


def merge(
    legs: Iterable[dict[str, Any]],
    rows: Iterable[dict[str, str]],
    calls: Iterable[dict[str, str | None]],
) -> list[MergedCall]:
    """Join the answered calls by the moment of the answer, the number and the length."""
    by_call: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        key = (row["answer_time"].replace("/", "-"), row["remote_digits"])
        by_call.setdefault(key, []).append(row["call_ref"])
    answered_at: dict[str, list[dict[str, str | None]]] = {}
    for service_call in calls:
        moment = (service_call["CallTime"] or "").replace("T", " ")
        answered_at.setdefault(moment, []).append(service_call)
    merged: dict[int, MergedCall] = {}
    for leg in legs:
        if not leg["is_operator"] or leg["connect_time"] is None or leg["is_coach"]:
            continue
        incoming = leg["direction"] == "out"  # seen from the exchange: it called the operator
        phone = leg["calling_phone_number" if incoming else "called_phone_number"]
        session, answered = leg["call_session_id"], leg["connect_time"]
        call = merged.setdefault(session, MergedCall(session, answered, phone, 0))
        call.seconds += leg["duration"]
        call.call_refs += by_call.get((answered, phone), [])
    for call in merged.values():
        for service_call in answered_at.get(call.answered, []):
            # 1C adds up all talk of a call before it cuts off to seconds, CDR each leg's
            if 0 <= int(service_call["Duration"] or 0) - call.seconds <= MOST_LEGS:
                call.call_id = service_call["CallID"]
    return sorted(merged.values(), key=lambda call: (call.answered, call.session_id))
