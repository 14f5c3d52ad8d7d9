"""The ValueTable of an answer: its columns, its cells, and what the rows of a history say.

Columns of ``GetHistoryOfServiceCalls`` are documented; those of the reads are this project's
choice beyond what working clients read, so a finding there is about an assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal

from lxml import etree

from callmocks.contract.findings import Evidence, Findings, mask_characters
from callmocks.contract.xml import UUID
from callmocks.onec.contract import ColumnSpec, ServedOperation
from callmocks.onec.namespaces import SERVICE, XS
from callmocks.onec.pii import PERSONAL
from callmocks.onec.values import EMPTY_DATE, NULL, Value, ValueTable

_W = "{http://schemas.xmlsoap.org/wsdl/}"
_BINDINGS = {
    "PartnerWebAPI2SoapBinding": "{http://schemas.xmlsoap.org/wsdl/soap/}",
    "PartnerWebAPI2Soap12Binding": "{http://schemas.xmlsoap.org/wsdl/soap12/}",
}
_PORTS = ["PartnerWebAPI2Soap", "PartnerWebAPI2Soap12"]
_HISTORY = "GetHistoryOfServiceCalls"


def check_columns(
    table: ValueTable, operation: ServedOperation, where: str, evidence: Evidence, found: Findings
) -> None:
    """The columns, their order and their types: clients index cells by place."""
    wanted = [spec.to_column() for spec in operation.column]
    if table.names != [column.name for column in wanted]:
        names = ", ".join(str(column.name) for column in wanted)
        found.add(f"{where}/column", f"the columns {names}", ", ".join(table.names), evidence)
        return
    for place, (column, other) in enumerate(zip(table.columns, wanted, strict=True), 1):
        if column.type != other.type:
            expected = f"the type description of {other.name} as documented"
            found.add(f"{where}/column[{place}]/ValueType", expected, "another", evidence)


def check_cells(
    table: ValueTable, operation: ServedOperation, where: str, evidence: Evidence, found: Findings
) -> None:
    """Each row has a cell for each column, of the column's type."""
    specs = {spec.name: spec for spec in operation.column}
    order = [specs.get(name) for name in table.names]
    for place, row in enumerate(table.rows, 1):
        here = f"{where}/row[{place}]"
        if len(row) != len(order):
            found.add(here, f"{len(order)} cells", len(row))
            continue
        for index, (value, spec) in enumerate(zip(row, order, strict=True), 1):
            if spec is not None:
                _check_cell(value, spec, f"{here}/Value[{index}]", evidence, found)


def check_calls(
    table: ValueTable, parameters: Mapping[str, object], where: str, found: Findings
) -> None:
    """What the rows of a history say together; ``given`` are the parameters asked with."""
    start = parameters.get("PeriodFrom")
    seen: set[object] = set()
    for place, row in enumerate(table.records(), 1):
        here = f"{where}/row[{place}]"
        if row.get("CallResult") == 2 and row.get("Duration") not in (0, None):
            found.add(f"{here} (Duration)", "0 of an unsuccessful call", row["Duration"], "assumed")
        if row.get("CallID") in seen:
            found.add(f"{here} (CallID)", "each call once", row["CallID"], "observed")
        seen.add(row.get("CallID"))
        _check_filters(row, parameters, here, found)
        if _is_before_period(row.get("CallTime"), start):
            found.add(f"{here} (CallTime)", f"{start} or later, asked for", row["CallTime"])


def _is_before_period(moment: object, start: object) -> bool:
    """Whether a call was answered before the period begins; the empty date says nothing."""
    if not isinstance(moment, datetime) or not isinstance(start, datetime):
        return False
    return moment != EMPTY_DATE and moment.replace(tzinfo=None) < start


def _check_filters(
    row: Mapping[str, Value], parameters: Mapping[str, object], here: str, found: Findings
) -> None:
    """Rows hold what was filtered by; a specialist is the caller or the callee."""
    for name in ("ClientID", "ServiceUserID", "ServiceID", "CallResult"):
        wanted = parameters.get(name)
        value = row.get(name)
        if wanted is None or name not in row:
            continue
        same = str(value).lower() == wanted if isinstance(value, str) else value == wanted
        if not same:
            found.add(f"{here} ({name})", f"{wanted}, filtered by", _format_value(value))
    wanted = parameters.get("SpecialistID")
    sides = {str(row.get(name)).lower() for name in ("CallerID", "CalleeID")}
    if wanted is not None and wanted not in sides:
        found.add(here, f"the specialist {wanted}, filtered by, on one side", "others")


