"""What of the Data API's messages belongs to nobody, by the types of the contract's tables."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from callmocks.cdr import openrpc, tables
from callmocks.cdr.errors import load_error_table
from callmocks.cdr.limits import LIMIT_TYPES
from callmocks.contract.resources import load_table
from callmocks.errors import SettingsError
from callmocks.history import reasons
from callmocks.history.clock import load_time_zone
from callmocks.provider.harmless import FieldRule, HarmlessFields, MaskKind, ValueForm, split_words

_FORMS: Final[dict[str, ValueForm]] = {
    **dict.fromkeys(("number", "integer"), "number"),
    **dict.fromkeys(("iso8601",), "time"),
    "boolean": "flag",
    "enum": "word",
}
_TIME_PATTERN: Final = r"^\d{4}-\d\d-\d\d"
_MASKS: Final[dict[str, MaskKind]] = {
    **dict.fromkeys(("access_token", "login", "password"), "secret"),
    **dict.fromkeys(("message", "extended_helper"), "message"),
    "full_record_file_link": "url",
}
_ENVELOPE: Final = (
    *("system", "media", "talk", "wav", "v2.0"),
    *("jsonrpc", "id", "method", "params", "result", "error", "code", "message", "data"),
    *("field", "operator", "value", "filters", "condition", "order", "metadata", "extended_helper"),
)


def is_record(field: str) -> bool:
    """Ids that play a talk to whoever has them, without a token."""
    return field.endswith("_records")


@cache
def load_harmless_fields() -> HarmlessFields:
    rules = dict(_iter_schema_rules(openrpc.load_document()))
    for method in tables.SOURCES:
        for name, field in tables.load_fields(method).fields.items():
            words = _list_values(name) if field.type == "enum" else frozenset()
            rules[name] = FieldRule(_FORMS.get(field.type), _choose_mask(name), words)
    rules |= _list_element_rules(rules)
    rules |= {name: FieldRule(mask=mask) for name, mask in _MASKS.items()}
    names = frozenset({*rules, *_ENVELOPE, *openrpc.load_methods(), *load_error_table()})
    rules |= _list_envelope_rules(names)
    texts = [row.message for row in load_error_table().values()]
    words = split_words(*texts, *reasons.DESCRIPTIONS)
    methods = frozenset(openrpc.load_methods())
    siblings = {"value": "field"}
    return HarmlessFields(names, words, methods, rules, siblings, is_zone=_is_zone)


def is_personal(field: str) -> bool:
    """Whether a field of the tables has a form that does not stay."""
    rule = load_harmless_fields().find_rule(field)
    return rule.form is None and not rule.words


def _list_element_rules(rules: dict[str, FieldRule]) -> dict[str, FieldRule]:
    """Of enumerated elements, and of enumerated fields of elements."""
    found: dict[str, FieldRule] = {}
    for row in load_table("cdr/element_fields.csv"):
        name = row["field"] or row["parent"]
        if row["values"]:
            known = found.get(name) or rules.get(name, FieldRule())
            found[name] = FieldRule("word", words=known.words.union(row["values"].split()))
    return found


def _list_envelope_rules(names: frozenset[str]) -> dict[str, FieldRule]:
    operators = (row["operator"] for row in load_table("cdr/filter_operators.csv"))
    causes = (row["description"] for row in load_table("cdr/release_causes.csv"))
    return {
        "jsonrpc": FieldRule(words=frozenset({"2.0"})),
        "id": FieldRule("number"),
        "code": FieldRule("number"),
        "method": FieldRule(words=frozenset(openrpc.load_methods())),
        "mnemonic": FieldRule("word", words=frozenset(load_error_table())),
        "field": FieldRule("name"),
        "fields": FieldRule("name"),
        "operator": FieldRule(words=frozenset(operators)),
        "order": FieldRule(words=frozenset({"asc", "desc"})),
        "condition": FieldRule(words=frozenset({"and", "or"})),
        "timezone": FieldRule("zone"),
        "limit_type": FieldRule(words=frozenset(LIMIT_TYPES)),
        "components": FieldRule("name"),
        "finish_reason_description": FieldRule(words=frozenset(reasons.DESCRIPTIONS)),
        "release_cause_description": FieldRule(words=frozenset(causes)),
    }


def _iter_schema_rules(part: Any) -> Iterator[tuple[str, FieldRule]]:
    """Of the members of all objects, and of the parameters of all methods."""
    if isinstance(part, list):
        for each in part:
            yield from _iter_schema_rules(each)
    elif isinstance(part, dict):
        for name, shape in part.get("properties", {}).items():
            if isinstance(shape, dict):  # a field of the sessions is called so too
                yield name, _make_rule(name, shape)
        if isinstance(part.get("schema"), dict) and isinstance(part.get("name"), str):
            yield part["name"], _make_rule(part["name"], part["schema"])
        for each in part.values():
            yield from _iter_schema_rules(each)


def _make_rule(name: str, shape: dict[str, Any]) -> FieldRule:
    kinds = shape.get("type", ())
    kind = kinds[0] if isinstance(kinds, list) and kinds else kinds
    if str(shape.get("pattern", "")).startswith(_TIME_PATTERN):
        return FieldRule("time")
    return FieldRule(_FORMS.get(str(kind)), _choose_mask(name))


def _choose_mask(name: str) -> MaskKind:
    return "number" if name.endswith(("phone_number", "phone_numbers")) else "text"


def _list_values(field: str) -> frozenset[str]:
    methods = openrpc.load_methods()
    found = [openrpc.load_enum_values(method).get(field, ()) for method in methods]
    return frozenset(value for values in found for value in values)


def _is_zone(name: str) -> bool:
    try:
        load_time_zone(name)
    except SettingsError:
        return False
    return True
