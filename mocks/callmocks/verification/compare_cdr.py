"""Recorded requests to a Data API, sent again with the account's own token."""

from codecs import BOM_UTF8
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, ClassVar

import msgspec

from callmocks.cdr import harmless, openrpc, validate
from callmocks.contract.findings import ValidationResult
from callmocks.contract.json_values import decode_json
from callmocks.contract.resources import load_table
from callmocks.provider.base import WireExchange
from callmocks.verification.check_cdr import CREDENTIAL_ERRORS, CdrCheck
from callmocks.verification.comparison import Comparison
from callmocks.verification.shapes import EMPTY_LIST, EMPTY_OBJECT, NULL, Shape

_ROW = "result.data.*"


class CdrComparison(Comparison, CdrCheck):
    selecting = frozenset({"filter"})
    member_assumptions: ClassVar[Mapping[str, str]] = {
        "metadata": "cdr.error-limits",
        "api_version": "cdr.api-version",
        "field": "cdr.error-path",
        "operations": "cdr.scenario-lists",
        "virtual_phone_numbers": "cdr.scenario-lists",
        "wav_call_records": "cdr.wav-records",
        "status_id": "cdr.status-ids",
    }

    def list_words(self, operation: str) -> Mapping[str, Collection[str]]:
        return _list_words(operation)

    def read_shape(self, exchange: WireExchange) -> Shape | None:
        try:
            response = decode_json(exchange.response)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if not isinstance(response, dict):
            return None
        shape, error = Shape(self.separator), response.get("error")
        if isinstance(error, dict):
            data = error.get("data")
            mnemonic = data.get("mnemonic") if isinstance(data, dict) else None
            shape.outcome = f"the error {mnemonic} {error.get('code')}"
            shape.outcome_path = "error.data.mnemonic"
        else:
            shape.outcome = "a result"
            result = response.get("result")
            data = result.get("data") if isinstance(result, dict) else None
            shape.rows = len(data) if isinstance(data, list) else None
        _add_value(shape, "", response)
        return shape

    def validate(self, exchange: WireExchange) -> ValidationResult:
        request = exchange.request or None
        status, choices = exchange.status, self.choices
        return validate.validate_response(exchange.response, request, status, choices)

    def explain_refusal(self, exchange: WireExchange, shape: Shape) -> str:
        is_error = shape.outcome.startswith("the error")
        mnemonic = shape.outcome.split(" ")[2] if is_error else ""
        if mnemonic == "limit_exceeded":
            return "the account's limit is reached"
        if mnemonic in CREDENTIAL_ERRORS:
            return f"the credentials are refused: {mnemonic}"
        return super().explain_refusal(exchange, shape)

    def is_unavailable(self, exchange: WireExchange, shape: Shape) -> bool:
        internal = shape.outcome.startswith("the error internal_error")
        return internal or super().is_unavailable(exchange, shape)

    async def send_recorded(self, exchange: WireExchange) -> WireExchange:
        await self.log_in()
        self.raise_if_few_points()
        body = self._put_credentials(exchange.request)
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        operation = exchange.operation
        response = await self.send_request(operation, "POST", self.target.url, headers, body)
        content_type = response.headers.get("Content-Type", "")
        answer = WireExchange(operation, body, response.body, response.status, "http", content_type)
        self._add_limits(answer)
        return answer

    def _put_credentials(self, request: bytes) -> bytes:
        mark = BOM_UTF8 if request.startswith(BOM_UTF8) else b""
        sent = decode_json(request.removeprefix(mark))
        if isinstance(sent, dict) and isinstance(params := sent.get("params"), dict):
            if "access_token" in params:
                params["access_token"] = self.token
            if params.pop("user_id", None) is not None:
                params |= self.user_params()
        return mark + msgspec.json.encode(sent)

    def _add_limits(self, answer: WireExchange) -> None:
        try:
            members = decode_json(answer.response)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if isinstance(members, dict):
            self.observed_limits.add_error(members)
            if isinstance(result := members.get("result"), dict):
                self.observed_limits.add_result(result)


def _add_value(shape: Shape, path: str, value: Any) -> None:
    name = path.rpartition(".")[2]
    if value is None:
        shape.add_value(path, NULL)
    elif isinstance(value, dict):
        shape.add_value(path, "an object" if value else EMPTY_OBJECT)
        shape.add_members(path, value)
        for key, each in value.items():
            _add_value(shape, shape.join(path, key), each)
    elif isinstance(value, list):
        shape.add_value(path, "a list" if value else EMPTY_LIST)
        for each in value:
            _add_value(shape, shape.join(path, "*"), each)
    elif isinstance(value, str):
        if path == "error.data.field":  # the same error is about the same field
            shape.details[path] = value
        shape.add_text(path, value, harmless.load_harmless_fields().find_rule(name))
    else:
        shape.add_value(path, "true or false" if isinstance(value, bool) else "a number")


@cache
def _list_words(method: str) -> dict[str, Collection[str]]:
    if method not in openrpc.load_methods():
        return {}
    found: dict[str, Collection[str]] = {
        f"{_ROW}.{name}": values for name, values in openrpc.load_enum_values(method).items()
    }
    for row in load_table("cdr/element_fields.csv"):
        if row["method"] == method and row["values"]:
            name = f"{_ROW}.{row['parent']}"
            path = f"{name}.*.{row['field']}" if row["field"] else f"{name}.*"
            found[path] = row["values"].split()
            found[f"{name}.{row['field']}"] = row["values"].split()
    return found
