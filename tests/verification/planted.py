"""Messages of the three providers with somebody's values in random places, and a search for them.

A message is a template that the contract has; one of its leaves, names, comments or the whole of
it is replaced. Values are planted as they are, in escapes, in base64, percent-encoded.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from callmocks.arm import frames

NAMES = (
    *("Запупыркин Ёжик", "Щукина-Цой Агриппина", 'ООО "Тюльпанчик"', "Quxova Zinaida"),
    *("O'Brianski Fjodor", "Григорьянц", "Мдивани Нодар Ёсифович", "漢字太郎", "Zoë Brüggemann"),
)
PHONES = (
    *("79163344556", "89163344557", "+7 (916) 334-45-58", "9163344559", "380501234567"),
    *("+49 151 23456789", "8 (495) 765-43-21", "%79163344550%", "7-916-334-45-51"),
)
EMAILS = ("zapupyrkin.e@tulpan-mail.ru", "Quxova+calls@example-post.org", "щукина@почта.рф")
PASSWORDS = ("Xk7!vmQw", "Pa55word-Zq", "correct-Horse-77", "ПарольЁ99", "hZ8kqw2mTt", "z9.X_kk3#v")
VALUES = (*NAMES, *PHONES, *EMAILS, *PASSWORDS)

Encode = Callable[[str], str]
ENCODINGS: tuple[Encode, ...] = (
    str,
    str,
    str,
    lambda value: base64.b64encode(value.encode()).decode(),
    quote,
    lambda value: f"before {value}, behind",
)


@dataclass(frozen=True)
class PlantedExchange:
    """``operation`` is ARM's command; the rest is what client and provider send."""

    operation: str
    request: bytes
    response: bytes
    headers: dict[str, str]
    response_headers: dict[str, str]
    query: str = ""
    status: int = 200