def _check_cell(
    value: Value, spec: ColumnSpec, where: str, evidence: Evidence, found: Findings
) -> None:
    where = f"{where} ({spec.name})"
    if value is None or value is NULL:
        if not spec.nullable:
            found.add(where, f"a value: the type of {spec.name} has no Null", "nil", evidence)
        return
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str,
        "decimal": (Decimal, int),
        "dateTime": datetime,
        "boolean": bool,
    }
    if not isinstance(value, kinds[spec.kind]) or (
        spec.kind == "decimal" and isinstance(value, bool)
    ):
        found.add(where, f"xs:{spec.kind}", type(value).__name__, evidence)
    elif isinstance(value, str):
        _check_text(value, spec, where, evidence, found)
    elif isinstance(value, Decimal | int) and not isinstance(value, bool):
        _check_number(Decimal(value), spec, where, evidence, found)
    elif isinstance(value, datetime):
        if value.tzinfo is not None:
            found.add(where, "a time without a zone", value.isoformat(), "observed")
        if spec.date == "Date" and value.time() != time():
            found.add(where, "a date at midnight", "another time of day", evidence)


def _check_text(
    value: str, spec: ColumnSpec, where: str, evidence: Evidence, found: Findings
) -> None:
    if spec.uuid and not UUID.fullmatch(value):
        found.add(where, "a UUID", repr(value), evidence)
    if spec.length and len(value) > spec.length:
        found.add(where, f"at most {spec.length} characters", len(value), evidence)


def _check_number(
    value: Decimal, spec: ColumnSpec, where: str, evidence: Evidence, found: Findings
) -> None:
    shown = mask_characters(str(value)) if spec.name in PERSONAL else str(value)
    if spec.sign == "Nonnegative" and value < 0:
        found.add(where, "no negative number", shown, evidence)
    if spec.digits and abs(value) >= 10**spec.digits:
        found.add(where, f"at most {spec.digits} digits", shown, evidence)
    if spec.sign is not None and value != value.to_integral_value():
        found.add(where, "a whole number", shown, evidence)
    if spec.values and value not in spec.values:
        found.add(where, " or ".join(map(str, spec.values)), shown, evidence)


def _format_value(value: Value) -> str:
    return "nil" if value is None else str(value)


def check_wsdl(root: etree._Element, address: str, found: Findings) -> None:
    """A description of the service, as far as clients rely on it (observed)."""

    def expect(where: str, wanted: object, got: object) -> None:
        if got != wanted:
            found.add(where, str(wanted), got or "none", "observed")

    expect("/definitions", f"{_W}definitions", root.tag)
    expect("/definitions/@name", "PartnerWebAPI2", root.get("name"))
    expect("/definitions/@targetNamespace", SERVICE, root.get("targetNamespace"))
    ports = [port.get("name") for port in root.iter(f"{_W}port")]
    expect("/definitions/service/port", _PORTS, ports)
    elements = {each.get("name") for each in root.iter(f"{{{XS}}}element")}
    for name in (_HISTORY, f"{_HISTORY}Response"):
        if name not in elements:
            found.add("/definitions/types", f"the element {name}", "none", "observed")
    for binding, soap in _BINDINGS.items():
        here = f"/definitions/binding[@name='{binding}']"
        action = root.find(
            f"{_W}binding[@name='{binding}']/{_W}operation[@name='{_HISTORY}']/{soap}operation"
        )
        got = None if action is None else action.get("soapAction")
        expect(f"{here}/operation/@soapAction", f"{SERVICE}#PartnerWebAPI2:{_HISTORY}", got)
        for place in root.iter(f"{soap}address") if address else ():
            expect("/definitions/service/port/address/@location", address, place.get("location"))
    if any(True for _ in root.iter(f"{_W}fault")):
        found.add("/definitions", "no fault messages", "some", "observed")
