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
from callmocks.server.providers import PROVIDERS
from callmocks.verification.cipher import Cipher
from callmocks.verification.masking import MessageMasker

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


ROW = {
    "id": 79161234567,
    "call_session_id": 5605600000,
    "employee_id": 1001,
    "employee_full_name": 'Ёлкина "Э" О\'Нил',
    "employee_phone_number": "0288122",
    "calling_phone_number": "79161234567",
    "scenario_name": "Продажи",
    "call_records": ["0123456789abcdef0123456789abcdef"],
    "finish_reason": "operator_busy",
}


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_row_of_the_data_api(ascii_only: bool) -> None:
    body = json.dumps({"result": {"data": [ROW]}}, ensure_ascii=ascii_only).encode()
    masked = MessageMasker(KEY, CDR).mask_message(body)
    assert len(masked) == len(body)
    row = json.loads(masked)["result"]["data"][0]
    for field in ("id", "call_session_id", "employee_id", "scenario_name", "finish_reason"):
        assert row[field] == ROW[field]
    assert re.fullmatch(r"7\d{10}", row["calling_phone_number"])
    assert re.fullmatch(r"0\d{6}", row["employee_phone_number"])
    assert re.fullmatch(r"[0-9a-f]{32}", row["call_records"][0])
    assert re.fullmatch(
        r"[А-ЯЁ][а-яё]{5} \"[А-ЯЁ]\" [А-ЯЁ]'[А-ЯЁ][а-яё]{2}", row["employee_full_name"]
    )
    for field in ("employee_full_name", "employee_phone_number", "calling_phone_number"):
        assert row[field] != ROW[field]
    assert row["call_records"] != ROW["call_records"]


def test_both_spellings_of_json_have_the_same_mask() -> None:
    mask = MessageMasker(KEY, CDR)
    rows = [
        json.loads(mask.mask_message(json.dumps(ROW, ensure_ascii=flag).encode()))
        for flag in (True, False)
    ]
    assert rows[0] == rows[1]


def test_credentials_are_masked_wherever_they_are_repeated() -> None:
    mask = MessageMasker(KEY, CDR)
    request = {
        "method": "get.call_legs_report",
        "params": {
            "access_token": "secret-token-1",
            "filter": {
                "filters": [
                    {"field": "employee_full_name", "operator": "in", "value": ["Иванов", "Ян"]},
                    {"field": "calling_phone_number", "operator": "=", "value": "79161234567"},
                ],
                "condition": "and",
            },
        },
    }
    body = json.dumps(request).encode()
    masked = json.loads(mask.mask_message(body, CDR.find_filter_names(body)))
    text = json.dumps(masked, ensure_ascii=False)
    assert "secret" not in text and "Иванов" not in text and "79161234567" not in text
    names, number = masked["params"]["filter"]["filters"]
    assert names["value"][0] == mask.cipher.mask_name("Иванов")
    assert number["value"] == mask.cipher.mask_number("79161234567")
    error = b'{"error":{"message":"Access token secret-token-1 is invalid"}}'
    assert b"secret" not in mask.mask_message(error)


def test_a_frame_keeps_its_declared_length() -> None:
    attributes = (
        '"digits":"101","remote_digits":"79161234567","remote_display_name":"Ё & \\"Ко\\"",'
    )
    rest = '"call_ref":"71234567890","call_record":"http://a/b/0123456789abcdef.wav"'
    body = f'[{{"_name":"out","_attributes":{{{attributes}{rest}}}}}]'.encode()
    message = frames.encode_response("0012", 200, body)
    masked = MessageMasker(KEY, ARM).mask_message(message)
    frame = frames.decode_response(masked)
    assert frame.deviations == ()
    found = msgspec.json.decode(frame.body)[0]["_attributes"]
    assert found["digits"] == "101"
    assert found["call_ref"] == "71234567890"
    assert re.fullmatch(r"7\d{10}", found["remote_digits"])
    assert found["remote_digits"] != "79161234567"
    assert re.fullmatch(r"[А-ЯЁ] & \"[А-ЯЁ][а-яё]\"", found["remote_display_name"])
    assert re.fullmatch(r"http://a/b/[0-9a-f]{16}\.wav", found["call_record"])


