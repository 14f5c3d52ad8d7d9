"""Masks: nobody's name, number or credential, the same shape, and the same mask each time."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from callmocks.arm import frames, tag
from callmocks.arm.provider import ARM
from callmocks.cdr.provider import CDR
from callmocks.onec.provider import ONEC
from callmocks.provider.base import Provider
from callmocks.server.providers import PROVIDERS
from callmocks.verification.cipher import Cipher
from callmocks.verification.mask_message import MaskedMessage, MessageMasker

KEY, OTHER = b"k" * 16, b"o" * 16
NAMES = st.text("абвгеёжзиклмнопрстуюяАБВЁ abcXYZ'-\"&<>é漢🎉0123", max_size=40)


@given(st.sets(st.from_regex(r"7\d{10}", fullmatch=True), min_size=2, max_size=30))
@settings(max_examples=50)
def test_numbers_keep_their_shape_and_have_different_masks(numbers: set[str]) -> None:
    cipher = Cipher(KEY)
    masked = {number: cipher.mask_number(number) for number in numbers}
    assert all(re.fullmatch(r"7\d{10}", each) for each in masked.values())
    assert len(set(masked.values())) == len(numbers)
    assert masked == {number: Cipher(KEY).mask_number(number) for number in numbers}


@pytest.mark.parametrize("short", ["101", "0288", "", "112", "288122"])
def test_internal_numbers_are_not_masked(short: str) -> None:
    assert Cipher(KEY).mask_number(short) == short


def test_a_number_is_the_same_however_it_is_written() -> None:
    cipher = Cipher(KEY)
    plain = cipher.mask_number("79161234567")
    written = cipher.mask_number("+7 (916) 123-45-67")
    assert re.sub(r"\D", "", written) == plain != "79161234567"
    assert re.sub(r"\d", "9", written) == "+9 (999) 999-99-99"
    assert Cipher(OTHER).mask_number("79161234567") != plain


@given(NAMES)
@settings(max_examples=100)
def test_names_keep_length_bytes_and_everything_that_is_no_letter(name: str) -> None:
    masked = Cipher(KEY).mask_name(name)
    assert len(masked) == len(name)
    assert len(masked.encode()) == len(name.encode())
    for one, other in zip(name, masked, strict=True):
        assert one.isalpha() == other.isalpha() and one.isdigit() == other.isdigit()
        assert one.isalnum() or one == other
        if one.lower() in "абвёabc":
            assert one.isupper() == other.isupper()


def test_a_word_always_has_the_same_mask() -> None:
    cipher = Cipher(KEY)
    whole = cipher.mask_name("Иванова Анна Петровна")
    assert whole.split()[0] == cipher.mask_name("Иванова")
    assert cipher.mask_name("ИВАНОВА") == cipher.mask_name("Иванова").upper()
    assert "Иванова" not in whole


@given(st.sets(st.from_regex(r"[а-яё]{2,8}", fullmatch=True), min_size=2, max_size=20))
@settings(max_examples=30)
def test_different_words_have_different_masks(words: set[str]) -> None:
    cipher = Cipher(KEY)
    assert len({cipher.mask_name(word) for word in words}) == len(words)


@given(st.text("abcXYZ019-_.", min_size=1, max_size=80))
@settings(max_examples=50)
def test_a_secret_keeps_its_shape(secret: str) -> None:
    cipher = Cipher(KEY)
    masked = cipher.mask_secret(secret)
    assert re.sub("[a-z]", "a", re.sub(r"\d", "9", masked.lower())) == re.sub(
        "[a-z]", "a", re.sub(r"\d", "9", secret.lower())
    )
    assert masked == cipher.mask_secret(secret)


LEGS, HISTORY = "get.call_legs_report", "operator_call_history"


def mask_answer(provider: Provider, body: str | bytes, operation: str) -> str:
    return mask_body(provider, body, operation, in_answer=True).text


def mask_request(provider: Provider, body: str | bytes, operation: str) -> str:
    return mask_body(provider, body, operation, in_answer=False).text


def mask_body(
    provider: Provider, body: str | bytes, operation: str, *, in_answer: bool
) -> MaskedMessage:
    content = body.encode() if isinstance(body, str) else body
    return MessageMasker(KEY, provider).mask_message(content, operation, in_answer=in_answer)


ROW = {
    "id": 5605600001,
    "call_session_id": 5605600000,
    "employee_id": 1001,
    "employee_full_name": 'Ёлкина "Э" О\'Нил',
    "employee_phone_number": "0288122",
    "calling_phone_number": "79161234567",
    "scenario_name": "Линия Иванова",
    "call_records": ["0123456789abcdef0123456789abcdef"],
    "finish_reason": "a_new_reason",
    "start_time": "2026-03-02 09:00:00",
    "duration": 79161234567,
    "is_talked": True,
    "contact_id": None,
}
KEPT = ("id", "call_session_id", "employee_id", "finish_reason", "start_time", "contact_id")


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_row_of_the_data_api(ascii_only: bool) -> None:
    body = json.dumps({"result": {"data": [ROW]}}, ensure_ascii=ascii_only)
    masked = mask_answer(CDR, body, LEGS)
    assert len(masked.encode()) == len(body.encode())
    row = json.loads(masked)["result"]["data"][0]
    assert list(row) == list(ROW)
    for field in KEPT:
        assert row[field] == ROW[field]
    assert re.fullmatch(r"7\d{10}", row["calling_phone_number"])
    assert re.fullmatch(r"0\d{6}", row["employee_phone_number"])
    assert re.fullmatch(r"[0-9a-f]{32}", row["call_records"][0])
    assert re.fullmatch(
        r"[А-ЯЁ][а-яё]{5} \"[А-ЯЁ]\" [А-ЯЁ]'[А-ЯЁ][а-яё]{2}", row["employee_full_name"]
    )
    assert re.fullmatch(r"[А-ЯЁ][а-яё]{4} [А-ЯЁ][а-яё]{6}", row["scenario_name"])
    for field in ROW.keys() - {*KEPT, "is_talked"}:
        assert row[field] != ROW[field], field


def test_both_spellings_of_json_have_the_same_mask() -> None:
    rows = [
        json.loads(mask_answer(CDR, json.dumps(ROW, ensure_ascii=flag), LEGS))
        for flag in (True, False)
    ]
    assert rows[0] == rows[1]


def legs_request(*filters: dict[str, object], **params: object) -> str:
    condition = {"filters": list(filters), "condition": "and"}
    given = {"access_token": "secret-token-1", "filter": condition, "limit": 20, **params}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": LEGS, "params": given})


def test_a_filter_is_masked_by_the_field_it_names() -> None:
    filters: list[dict[str, object]] = [
        {"field": "employee_full_name", "operator": "in", "value": ["Иванов", "Ян"]},
        {"value": "79161234567", "field": "calling_phone_number", "operator": "="},
        {"field": "calling_phone_number", "operator": "=", "value": 89161234567},
        {"field": "calling_phone_number", "operator": "like", "value": "%9161%"},
        {"field": "called_phone_number", "operator": "=", "value": "+380 (50) 123-45-67"},
        {"field": "duration", "operator": ">", "value": 60},
        {"field": "finish_reason", "operator": "=", "value": "operator_busy"},
        {"field": "start_time", "operator": ">", "value": "2026-03-02 09:00:00"},
        {"field": "employee_full_name", "operator": "=", "value": {"name": "Иванов"}},
    ]
    masked = json.loads(mask_request(CDR, legs_request(*filters), LEGS))
    found = masked["params"]["filter"]["filters"]
    values = [each["value"] for each in found]
    cipher = Cipher(KEY)
    assert values[0] == [cipher.mask_name("Иванов"), cipher.mask_name("Ян")]
    assert values[1] == cipher.mask_number("79161234567")
    assert str(values[2]) == "8" + str(values[1])[1:]
    assert values[3] != "%9161%" and values[3][0] == values[3][-1] == "%"
    assert re.fullmatch(r"\+3\d\d \(\d\d\) \d{3}-\d\d-\d\d", values[4])
    assert values[4] != filters[4]["value"]
    assert values[5:8] == [each["value"] for each in filters[5:8]]
    assert "Иванов" not in json.dumps(values[8], ensure_ascii=False)
    assert masked["params"]["limit"] == 20
    assert masked["params"]["access_token"] != "secret-token-1"


def test_a_credential_is_masked_in_harmless_fields_and_no_word_of_the_protocol_is() -> None:
    masker = MessageMasker(KEY, CDR)
    for token in ("params", "asecret", "2026"):
        body = legs_request(access_token=token, date_from="2026")
        masked = masker.mask_message(body.encode(), LEGS, in_answer=False).text
        assert json.loads(masked).keys() == {"jsonrpc", "id", "method", "params"}
    answer = '{"result":{"data":[{"finish_reason":"asecret","id":2026,"direction":"in"}]}}'
    masked = masker.mask_message(answer.encode(), LEGS, in_answer=True).text
    row = json.loads(masked)["result"]["data"][0]
    assert row["finish_reason"] != "asecret" and row["id"] != 2026 and row["direction"] == "in"


def test_an_error_keeps_the_words_of_the_contract() -> None:
    body = json.dumps({
        "error": {
            "code": -32001,
            "message": "Access token Иванов 79161234567 is invalid",
            "data": {"mnemonic": "access_token_invalid", "field": "filter.filters.value"},
        }
    })  # fmt: skip
    error = json.loads(mask_answer(CDR, body, LEGS))["error"]
    assert re.fullmatch(r"Access token [А-ЯЁ][а-яё]{5} 7\d{10} is invalid", error["message"])
    assert error["data"] == {"mnemonic": "access_token_invalid", "field": "filter.filters.value"}


def test_names_of_unknown_members_are_masked() -> None:
    row = {"Иванов": 1, "79161234567": 2, "pass word": 3, "call_score": 4, "id": 5}
    body = json.dumps({"result": {"data": [row]}}, ensure_ascii=False)
    masked = json.loads(mask_answer(CDR, body, LEGS))["result"]["data"][0]
    assert list(masked)[3:] == ["call_score", "id"]
    assert not {*list(row)[:3]} & masked.keys()


def test_a_frame_keeps_its_declared_length() -> None:
    attributes = (
        '"digits":"101","remote_digits":"79161234567","remote_display_name":"Ё & \\"Ко\\"",'
    )
    rest = '"call_ref":"613295627","call_record":"http://a.b/0123456789abcdef.wav"'
    body = f'[{{"_name":"out","_attributes":{{{attributes}{rest}}}}}]'.encode()
    message = frames.encode_response("0012", 200, body)
    frame = frames.decode_response(mask_answer(ARM, message, HISTORY).encode())
    assert frame.deviations == ()
    found = msgspec.json.decode(frame.body)[0]["_attributes"]
    assert found["digits"] == "101"
    assert found["call_ref"] == "613295627"
    assert re.fullmatch(r"7\d{10}", found["remote_digits"])
    assert found["remote_digits"] != "79161234567"
    assert re.fullmatch(r"[А-ЯЁ] & \"[А-ЯЁ][а-яё]\"", found["remote_display_name"])
    assert re.fullmatch(r"http://[a-z]\.[a-z]/[0-9a-f]{16}\.wav", found["call_record"])
    assert found["call_record"] != "http://a.b/0123456789abcdef.wav"


def test_a_document_is_masked_as_the_frame_is() -> None:
    cipher = Cipher(KEY)
    document = (
        '<out><call_history remote_display_name="ООО \'Ёлка\' &amp; Ко" remote_digits="79161234567"'
        " display_name='Анна' call_ref='613295627'><url_list><url>http://a/f0f0.wav</url>"
        '</url_list></call_history><error reason="x">79161234567</error>'
        "<password>Pa55word</password><!-- Иванов --><![CDATA[Иванов]]></out>"
    )
    masked = mask_answer(ARM, document, HISTORY)
    assert len(masked.encode()) == len(document.encode())
    root = etree.fromstring(masked)
    row = root[0]
    assert row.get("remote_display_name") == cipher.mask_name("ООО 'Ёлка' & Ко")
    assert row.get("display_name") == cipher.mask_name("Анна")
    assert row.get("call_ref") == "613295627"
    assert row.get("remote_digits") == root[1].text == cipher.mask_number("79161234567")
    assert row[0][0].text != "http://a/f0f0.wav"
    assert "Pa55word" not in masked and "Иванов" not in masked


def test_the_filters_inside_a_tag_are_masked() -> None:
    from datetime import datetime

    cipher = Cipher(KEY)
    filters = (("number", "79161234567"), ("display_name", "Ёлка"), ("direction", "in"))
    original = tag.PagingTag(datetime(2026, 3, 2), "101", filters=filters)
    body = f'<in><request><filters tag="{tag.encode(original)}"/></request></in>'
    masked = mask_request(ARM, body, HISTORY)
    assert len(masked) == len(body)
    cursor = tag.decode(re.findall(r'tag="([^"]+)"', masked)[0])
    assert (cursor.start, cursor.agent) == (original.start, "101")
    assert dict(cursor.filters) == {
        "number": cipher.mask_number("79161234567"),
        "display_name": cipher.mask_name("Ёлка"),
        "direction": "in",
    }


TABLE = """<m:SpecialistReadResponse xmlns:m="http://buhphone.com/PartnerWebAPI2"><Value>
<column><Name>SpecialistID</Name></column><column><Name>Surname</Name></column>
<column><Name>Phone</Name></column><column><Name>Birthday</Name></column>
<column><Name>Login</Name></column>
<row><Value>79d4067b-6f12-451a-8efb-2003d6a61c1e</Value><Value>Ёл<![CDATA[ки]]>на</Value>
<Value/><Value>1980-05-17T00:00:00</Value><Value>1234567</Value></row>
<row><Value>x</Value><Value/><Value>+7 916 123-45-67</Value><Value>1990-05</Value></row>
<row><Value>Иванов</Value></row></Value></m:SpecialistReadResponse>"""


def test_cells_are_masked_by_their_columns() -> None:
    masked = mask_answer(ONEC, TABLE, "SpecialistRead")
    assert len(masked.encode()) == len(TABLE.encode())
    assert "79d4067b-6f12-451a-8efb-2003d6a61c1e" in masked
    assert "Ёл<!" not in masked and "[ки]" not in masked
    assert Cipher(KEY).mask_number("+7 916 123-45-67") in masked and "916" not in masked
    assert "1980-01-01T00:00:00" in masked and "1990" not in masked
    assert "1234567" not in masked and "Иванов" not in masked


def test_prefixes_of_namespaces_are_told_apart() -> None:
    """Two masks of one letter would often be the same, and the request no document."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    declared = "".join(f' xmlns:{letter}="urn:{letter}"' for letter in letters)
    body = f'<ivanov:ClientRead xmlns:ivanov="urn:x"{declared}/>'
    masked = mask_request(ONEC, body, "ClientRead")
    assert set(letters) < etree.fromstring(masked.encode()).nsmap.keys()
    assert "ivanov" not in masked


