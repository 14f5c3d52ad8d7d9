"""Requests that a Data API must refuse, and how: none of them can change anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from callmocks.contract.findings import Evidence
from callmocks.verification.report import Probe

LEGS_METHOD = "get.call_legs_report"
UNKNOWN_TOKEN = "callmocks-check"  # noqa: S105 - no account has it
UNAUTHENTICATED_ERRORS = (
    "parse_error",
    "invalid_request",
    "method_not_found",
    "access_token_invalid",
)


@dataclass(frozen=True, slots=True)
class RefusalCase:
    """One refusal: the error's mnemonic and field as the contract has them."""

    name: str
    body: bytes
    mnemonic: str
    field: str | None = None
    evidence: Evidence = "documented"


def build_cases(
    token: str, user: Mapping[str, Any], window: tuple[str, str]
) -> Iterator[RefusalCase]:
    """The refusals that are asked for, with a window that has rows."""
    right = {"access_token": token, **user, "date_from": window[0], "date_till": window[1]}

    def build_case(
        name: str, mnemonic: str, field: str | None, *, without: str = "", **params: Any
    ) -> RefusalCase:
        given = {key: value for key, value in (right | params).items() if key != without}
        return RefusalCase(name, _encode_request(given), mnemonic, field)

    yield RefusalCase("not JSON", b'{"jsonrpc": "2.0",', "parse_error")
    yield RefusalCase(
        "no method of that name", _encode_request(right, "get.callmocks_check"), "method_not_found"
    )
    yield RefusalCase("no id", _encode_request(right, id=None), "notifications_not_supported")
    yield RefusalCase(
        "a batch", b"[" + _encode_request(right) + b"]", "batch_opreations_not_supported"
    )
    yield RefusalCase("another version", _encode_request(right, version="1.0"), "invalid_request")
    yield RefusalCase(
        "a wrong token",
        _encode_request(right | {"access_token": UNKNOWN_TOKEN}),
        "access_token_invalid",
    )
    yield build_case("no date_from", "required_parameter_missed", "date_from", without="date_from")
    yield build_case("an unknown parameter", "unexpected_parameters", "callmocks", callmocks=1)
    yield build_case("a limit that is a text", "data_type_error", "limit", limit="ten")
    by_records = [{"field": "call_records"}]
    yield build_case("a sort by records", "sort_prohibited", "sort.field", sort=by_records)
    records = {"field": "call_records", "operator": "is_null"}
    yield build_case("a filter by records", "filter_prohibited", "filter.field", filter=records)
    long = {"date_from": "2020-01-01 00:00:00", "date_till": "2020-12-31 00:00:00"}
    yield build_case("a year", "date_interval_limit_reached", None, **long)


def check_refusal(case: RefusalCase, response: Mapping[str, Any], probe: Probe) -> None:
    """Hold a refusal against its case; its shape was looked at already."""
    error = response.get("error")
    data = error.get("data") if isinstance(error, dict) else None
    if not isinstance(data, dict):
        probe.add(f"{case.name}: answer", f"the error {case.mnemonic}", "none", case.evidence)
        return
    if data.get("mnemonic") != case.mnemonic:
        where = f"{case.name}: error.data.mnemonic"
        probe.add(where, case.mnemonic, data.get("mnemonic"), case.evidence)
        return
    if case.field is not None and data.get("field") != case.field:
        # The path's form is documented by one example without a list in it.
        evidence: Evidence = "assumed" if "." in case.field else case.evidence
        probe.add(f"{case.name}: error.data.field", case.field, data.get("field"), evidence)
    early = case.mnemonic in UNAUTHENTICATED_ERRORS or case.mnemonic.endswith("_not_supported")
    if early == ("metadata" in data):
        wanted = "no metadata before authentication" if early else "metadata.limits"
        got = "metadata" if early else "none"
        probe.add(f"{case.name}: error.data.metadata", wanted, got, "assumed")


def _encode_request(
    params: Mapping[str, Any],
    method: str = LEGS_METHOD,
    version: str = "2.0",
    id: Any = "callmocks-1",
) -> bytes:
    """A request; its id is a text, which must come back as one."""
    request = {"jsonrpc": version, "id": id, "method": method, "params": params}
    if id is None:
        del request["id"]
    return msgspec.json.encode(request)
