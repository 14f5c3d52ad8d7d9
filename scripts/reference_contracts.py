"""Fields and errors: the pages of docs/reference/ that tell the contracts."""

import sys
from collections.abc import Iterable, Iterator
from typing import get_args

from lxml import etree

from callmocks.cdr import tables
from callmocks.contract.assumptions import load_ledger
from callmocks.contract.resources import load_table, schema_path
from callmocks.history import reasons
from callmocks.onec import contract, soap
from callmocks.onec.limits import OUT_OF_LIMIT

NOTE = "<!-- Made by scripts/reference: change the code or the schemas, not this page. -->\n\n"

AGREEMENT = {
    "legs": "kinds of leg that may end so",
    "rang": "the phone rang",
    "answered": "somebody picked up",
    "talked": "the parties talked",
    "cause": "Q.850 release cause",
    "employee": "a leg other than the subscriber's has an employee",
    "place": "`alone`: the only leg of its session; `attempt`: somebody was called and not reached;"
    " `beside`: a phone that rang beside the one that was answered; `talk`: a leg on which people"
    " talked; `any`: all of these",
}

SOAP_FAULTS = {
    "Client": "the request is no XML, no SOAP, calls no operation of the service, calls one that"
    " is not served, or breaks the schema; 1.2 says `Sender`",
    "Server": "a defect of callmocks, or a fault that was switched on; 1.2 says `Receiver`",
    "VersionMismatch": "the envelope is neither SOAP 1.1 nor 1.2",
    "MustUnderstand": "a header block demands to be understood",
}

ARM_STATUSES = {
    "200": "a known command could not be performed: a filter or the schema says no",
    "400": "the frame, the JSON or the XML cannot be read, or is nested too deeply",
    "401": "not logged in, wrong credentials, an ended session",
    "404": "unknown command, domain, record or fax",
    "405": "a method other than POST",
    "408": "the body took too long",
    "413": "the body is too long",
    "500": "a defect of callmocks",
    "503": "callmocks cannot answer now: too much at once, or its shared state is away",
}


def table_cell(value: object) -> str:
    """Text as a cell of a table holds it."""
    return " ".join(str(value).split()).replace("|", "\\|")


