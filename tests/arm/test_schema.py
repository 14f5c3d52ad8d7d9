"""The XSDs: the vendor's text, the overlay, and what a refusal says."""

import difflib
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xmlschema

from callmocks.arm import frames, schema, tree
from callmocks.arm.schema import SchemaViolation
from callmocks.contract.resources import fixture_path
from callmocks.contract.resources import schema_path as schema_file

ROOT = Path(__file__).resolve().parents[2]
VENDOR, OVERLAY = (
    schema_file(f"arm/operator_call_history{part}.xsd") for part in ("", ".documented")
)
DOCUMENTED, STRICT = (
    schema.get_schema(schema.HISTORY, contract) for contract in ("documented", "strict")
)


def documented(name: str) -> bytes:
    decode = frames.decode_request if name == "request" else frames.decode_response
    return tree.to_xml(
        tree.decode(decode(fixture_path(f"documented/arm/{name}.frame").read_bytes()).body)
    )


def filters(attributes: str) -> bytes:
    return f"<in><request><filters {attributes}/></request></in>".encode()


@pytest.mark.proves("arm.profile-documented")
def test_the_overlay_differs_from_the_vendors_text_in_two_lines_and_nothing_else() -> None:
    old, new = (path.read_text(encoding="utf-8").splitlines() for path in (VENDOR, OVERLAY))
    changed = [line for line in difflib.ndiff(old, new) if line[0] in "+-"]
    assert changed == [
        '+ <xs:attribute name="release_reason" type="xs:string" use="optional"/>',
        '- <xs:attribute name="offset" type="xs:integer" use="required"/>',
        '+ <xs:attribute name="offset" type="xs:integer" use="optional" default="0"/>',
    ]


def test_the_overlay_is_what_the_script_makes() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "arm-overlay"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.proves("arm.example-deviations")
def test_the_vendors_example_breaks_the_vendors_schema_in_two_places() -> None:
    assert DOCUMENTED.validate_bytes(documented("request")) == []
    assert DOCUMENTED.validate_bytes(documented("response")) == []
    assert [fault.where for fault in STRICT.validate_bytes(documented("request"))] == [
        "/in/request/filters/@offset"
    ]
    places = STRICT.validate_bytes(documented("response"))
    assert {fault.where.rpartition("/")[2] for fault in places} == {"@release_reason"}


@pytest.mark.proves("arm.example-deviations")
@pytest.mark.parametrize("name", ["request", "response"])
def test_a_second_validator_agrees_about_the_documented_messages(name: str) -> None:
    assert xmlschema.XMLSchema(str(OVERLAY)).is_valid(documented(name).decode())
    assert not xmlschema.XMLSchema(str(VENDOR)).is_valid(documented(name).decode())


@pytest.mark.proves("arm.filters", "arm.direction")
@pytest.mark.parametrize(
    ("attributes", "faults"),
    [
        ('limit="5" offset="0"', []),
        ('limit="x" offset="0"', [("/in/request/filters/@limit", "xs:integer", "'x'")]),
        ('offset="0"', [("/in/request/filters/@limit", "this attribute, it is required", "none")]),
        (
            'limit="5" direction="up"',
            [("/in/request/filters/@direction", "'in' or 'out'", "'up'")],
        ),
        (
            'limit="5" skip_incomplete="yes"',
            [("/in/request/filters/@skip_incomplete", "xs:boolean", "'yes'")],
        ),
    ],
)
def test_a_refusal_says_the_xpath_what_was_expected_and_what_came(
    attributes: str, faults: list[tuple[str, str, str]]
) -> None:
    assert DOCUMENTED.validate(schema.parse(filters(attributes))) == [
        SchemaViolation(*f) for f in faults
    ]


@pytest.mark.parametrize("contract", [DOCUMENTED, STRICT])
@pytest.mark.parametrize("written", ["r", "q:r", ":", "", "xs:string", "é", "CallHistory"])
def test_a_type_that_an_element_may_not_have_is_named_at_its_place(
    contract: schema.Schema, written: str
) -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="{}"'.format(
        "http://www.w3.org/2001/XMLSchema"
    )
    attributes = f'{xsi} offset="0" limit="5" xsi:type="{written}"'
    where = "/in/request/filters/@xsi:type"
    (violation,) = contract.validate_bytes(filters(attributes))
    assert (violation.where, violation.got) == (where, repr(written))
    whole = f'<in {xsi} xsi:type="{written}"><request/></in>'.encode()
    assert contract.validate_bytes(whole)[0].where == "/in/@xsi:type"


def test_an_unknown_type_behind_a_mistake_hides_none() -> None:
    xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    wrong = f'limit="x" {xsi}><filters xsi:type="q:r"/></filters><filters limit="1"'
    assert DOCUMENTED.validate_bytes(filters(wrong))[0].where == "/in/request/filters[1]/@limit"
    parts = f'<in {xsi}><a/><request><filters xsi:type="none"/></request></in>'.encode()
    assert DOCUMENTED.validate_bytes(parts)[0].where == "/in/a"


def test_an_undeclared_attribute_is_named_with_the_declared_ones() -> None:
    (fault,) = DOCUMENTED.validate_bytes(filters('limit="5" queue="1"'))
    assert (fault.where, fault.got) == ("/in/request/filters/@queue", "queue")
    assert "cc_agent_b_group" in fault.expected


@pytest.mark.parametrize(
    ("document", "where", "expected"),
    [
        (b"<in><request/></in>", "/in/request", "filters"),
        (b"<in/>", "/in", "request"),
        (b"<foo/>", "/foo", "root in or out"),
        (b"<out/>", "/out", "response or error"),
        (b"<out><error>x</error></out>", "/out/error/@reason", "required"),
    ],
)
def test_a_wrong_tree_is_located(document: bytes, where: str, expected: str) -> None:
    fault = DOCUMENTED.validate_bytes(document)[0]
    assert fault.where == where
    assert expected in fault.expected


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<in>",
        b"\xff\xfe",
        b"<in>" * 500,
        b'<!DOCTYPE in [<!ENTITY a "b">]><in>&a;</in>',
        b'<!DOCTYPE in SYSTEM "http://127.0.0.1:9/x.dtd"><in/>',
    ],
)
def test_what_is_no_plain_xml_is_refused(document: bytes) -> None:
    with pytest.raises(schema.XmlError):
        schema.parse(document)


def test_a_huge_wrong_request_is_explained_in_no_time() -> None:
    many = " ".join(f'a{index}="{index}"' for index in range(100))
    children = b"<in><request>" + b'<filters limit="1"/>' * 10_000 + b"</request></in>"
    full = b"<in><request>" + f"<filters {many}/>".encode() * 1000 + b"</request></in>"
    for document in (full, children):
        began = time.process_time()
        assert 1 <= len(DOCUMENTED.validate_bytes(document)) <= 10
        assert time.process_time() - began < 3