@pytest.mark.parametrize(
    ("provider", "operation", "body"),
    [
        ("cdr", LEGS, b'{"params":{"access_token":"Ivan-0v",}}'),
        ("cdr", LEGS, b'\xef\xbb\xbf{"params":{"access_token":"Ivan-0v"}}'),
        ("cdr", "", b'[{"params":{"access_token":"Ivan-0v"}}]'),
        ("cdr", "get.visitors", b'{"params":{"name":"Ivan-0v"}}'),
        ("cdr", LEGS, b"<html>Ivan-0v</html"),
        ("arm", HISTORY, b"<in name='Ivan-0v'"),
        ("arm", HISTORY, "<in name='Ivan-0v'/>".encode("utf-16")),
        ("arm", "make_call", b"<in name='Ivan-0v'/>"),
        ("arm", HISTORY, b'0100000000690012make_call[{"_name":"Ivan-0v"}]'),
        ("onec", "SpecialistRead", b'<?xml version="1.0" encoding="windows-1251"?><a>Ivan-0v</a>'),
        ("onec", "SpecialistRead", b"<!DOCTYPE a [<!ENTITY b 'Ivan-0v'>]><a>&b;</a>"),
        ("onec", "ClientEdit", b"<a>Ivan-0v</a>"),
    ],
)
def test_what_cannot_be_masked_is_a_length_and_a_hash(
    provider: str, operation: str, body: bytes
) -> None:
    masker = MessageMasker(KEY, PROVIDERS[provider])
    masked = masker.mask_message(body, operation, in_answer=False)
    assert (masked.text, masked.length) == ("", len(body))
    assert re.fullmatch("[0-9a-f]{32}", masked.digest)
    other = MessageMasker(OTHER, PROVIDERS[provider])
    assert other.mask_message(body, operation, in_answer=False).digest != masked.digest
    readable = MessageMasker(KEY, PROVIDERS[provider], "masked")
    text = readable.mask_message(body, operation, in_answer=False).text
    assert text and "Ivan" not in text


def test_more_credentials_than_can_be_known_end_the_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callmocks.verification.masking.MAX_SECRETS", 2)
    masker = MessageMasker(KEY, CDR)
    texts = [
        masker.mask_message(legs_request(access_token=token).encode(), LEGS, in_answer=False).text
        for token in ("one-1", "two-2", "one-1", "three-3")
    ]
    assert [bool(text) for text in texts] == [True, True, True, False]


@pytest.mark.parametrize("provider", ["arm", "cdr", "onec"])
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b'{"access_token": "abc', b"<a b='", b"01"])
def test_anything_can_be_masked(provider: str, body: bytes) -> None:
    masker = MessageMasker(KEY, PROVIDERS[provider], "masked")
    for operation in ("", LEGS, HISTORY):
        assert "abc" not in masker.mask_message(body, operation, in_answer=True).text
