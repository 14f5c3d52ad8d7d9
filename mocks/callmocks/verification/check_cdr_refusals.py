"""Requests that a Data API must refuse, with the error expected; none of them changes data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from callmocks.contract.findings import Evidence
from callmocks.verification.report import Probe

LEGS_METHOD = "get.call_legs_report"
UNKNOWN_TOKEN = "callmocks-check"  # noqa: S105 - no account has it
UNAUTHENTICATED = ("parse_error", "invalid_request", "method_not_found", "access_token_invalid")


@dataclass(frozen=True, slots=True)
class RefusalCase:
    """``mnemonic`` and ``field`` are those of the error that the contract demands;
    ``indexed_field`` is the same path with the positions in lists.
    """

    name: str
    body: bytes
    mnemonic: str
    field: str | None = None
    evidence: Evidence = "documented"

    @property
    def indexed_field(self) -> str:
        return (self.field or "").replace("sort.", "sort.0.")


def build_cases(valid: dict[str, Any]) -> Iterator[RefusalCase]:
    """``valid`` are the parameters of a request that is not refused."""
    request = encode_request(LEGS_METHOD, valid)
    unknown_method = encode_request("get.callmocks_check", valid)
    old_version = encode_request(LEGS_METHOD, valid, version="1.0")
    unknown_token = encode_request(LEGS_METHOD, valid | {"access_token": UNKNOWN_TOKEN})
    for name, body, mnemonic in (
        ("not JSON", b'{"jsonrpc": "2.0",', "parse_error"),
        ("no method of that name", unknown_method, "method_not_found"),
        ("no id", encode_request(LEGS_METHOD, valid, None), "notifications_not_supported"),
        ("a batch", b"[" + request + b"]", "batch_opreations_not_supported"),
        ("another version", old_version, "invalid_request"),
        ("a wrong token", unknown_token, "access_token_invalid"),
    ):
        yield RefusalCase(name, body, mnemonic)
    without_start = {name: value for name, value in valid.items() if name != "date_from"}
    sorted_by = valid | {"sort": [{"field": "call_records"}]}
    filtered_by = valid | {"filter": {"field": "call_records", "operator": "is_null"}}
    year = {"date_from": "2020-01-01 00:00:00", "date_till": "2020-12-31 00:00:00"}
    for name, params, mnemonic, field in (
        ("no date_from", without_start, "required_parameter_missed", "date_from"),
        ("an unknown parameter", valid | {"callmocks": 1}, "unexpected_parameters", "callmocks"),
        ("a limit that is a text", valid | {"limit": "ten"}, "data_type_error", "limit"),
        ("a sort by records", sorted_by, "sort_prohibited", "sort.field"),
        ("a filter by records", filtered_by, "filter_prohibited", "filter.field"),
        ("a year", valid | year, "date_interval_limit_reached", None),
    ):
        yield RefusalCase(name, encode_request(LEGS_METHOD, params), mnemonic, field)


def check_refusal(
    case: RefusalCase, response: Mapping[str, Any], choices: Mapping[str, str], probe: Probe
) -> None:
    """Compare an error with its case; ``cdr.validate`` has checked its shape."""
    error = response.get("error")
    data = error.get("data") if isinstance(error, dict) else None
    if not isinstance(data, dict):
        probe.add(f"{case.name}: answer", f"the error {case.mnemonic}", "none", case.evidence)
        return
    if data.get("mnemonic") != case.mnemonic:
        where = f"{case.name}: error.data.mnemonic"
        probe.add(where, case.mnemonic, data.get("mnemonic"), case.evidence)
        return
    indexed = choices["cdr.error-path"] == "indexed"
    field = case.indexed_field if indexed and case.field else case.field
    if field is not None and data.get("field") != field:
        # The only documented example of a path has no list in it.
        assumed = "." in field
        evidence: Evidence = "assumed" if assumed else case.evidence
        where, got = f"{case.name}: error.data.field", data.get("field")
        probe.add(where, field, got, evidence, "cdr.error-path" if assumed else None)
    early = case.mnemonic in UNAUTHENTICATED or case.mnemonic.endswith("_not_supported")
    wanted = not early and choices["cdr.error-limits"] != "absent"
    if wanted != ("metadata" in data):
        expected = "metadata.limits" if wanted else "no metadata"
        expected += " before authentication" if early else ""
        got = "none" if wanted else "metadata"
        where = f"{case.name}: error.data.metadata"
        probe.add(where, expected, got, "assumed", "cdr.error-limits")


def encode_request(
    method: str, params: Mapping[str, Any], id: object = "callmocks-1", version: str = "2.0"
) -> bytes:
    """Without an id when it is None. A text as id must come back as a text."""
    members = {"jsonrpc": version, "method": method, "params": params}
    return msgspec.json.encode(members if id is None else members | {"id": id})