LEG = {
    "id": 5605600001,
    "call_session_id": 5605600000,
    "start_time": "2026-03-02 09:00:00",
    "duration": 60,
    "finish_reason_description": "Абонент разорвал соединение",
    "calling_phone_number": "74950000000",
    "direction": "in",
    "is_talked": True,
    "employee_id": 1001,
    "employee_full_name": "x",
    "scenario_name": "y",
    "call_records": ["0123456789abcdef0123456789abcdef"],
    "contact_full_name": None,
}
LEGS_REQUEST: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 7,
    "method": "get.call_legs_report",
    "params": {
        "access_token": "t",
        "user_id": 5,
        "date_from": "2026-03-02 00:00:00",
        "date_till": "2026-03-02 23:59:59",
        "limit": 20,
        "fields": ["id", "direction"],
        "sort": [{"field": "duration", "order": "asc"}],
        "filter": {
            "filters": [
                {"field": "employee_full_name", "operator": "=", "value": "x"},
                {"field": "calling_phone_number", "operator": "in", "value": [74950000000]},
            ],
            "condition": "and",
        },
    },
}
LEGS_RESPONSE = {
    "jsonrpc": "2.0",
    "id": 7,
    "result": {"metadata": {"total_items": 1, "limits": {"day_limit": 3000}}, "data": [LEG]},
}
ERROR_RESPONSE = {
    "jsonrpc": "2.0",
    "id": 7,
    "error": {
        "code": -32001,
        "message": "Access token is invalid",
        "data": {"mnemonic": "error", "field": "limit", "value": "x", "params": {"a": "b"}},
    },
}
TREE_REQUEST = [
    {
        "_name": "in",
        "_content": [
            {
                "_name": "request",
                "_content": [
                    {
                        "_name": "filters",
                        "_attributes": {
                            "offset": "0",
                            "limit": "5",
                            "number": "101",
                            "from_date": "2026/03/02",
                            "display_name": "x",
                        },
                    }
                ],
            }
        ],
    }
]
CALL = {
    "total_duration": "4",
    "waiting_duration": "4",
    "talk_duration": "0",
    "release_reason": "released_by_a",
    "digits": "102",
    "remote_digits": "101",
    "call_ref": "613295627",
    "duration": "0",
    "release_time": "2026/03/02 10:00:04",
    "answer_time": "",
    "start_time": "2026/03/02 10:00:00",
    "direction": "in",
    "call_record": "http://records/x.wav",
    "remote_display_name": "x",
    "display_name": "",
    "remote_agent_id": "",
}
TREE_RESPONSE = [
    {
        "_name": "out",
        "_attributes": {"xmlns:xs": "http://www.w3.org/2001/XMLSchema-instance"},
        "_content": [
            {
                "_name": "response",
                "_attributes": {"timestamp": "2026/03/02 12:00:00"},
                "_content": [
                    {
                        "_name": "history",
                        "_attributes": {"tag": "g2gEZAADdGFn"},
                        "_content": [
                            {
                                "_name": "call_history",
                                "_attributes": CALL,
                                "_content": [{"_name": "url_list", "_content": [{"_name": "url"}]}],
                            }
                        ],
                    }
                ],
            }
        ],
    }
]
CORE = "http://v8.1c.ru/8.1/data/core"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SECURITY = (
    "<e:Header><w:Security><w:UsernameToken><w:Username>LEAF</w:Username>"
    "<w:Password>LEAF</w:Password></w:UsernameToken></w:Security></e:Header>"
)
SOAP_REQUEST = (
    f'<e:Envelope xmlns:e="{SOAP}" xmlns:w="urn:security" xmlns:xs="http://www.w3.org/2001/'
    'XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" LEAFNAME="LEAF">'
    f"<!-- LEAF -->{SECURITY}"
    '<e:Body><p:SpecialistRead xmlns:p="http://buhphone.com/PartnerWebAPI2"><p:Params>'
    f'<Property xmlns="{CORE}" name="ChangedFrom"><Value xsi:type="xs:dateTime">LEAF</Value>'
    f'</Property><Property xmlns="{CORE}" name="LEAF"><Value>LEAF</Value></Property>'
    "</p:Params></p:SpecialistRead></e:Body></e:Envelope>"
)
SOAP_RESPONSE = (
    f'<e:Envelope xmlns:e="{SOAP}"><e:Body><m:SpecialistReadResponse '
    'xmlns:m="http://buhphone.com/PartnerWebAPI2"><m:return>'
    f'<Property xmlns="{CORE}" name="ResultCode"><Value>SUCCESS</Value></Property>'
    f'<Property xmlns="{CORE}" name="ResultData"><Value><column><Name>SpecialistID</Name></column>'
    "<column><Name>LEAF</Name><Title>LEAF</Title></column><column><Name>Surname</Name></column>"
    "<column><Name>CreatedAt</Name></column><column><Name>Deleted</Name></column>"
    "<column><Name>Login</Name></column><row><Value>LEAF</Value><Value>LEAF</Value>"
    "<Value>LEAF</Value><Value>LEAF</Value><Value>LEAF</Value><Value>LEAF</Value></row>"
    "</Value></Property></m:return></m:SpecialistReadResponse></e:Body></e:Envelope>"
)
RESULT_TEXT = (
    f'<e:Envelope xmlns:e="{SOAP}"><e:Body><m:SpecialistReadResponse '
    'xmlns:m="http://buhphone.com/PartnerWebAPI2"><m:return>'
    f'<Property xmlns="{CORE}" name="ResultCode"><Value>PARAM_WRONG</Value></Property>'
    f'<Property xmlns="{CORE}" name="ResultData"><Value><![CDATA[LEAF]]></Value></Property>'
    "</m:return></m:SpecialistReadResponse></e:Body></e:Envelope>"
)
SOAP_FAULT = (
    f'<e:Envelope xmlns:e="{SOAP}"><e:Body><e:Fault><faultcode>e:Server</faultcode>'
    "<faultstring>LEAF</faultstring><detail><LEAFNAME>LEAF</LEAFNAME></detail></e:Fault></e:Body>"
    "</e:Envelope>"
)


