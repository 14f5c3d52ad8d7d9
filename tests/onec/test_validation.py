"""``validate`` finds nothing in genuine traffic, and never tells an assumption as a document."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from callmocks.contract.findings import Finding
from callmocks.onec.validate import validate_message
from tests.onec.conftest import (
    CORE,
    SERVICE,
    SOAP12,
    XS,
    XSI,
    make_call,
    make_envelope,
    make_history_call,
    make_parameter,
    make_property,
)
from tests.onec.live_schema import RECORDED_COLUMNS

KEY = ("xs:string", "Null", "Length 0", "AllowedLength Variable")
RECORDED = {
    **RECORDED_COLUMNS,
    # Recorded too, and not served.
    "RegionRead": [
        ("RegionID", *KEY),
        ("RegionName", "xs:string", "Length 50", "AllowedLength Variable"),
    ],
}
CELLS = {
    "xs:dateTime": "2024-01-02T00:00:00", "xs:boolean": "false", "xs:decimal": "1111111",
    "xs:string": "Xxxx",
}  # fmt: skip
GROUPS = {"Length": "String", "Digits": "Number", "DateFractions": "Date"}


def write_recorded(operation: str, columns: Sequence[Sequence[str]]) -> bytes:
    """An answer as it was recorded, by the facts that are kept of it."""
    written, cells = "", ""
    for name, kind, *more in columns:
        types = f"<Type>{kind}</Type>" + "<Type>Null</Type>" * ("Null" in more)
        pairs = [qualifier.split() for qualifier in more if qualifier != "Null"]
        inside = "\r\n".join(f"<{tag}>{value}</{tag}>" for tag, value in pairs)
        group = f"{GROUPS[pairs[0][0]]}Qualifiers" if pairs else ""
        qualifiers = f"<{group}>{inside}</{group}>" if group else ""
        valued = f"<ValueType>{types}{qualifiers}</ValueType>"
        written += f"\r\n\t<column><Name>{name}</Name>{valued}</column>"
        is_id = name.endswith("ID")
        text = "00000000-0000-4000-8000-32bd7c61561f" if is_id else CELLS[kind]
        cells += f'<Value xsi:type="{kind}">{text}</Value>'
    return (
        f'<soap:Envelope xmlns:soap="{SOAP12}">\r\n\t<soap:Body>\r\n'
        f'<m:{operation}Response xmlns:m="{SERVICE}"><m:return xmlns:xs="{XS}"\r\n\t'
        f'xmlns:xsi="{XSI}"><Property xmlns="{CORE}" name="ResultCode"><Value xsi:type="xs:string">'
        f'SUCCESS</Value></Property><Property xmlns="{CORE}" name="ResultData"><Value xsi:type='
        f'"ValueTable">{written}<row>{cells}</row>\r\n</Value></Property></m:return>'
        f"</m:{operation}Response></soap:Body></soap:Envelope>"
    ).encode()


def validate(body: bytes, **more: int | str) -> list[Finding]:
    return validate_message(body, **more).findings  # type: ignore[arg-type]


@pytest.mark.parametrize("operation", RECORDED)
def test_recorded_answers_are_clean(operation: str) -> None:
    body = write_recorded(operation, RECORDED[operation])
    assert validate(body, status=200, media="application/soap+xml") == []


def test_another_column_of_a_recorded_read_is_told_as_observed() -> None:
    short = [("DepartmentID", *KEY), ("Name", *KEY[:1], "Length 40", KEY[3])]
    (finding,) = validate(write_recorded("DepartmentRead", [*short, ("Deleted", "xs:boolean")]))
    assert (finding.expected, finding.got) == ("Name string(100)", "Name string(40)")
    assert (finding.evidence, finding.assumption) == ("observed", None)
    (finding,) = validate(write_recorded("DepartmentRead", short))
    assert finding.evidence == "observed" and finding.expected.startswith("the columns Depart")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([("ServiceID", *KEY), ("Name", *KEY)], "the columns ServiceID, Deleted, Name"),
        ([("ServiceID", *KEY), ("Deleted", "xs:boolean"), ("Name", *KEY)], "Name string(150)"),
    ],
)
def test_columns_that_are_assumed_are_told_so_with_the_ledgers_entry(
    columns: list[tuple[str, ...]], expected: str
) -> None:
    (finding,) = validate(write_recorded("ServiceLineKindRead", columns))
    assert finding.expected == expected
    assert finding.evidence == "assumed"
    assert finding.assumption == "onec.service-line-kind-read-columns"
    assert "documented" not in str(finding)


@pytest.mark.parametrize(
    ("body", "evidence", "assumption"),
    [
        (make_history_call(Colour="red"), "assumed", "onec.unknown-parameter"),
        (make_history_call(periodfrom="x"), "assumed", "onec.parameter-case"),
        (
            make_call("ClientRead", make_parameter("ChangedFrom", "2026-01-01T00:00:00") * 2),
            "assumed",
            "onec.code-duplicate-parameter",
        ),
        (make_history_call(ClientID="Romashka"), "documented", None),
        (make_call("SpecialistRead", make_parameter("ChangedFrom", "soon")), "observed", None),
        (
            make_envelope("<par:ClientRead><par:Params/></par:ClientRead><par:x/>"),
            "assumed",
            None,
        ),
    ],
)
def test_a_mistake_of_a_request_has_the_evidence_of_its_rule(
    body: bytes, evidence: str, assumption: str | None
) -> None:
    (finding,) = validate(body)
    assert (finding.evidence, finding.assumption) == (evidence, assumption)


def test_an_undeclared_prefix_is_found_at_its_place() -> None:
    good = make_parameter("PeriodFrom", "2026-01-01T00:00:00")
    bad = make_property("ClientID", '<Value xsi:type="q:string">x</Value>')
    (finding,) = validate(make_call("GetHistoryOfServiceCalls", good + bad))
    assert finding.where.endswith("/Params/Property[2]/Value")
    assert (finding.expected, finding.got) == ("a declared prefix", "q:string")


def test_a_type_that_the_codec_has_no_class_for_is_no_mistake_of_the_service() -> None:
    lists = f'<Value xmlns:c="{CORE}" xsi:type="c:ValueListType"><item><value xsi:nil="true"/>'
    body = make_envelope(
        f"<par:RegionReadResponse><par:return>{make_property('ResultCode', '<Value>X</Value>')}"
        f"{make_property('ResultData', lists + '</item></Value>')}</par:return>"
        "</par:RegionReadResponse>"
    )
    assert validate(body) == []
    (finding,) = validate(body.replace(b"c:ValueListType", b"xs:ValueListType"))
    assert finding.evidence == "observed" and finding.got == "ValueListType"
