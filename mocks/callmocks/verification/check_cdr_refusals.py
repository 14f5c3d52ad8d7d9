"""Requests that a Data API must refuse, and how: none of them can change anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from callmocks.contract.findings import Evidence
from callmocks.verification.report import Probe

_LEGS = "get.call_legs_report"
_STRANGER = "callmocks-check"
_BEFORE = ("parse_error", "invalid_request", "method_not_found", "access_token_invalid")


@dataclass(frozen=True, slots=True)
class Case:
    """One refusal: the error's mnemonic and field as the contract has them."""

    name: str
    body: bytes
    mnemonic: str
    field: str | None = None
    evidence: Evidence = "documented"


def cases(token: str, user: Mapping[str, Any], window: tuple[str, str]) -> Iterator[Case]:
    """The refusals that are asked for, with a window that has rows."""
    right = {"access_token": token, **user, "date_from": window[0], "date_till": window[1]}

    def call(name: str, mnemonic: str, field: str | None, *, without: str = "", **params: Any):  # type: ignore[no-untyped-def]
        given = {key: value for key, value in (right | params).items() if key != without}
        return Case(name, _request(given), mnemonic, field)

    yield Case("not JSON", b'{"jsonrpc": "2.0",', "parse_error")
    yield Case("no method of that name", _request(right, "get.callmocks_check"), "method_not_found")
    yield Case("no id", _request(right, id=None), "notifications_not_supported")
    yield Case("a batch", b"[" + _request(right) + b"]", "batch_opreations_not_supported")
    yield Case("another version", _request(right, version="1.0"), "invalid_request")
    yield Case(
        "a wrong token", _request(right | {"access_token": _STRANGER}), "access_token_invalid"
    )
    yield call("no date_from", "required_parameter_missed", "date_from", without="date_from")
    yield call("an unknown parameter", "unexpected_parameters", "callmocks", callmocks=1)
    yield call("a limit that is a text", "data_type_error", "limit", limit="ten")
    by_records = [{"field": "call_records"}]
    yield call("a sort by records", "sort_prohibited", "sort.field", sort=by_records)
    records = {"field": "call_records", "operator": "is_null"}
    yield call("a filter by records", "filter_prohibited", "filter.field", filter=records)
    long = {"date_from": "2020-01-01 00:00:00", "date_till": "2020-12-31 00:00:00"}
    yield call("a year", "date_interval_limit_reached", None, **long)


def check(case: Case, answer: Mapping[str, Any], probe: Probe) -> None:
    """Hold a refusal against its case; its shape was looked at already."""
    error = answer.get("error")
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
    early = case.mnemonic in _BEFORE or case.mnemonic.endswith("_not_supported")
    if early == ("metadata" in data):
        wanted = "no metadata before authentication" if early else "metadata.limits"
        got = "metadata" if early else "none"
        probe.add(f"{case.name}: error.data.metadata", wanted, got, "assumed")


def _request(
    params: Mapping[str, Any], method: str = _LEGS, version: str = "2.0", id: Any = "callmocks-1"
) -> bytes:
    """A request; its id is a text, which must come back as one."""
    request = {"jsonrpc": version, "id": id, "method": method, "params": params}
    if id is None:
        del request["id"]
    return msgspec.json.encode(request)