class Planter:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def value(self) -> str:
        return self._random.choice(ENCODINGS)(self._random.choice(VALUES))

    def exchanges(self, provider: str, count: int) -> Iterator[PlantedExchange]:
        make = {"cdr": self._cdr, "arm": self._arm, "onec": self._onec}[provider]
        for _ in range(count):
            yield make()

    def frame_pairs(self, count: int) -> Iterator[tuple[bytes, bytes]]:
        for number in range(count):
            command = "operator_call_history"
            if self._random.random() < 0.1:
                command = quote(self.value())[:32]
            id = f"{number % 10_000:04d}"
            request = frames.encode_request(id, command, self._json(TREE_REQUEST))
            response = frames.encode_response(id, 200, self._json(TREE_RESPONSE))
            yield self._break(request), self._break(response)

    def _cdr(self) -> PlantedExchange:
        response = self._random.choice((LEGS_RESPONSE, LEGS_RESPONSE, ERROR_RESPONSE))
        return self._exchange("", self._json(LEGS_REQUEST), self._json(response))

    def _arm(self) -> PlantedExchange:
        command = "operator_call_history"
        if self._random.random() < 0.05:
            command = quote(self.value(), safe="")
        if self._random.random() < 0.5:
            request, response = self._json(TREE_REQUEST), self._json(TREE_RESPONSE)
        else:
            request = self._xml(
                '<in><request><filters offset="0" limit="LEAF" number="LEAF" '
                'LEAFNAME="LEAF"/><password>LEAF</password></request></in>'
            )
            response = self._xml(
                '<out><response><history tag="LEAF"><call_history digits="LEAF" '
                'call_ref="LEAF" start_time="LEAF" remote_display_name="LEAF">'
                "<url_list><url>LEAF</url></url_list></call_history></history>"
                '</response><error reason="LEAF" cmd="LEAF">LEAF</error></out>'
            )
        return self._exchange(command, request, response)

    def _onec(self) -> PlantedExchange:
        response = self._random.choice((SOAP_RESPONSE, SOAP_RESPONSE, RESULT_TEXT, SOAP_FAULT))
        return self._exchange("", self._xml(SOAP_REQUEST), self._xml(response))

    def _exchange(self, operation: str, request: bytes, response: bytes) -> PlantedExchange:
        value = quote(self._random.choice(VALUES))
        headers = {"X-Person": value, "Cookie": f"session={value}"}
        back = {"X-Person": value, "Set-Cookie": f"session={value}"}
        if self._random.random() < 0.2:
            back["Content-Type"] = f"text/{quote(value, safe='')}; name={value}"
        query = f"name={value}" if self._random.random() < 0.1 else ""
        sent, got = self._break(request), self._break(response)
        status = self._random.choice((200, 200, 200, 401, 500))
        return PlantedExchange(operation, sent, got, headers, back, query, status)

    def _json(self, template: Any) -> bytes:
        text = json.dumps(self._plant(template), ensure_ascii=self._random.random() < 0.5)
        return text.encode("utf-8", "surrogatepass")

    def _plant(self, value: Any) -> Any:
        """A copy with about every fifth leaf and every thirtieth name replaced."""
        if isinstance(value, dict):
            return {
                self.value() if self._random.random() < 0.03 else name: self._plant(each)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self._plant(each) for each in value]
        if self._random.random() > 0.2:
            return value
        phone = re.sub(r"\D", "", self._random.choice(PHONES))
        return self._random.choice((self.value(), self.value(), int(phone), {"a": self.value()}))

    def _xml(self, template: str) -> bytes:
        def fill(match: re.Match[str]) -> str:
            if match[0] == "LEAFNAME":
                return self._random.choice(("Щукина", "Quxova", "Запупыркин"))
            if self._random.random() < 0.6:
                return "1"
            value = escape(self.value(), {'"': "&quot;"})
            if self._random.random() < 0.3:
                value = "".join(f"&#{ord(char)};" if ord(char) > 127 else char for char in value)
            return value

        # The two names of one element have to agree.
        name = self._random.choice(("Щукина", "Quxova", "Запупыркин"))
        template = re.sub(r"<(/?)LEAFNAME>", rf"<\1{name}>", template)
        return re.sub("LEAFNAME|LEAF", fill, template).encode()

    def _break(self, message: bytes) -> bytes:
        """Now and then no client and no provider should send this."""
        text, name = message.decode("utf-8", "surrogatepass"), self._random.choice(NAMES)
        return self._random.choice((
            *[message] * 30,
            message[: len(message) // 2],
            b"\xef\xbb\xbf" + message,
            b"[" + message + b"]",
            text.replace("}", ",}").encode("utf-8", "surrogatepass"),
            text.encode("utf-16", "surrogatepass"),
            f"<html><body>{name} {self.value()}</body></html>".encode(),
            f"Dear {name}, {self.value()}".encode("cp1251", "replace"),
            f"{name}: {self.value()}".encode(),
        ))  # fmt: skip


def find_planted(written: str) -> list[str]:
    """Values, in whatever spelling, in everything that was written."""
    readable = "\n".join({written, unescape(written), unescape(unescape(written))})
    digits = re.sub(r"(?<=\d)[ ().+-]+(?=\d)", "", readable)
    found = [value for value in VALUES if any(each in readable for each in spellings(value))]
    for phone in PHONES:
        if (plain := re.sub(r"\D", "", phone)[-10:]) in digits:
            found.append(f"{phone}: {plain}")
    words = {word for name in NAMES for word in re.findall(r"\w{4,}", name)}
    return found + [word for word in words if word in readable]


def spellings(value: str) -> Iterator[str]:
    yield from (value, quote(value), escape(value), json.dumps(value)[1:-1], value.lower())
    for padding in (b"", b" ", b"  "):
        encoded = base64.b64encode(padding + value.encode()).decode().rstrip("=")
        yield encoded[4 if padding else 0 : -1]


def unescape(text: str) -> str:
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    text = re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), text)
    return text.replace('\\"', '"').replace("\\\\", "\\").replace("\0", "")
