"""The ValueTable of an answer: columns of the history are documented, of a read the ledger's."""

from collections.abc import Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Final

import msgspec

from callmocks.contract.findings import Evidence, Findings, mask_characters
from callmocks.contract.xml import UUID
from callmocks.onec.contract import ColumnSpec, ServedOperation, TableColumns, describe_column
from callmocks.onec.harmless import is_personal
from callmocks.onec.values import EMPTY_DATE, NULL, Value, ValueTable

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "decimal": (Decimal, int),
    "dateTime": (datetime,),
    "boolean": (bool,),
}


class TableValidator(msgspec.Struct):
    table: ValueTable
    operation: ServedOperation
    path: str
    findings: Findings
    choices: Mapping[str, str]

    @property
    def columns(self) -> TableColumns:
        chosen = self.operation.columns_choice
        if not chosen:
            return self.operation.columns
        return self.operation.list_columns(self.choices[chosen])

    def check_columns(self) -> None:
        # Their order too: clients index cells by position.
        names = [spec.name for spec in self.columns.specs]
        if self.table.names != names:
            expected = f"the columns {', '.join(names)}"
            self._add(f"{self.path}/column", expected, ", ".join(self.table.names))
            return
        for position, spec in enumerate(self.columns.specs):
            got, wanted = self.table.columns[position], spec.to_column()
            if got.type != wanted.type:
                path = f"{self.path}/column[{position + 1}]/ValueType"
                self._add(path, describe_column(wanted), describe_column(got))

    def check_cells(self) -> None:
        specs = {spec.name: spec for spec in self.columns.specs}
        order = [specs.get(name) for name in self.table.names]
        for number, row in enumerate(self.table.rows, 1):
            path = f"{self.path}/row[{number}]"
            if len(row) != len(order):
                self.findings.add(path, f"{len(order)} cells", len(row), "observed")
                continue
            for position, (value, spec) in enumerate(zip(row, order, strict=True), 1):
                if spec is not None:
                    self._check_cell(value, spec, f"{path}/Value[{position}] ({spec.name})")

    def check_calls(self, parameters: Mapping[str, object]) -> None:
        """What the rows of a history say together; ``parameters`` are those of the request."""
        start = parameters.get("PeriodFrom")
        zero = self.choices["onec.failed-duration"] == "zero"
        call_ids: set[object] = set()
        for number, row in enumerate(self.table.records(), 1):
            path = f"{self.path}/row[{number}]"
            duration, call_id = row.get("Duration"), row.get("CallID")
            if zero and row.get("CallResult") == 2 and duration not in (0, None):
                expected = "0 of an unsuccessful call"
                rule = "onec.failed-duration"
                self.findings.add(f"{path} (Duration)", expected, duration, "assumed", rule)
            if call_id in call_ids:
                self.findings.add(f"{path} (CallID)", "each call once", call_id, "observed")
            call_ids.add(call_id)
            self._check_filter(row, parameters, path)
            if _is_before_period(row.get("CallTime"), start):
                expected = f"{start} or later, asked for"
                self.findings.add(f"{path} (CallTime)", expected, row["CallTime"])

    def _check_filter(self, row: dict[str, Value], values: Mapping[str, object], path: str) -> None:
        for name in ("ClientID", "ServiceUserID", "ServiceID", "CallResult"):
            wanted, value = values.get(name), row.get(name)
            if wanted is None or name not in row:
                continue
            if (value.lower() if isinstance(value, str) else value) != wanted:
                got = "nil" if value is None else str(value)
                self.findings.add(f"{path} ({name})", f"{wanted}, filtered by", got)
        wanted = values.get("SpecialistID")
        sides = {str(row.get(name)).lower() for name in ("CallerID", "CalleeID")}
        if wanted is not None and wanted not in sides:
            # That nobody is the specialist of an unanswered call is assumed.
            evidence: Evidence = "documented" if row.get("CallResult") == 1 else "assumed"
            expected = f"the specialist {wanted}, filtered by, on one side"
            self.findings.add(path, expected, "others", evidence)

    def _check_cell(self, value: Value, spec: ColumnSpec, path: str) -> None:
        if value is None or value is NULL:
            if not spec.nullable:
                self._add(path, f"a value: the type of {spec.name} has no Null", "nil")
        elif type(value) not in _TYPES[spec.kind]:  # a bool is an int
            self._add(path, f"xs:{spec.kind}", type(value).__name__)
        elif isinstance(value, str):
            if spec.uuid and not UUID.fullmatch(value):
                self._add(path, "a UUID", repr(value))
            if spec.length and len(value) > spec.length:
                self._add(path, f"at most {spec.length} characters", len(value))
        elif spec.kind == "decimal" and isinstance(value, Decimal | int):
            self._check_number(Decimal(value), spec, path)
        elif isinstance(value, datetime):
            if value.tzinfo is not None:
                self.findings.add(path, "a time without a zone", value.isoformat(), "observed")
            if spec.date == "Date" and value.time() != time():
                self._add(path, "a date at midnight", "another time of day")

    def _check_number(self, value: Decimal, spec: ColumnSpec, path: str) -> None:
        got = mask_characters(str(value)) if is_personal(spec.name) else str(value)
        if spec.sign == "Nonnegative" and value < 0:
            self._add(path, "no negative number", got)
        if spec.digits and abs(value) >= 10**spec.digits:
            self._add(path, f"at most {spec.digits} digits", got)
        if spec.sign is not None and value != value.to_integral_value():
            self._add(path, "a whole number", got)
        if spec.values and value not in spec.values:
            self._add(path, " or ".join(map(str, spec.values)), got)

    def _add(self, path: str, expected: str, got: object) -> None:
        columns = self.columns
        assumption = columns.assumption if columns.evidence == "assumed" else None
        self.findings.add(path, expected, got, columns.evidence, assumption)


def _is_before_period(call_time: object, start: object) -> bool:
    """False for the empty date of a call that was not answered."""
    if not isinstance(call_time, datetime) or not isinstance(start, datetime):
        return False
    return call_time != EMPTY_DATE and call_time.replace(tzinfo=None) < start