def table_lines(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """A table."""
    names = list(head)
    yield "| " + " | ".join(names) + " |\n"
    yield "|" + "---|" * len(names) + "\n"
    for row in rows:
        yield "| " + " | ".join(map(table_cell, row)) + " |\n"
    yield "\n"


def code_span(value: object) -> str:
    """A value in a code span; nothing for an empty one."""
    return f"`{value}`" if value not in ("", None) else ""


def yes_or_empty(value: str | bool) -> str:
    """``yes`` stays, ``no`` is left out."""
    return "yes" if value in ("yes", True) else ""


# --- fields.md -----------------------------------------------------------------------------------


def attribute_table(of: str) -> Iterator[str]:
    """A table of attributes of the vendor's XSD."""
    tree = etree.parse(str(schema_path("arm/operator_call_history.documented.xsd")))
    xs = "{http://www.w3.org/2001/XMLSchema}"
    found = next(e for e in tree.iter(f"{xs}complexType") if e.get("name") == of)
    rows = [
        (code_span(e.get("name")), e.get("type", "").removeprefix("xs:"), e.get("use", "optional"))
        for e in found.iter(f"{xs}attribute")
    ]
    yield from table_lines(("attribute", "type", ""), rows)


def fields_page() -> Iterator[str]:
    """Fields of the three providers."""
    yield "# Fields\n\n" + NOTE
    for method in tables.SOURCES:
        yield f"## CDR `{method}`\n\n"
        yield from table_lines(
            ("field", "type", "filter", "sort", "by default"),
            [
                (
                    code_span(f.name),
                    f.type,
                    yes_or_empty(f.filterable),
                    yes_or_empty(f.sortable),
                    yes_or_empty(f.default),
                )
                for f in tables.load_fields(method).fields.values()
            ],
        )
    yield "## Values of enum fields\n\n"
    yield from table_lines(
        ("method", "field", "values"),
        [
            (
                code_span(r["method"]),
                code_span(r["field"]),
                ", ".join(map(code_span, r["values"].split("|"))),
            )
            for r in load_table("cdr/enum_values.csv")
        ],
    )
    yield "Values of `finish_reason` are below.\n\n"
    yield "## Elements of arrays and objects\n\n"
    yield from table_lines(
        ("method", "field", "of each element", "type", "values", "evidence"),
        [
            (
                *(code_span(r[name]) for name in ("method", "parent", "field")),
                r["type"],
                ", ".join(map(code_span, r["values"].split())),
                r["evidence"],
            )
            for r in load_table("cdr/element_fields.csv")
        ],
    )
    yield "## Filter operators\n\n"
    yield from table_lines(
        ("operator", "types of fields"),
        [
            (code_span(r["operator"]), r["types"].replace(" ", ", "))
            for r in load_table("cdr/filter_operators.csv")
        ],
    )
    yield "## Components\n\n"
    yield from table_lines(
        ("component", "methods", "fields"),
        [
            (
                code_span(r["component"]),
                *(", ".join(map(code_span, r[n].split())) for n in ("methods", "fields")),
            )
            for r in load_table("cdr/components.csv")
        ],
    )
    yield from finish_reason_tables()
    yield "## ARM: a call\n\nAttributes of `call_history`.\n\n"
    yield from attribute_table("CallHistory")
    yield "## ARM: filters\n\n"
    yield from attribute_table("Filters")
    yield from onec_operation_tables()


def finish_reason_tables() -> Iterator[str]:
    """Reasons, what legs that end so look like, and the causes."""
    yield "## Finish reasons\n\n"
    for name, meaning in AGREEMENT.items():
        yield f"- *{name}*: {meaning}\n"
    yield "\n"
    described = dict(zip(reasons.NAMES, reasons.DESCRIPTIONS, strict=True))
    rows = [
        (
            code_span(r["finish_reason"]),
            described[r["finish_reason"]],
            *(", ".join(r[name].split("|")) for name in AGREEMENT),
        )
        for r in load_table("cdr/reason_agreement.csv")
    ]
    yield from table_lines(("reason", "description", *AGREEMENT), rows)
    yield "## Finish reasons of sessions\n\n"
    yield "The outcome of a call is one of these, or the reason of its first leg:\n\n"
    for r in load_table("cdr/session_outcomes.csv"):
        kept = "beside" if r["first_leg_reason"] == "kept" else "instead of"
        yield f"- `{r['outcome']}`: {r['meaning']}; {kept} the first leg's ({r['evidence']})\n"
    yield "\n"
    sessions = [
        (
            code_span(r["finish_reason"]),
            r["description_ru"],
            ", ".join(map(code_span, r["outcomes"].split())) or f"not served: no {r['lacks']}",
        )
        for r in load_table("cdr/session_finish_reasons.csv")
    ]
    yield from table_lines(("reason", "description", "outcomes"), sessions)
    yield "## Release causes\n\n"
    causes = [(r["code"], r["description"]) for r in load_table("cdr/release_causes.csv")]
    yield from table_lines(("code", "description"), causes)


def onec_operation_tables() -> Iterator[str]:
    """Parameters and columns of the served operations."""
    for name, found in contract.load_operations().items():
        limits = found.limits
        yield (
            f"## 1C `{name}`\n\n{found.purpose}. {found.evidence.capitalize()}."
            f" At most {limits.day} calls an hour by day and {limits.night} by night"
            f" ({limits.evidence}).\n\n"
        )
        rows = [
            (code_span(p.name), p.type, ", ".join(map(str, p.values)), p.evidence)
            for p in found.parameter
        ]
        yield from table_lines(("parameter", "type", "values", ""), rows)
        columns = [
            (code_span(c.name), c.kind + (" (UUID)" if c.uuid else ""), yes_or_empty(c.nullable))
            for c in found.columns.specs
        ]
        yield from table_lines(("column", "type", "may be nil"), columns)


# --- errors.md -----------------------------------------------------------------------------------


def errors_page() -> Iterator[str]:
    """Errors of the three providers."""
    yield "# Errors\n\n" + NOTE
    yield "## CDR\n\nHTTP status 200. `fail_next` and the fault `rpc_error` make any of them.\n\n"
    yield from table_lines(
        ("mnemonic", "code", "message", "when"),
        [
            (code_span(r["mnemonic"]), r["code"], r["message"], r["when"])
            for r in load_table("cdr/errors.csv")
        ],
    )
    yield "## 1C: ResultCode\n\nHTTP status 200; `ResultData` is the reason as a string.\n\n"
    codes = [e for e in load_ledger().values() if e.id.startswith("onec.code-")]
    yield from table_lines(
        ("ResultCode", "when", "assumption"),
        [
            ("`SUCCESS`", "`ResultData` is a ValueTable", ""),
            (
                code_span(OUT_OF_LIMIT[0]),
                f"the hour's calls are used up; the reason is `{OUT_OF_LIMIT[1]}`",
                "",
            ),
            *(
                (
                    code_span(e.default),
                    e.statement.removeprefix("ResultCode when "),
                    code_span(e.id),
                )
                for e in codes
            ),
        ],
    )
    yield "## 1C: SOAP faults\n\nHTTP status 500; missing or wrong credentials are HTTP 401.\n\n"
    if set(get_args(soap.FaultCode)) != SOAP_FAULTS.keys():
        sys.exit("scripts/reference: SOAP_FAULTS does not say what callmocks.onec.soap does")
    yield from table_lines(
        ("code", "when"), [(code_span(n), text) for n, text in SOAP_FAULTS.items()]
    )
    yield (
        '## ARM\n\n`out/error` with `reason="cannot_perform_cmd"` and a text. The status is'
        " HTTP's, or the frame's; see `arm.error-status` and `arm.transport-status` in"
        " [assumptions.md](assumptions.md#arm).\n\n"
    )
    yield from table_lines(
        ("status", "when"), [(code_span(n), text) for n, text in ARM_STATUSES.items()]
    )
