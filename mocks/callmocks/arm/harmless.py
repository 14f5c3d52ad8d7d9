"""What of ARM's messages belongs to nobody: the schemas' numbers and flags, times and words."""

from functools import cache
from typing import Final

from lxml import etree

from callmocks.arm import schema, sessions
from callmocks.arm.responses import CANNOT_PERFORM, root_attributes
from callmocks.arm.validate_rows import RELEASE_REASONS
from callmocks.contract.resources import schema_path
from callmocks.contract.xml import make_parser
from callmocks.provider.harmless import FieldRule, HarmlessFields, MaskKind, split_words

_XS: Final = "{http://www.w3.org/2001/XMLSchema}"
_TYPES: Final = {
    "xs:integer": FieldRule("number"),
    "xs:nonNegativeInteger": FieldRule("number"),
    "xs:boolean": FieldRule("flag"),
    "Direction": FieldRule(words=frozenset({"in", "out"})),
}
# The schemas have these as texts.
_TIMES: Final = ("start_time", "answer_time", "release_time", "timestamp", "from_date", "to_date")
_MASKS: Final[dict[str, MaskKind]] = {
    **dict.fromkeys(("login", "password"), "secret"),
    **dict.fromkeys(("digits", "remote_digits", "number", "from_number", "to_number"), "number"),
    **dict.fromkeys(("remote_agent_id", "cc_agent_id", "cc_agent_a_id", "cc_agent_b_id"), "number"),
    "call_record": "url",
    "url": "url",
    "tag": "tag",
    "error": "message",
}
_TREE_NAMES: Final = ("_name", "_attributes", "_content", "xmlns", "xml")
_PATH_NAMES: Final = ("service", "cc", "arm")


@cache
def load_harmless_fields() -> HarmlessFields:
    rules: dict[str, FieldRule] = {}
    names = {*_TREE_NAMES, *_PATH_NAMES, *schema.COMMANDS}
    for path in sorted(schema_path("arm").glob("*.xsd")):
        for part in etree.parse(path, make_parser()).iter(f"{_XS}attribute", f"{_XS}element"):
            names.add(name := str(part.get("name")))
            if part.tag == f"{_XS}attribute":
                rules[name] = _TYPES.get(str(part.get("type")), FieldRule())
    for name, value in root_attributes(schema.HISTORY).items():
        names |= {name, *name.split(":")}
        # In a document, all declarations of namespaces have one rule.
        local = "xmlns" if name.startswith("xmlns:") else name.rpartition(":")[2]
        rules[name] = rules[local] = FieldRule(words=frozenset({value}))
    rules |= dict.fromkeys(_TIMES, FieldRule("time"))
    rules |= {name: FieldRule(mask=mask) for name, mask in _MASKS.items()}
    rules["call_ref"] = FieldRule("reference")
    rules["release_reason"] = FieldRule("word", words=frozenset(RELEASE_REASONS))
    rules["reason"] = FieldRule("word", words=frozenset({CANNOT_PERFORM}))
    rules["cmd"] = FieldRule(words=frozenset(schema.COMMANDS))
    rules["_name"] = FieldRule("name")
    words = split_words(sessions.INVALID_CREDENTIALS, sessions.NOT_LOGGED_IN, "timeout")
    commands = frozenset(schema.COMMANDS)
    return HarmlessFields(frozenset(names), words, commands, rules, siblings={"_content": "_name"})