def test_a_document_is_masked_as_the_frame_is() -> None:
    mask = MessageMasker(KEY, ARM)
    name = mask.cipher.mask_name("ООО 'Ёлка' & Ко")
    document = (
        '<out><call_history remote_display_name="ООО \'Ёлка\' &amp; Ко" remote_digits="79161234567"'
        " display_name='Анна' call_ref='79161234567'><url_list><url>http://a/f0f0.wav</url>"
        '</url_list></call_history><error reason="x">79161234567</error></out>'
    )
    masked = mask.mask_message(document.encode())
    assert len(masked) == len(document.encode())
    root = etree.fromstring(masked)
    row = root[0]
    assert row.get("remote_display_name") == name
    assert row.get("display_name") == mask.cipher.mask_name("Анна")
    assert row.get("call_ref") == "79161234567"
    assert row.get("remote_digits") == root[1].text == mask.cipher.mask_number("79161234567")
    assert row[0][0].text != "http://a/f0f0.wav"


def test_the_filters_inside_a_tag_are_masked() -> None:
    from datetime import datetime

    mask = MessageMasker(KEY, ARM)
    filters = (("number", "79161234567"), ("display_name", "Ёлка"))
    original = tag.PagingTag(datetime(2026, 3, 2), "101", filters=filters)
    body = f'<in><filters tag="{tag.encode(original)}"/></in>'.encode()
    masked = mask.mask_message(body)
    assert len(masked) == len(body)
    cursor = tag.decode(re.findall(rb'tag="([^"]+)"', masked)[0].decode())
    assert (cursor.start, cursor.agent) == (original.start, "101")
    assert dict(cursor.filters) == {
        "number": mask.cipher.mask_number("79161234567"),
        "display_name": mask.cipher.mask_name("Ёлка"),
    }


TABLE = """<m:SpecialistReadResponse xmlns:m="urn:m"><Value xsi:type="ValueTable">
<column><Name>SpecialistID</Name></column><column><Name>Surname</Name></column>
<column><Name>Phone</Name></column><column><Name>Birthday</Name></column>
<row><Value>79d4067b-6f12-451a-8efb-2003d6a61c1e</Value><Value xsi:type="xs:string">Ёлкина</Value>
<Value/><Value>1980-05-17T00:00:00</Value></row>
<row><Value>x</Value><Value xsi:nil="true"/><Value>+7 916 123-45-67</Value><Value>1990-05"""


def test_cells_are_masked_by_their_columns_even_in_half_a_document() -> None:
    mask = MessageMasker(KEY, ONEC)
    masked = mask.mask_message(TABLE.encode()).decode()
    assert len(masked.encode()) == len(TABLE.encode())
    assert "79d4067b-6f12-451a-8efb-2003d6a61c1e" in masked
    assert mask.cipher.mask_name("Ёлкина") in masked and "Ёлкина" not in masked
    assert mask.cipher.mask_number("+7 916 123-45-67") in masked and "916" not in masked
    assert "1980-01-01T00:00:00" in masked


def test_names_of_departments_and_lines_are_not_masked() -> None:
    text = TABLE.replace("SpecialistRead", "DepartmentRead").replace("Surname", "Name")
    assert "Ёлкина" in MessageMasker(KEY, ONEC).mask_message(text.encode()).decode()


@pytest.mark.parametrize("provider", ["arm", "cdr", "onec"])
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b'{"access_token": "abc', b"<a b='", b"01"])
def test_anything_can_be_masked(provider: str, body: bytes) -> None:
    masked = MessageMasker(KEY, PROVIDERS[provider]).mask_message(body)
    assert provider != "cdr" or b"abc" not in masked
