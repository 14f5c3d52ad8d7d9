"""What of 1C's messages belongs to nobody: ids, times, numbers and flags of the served operations.

Names and types are those of the WSDL. Columns of text are masked, and of the numbers ``Login``.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final

from lxml import etree

from callmocks.contract.resources import schema_path
from callmocks.contract.xml import make_parser
from callmocks.onec import contract, namespaces
from callmocks.onec.contract import ColumnSpec
from callmocks.onec.limits import OUT_OF_LIMIT
from callmocks.onec.results import SUCCESS
from callmocks.provider.harmless import FieldRule, HarmlessFields, MaskKind, ValueForm, split_words

_PARAMETER_FORMS: Final[dict[str, ValueForm]] = {
    "dateTime": "time",
    "uuid": "uuid",
    "decimal": "number",
}
_COLUMN_FORMS: Final[dict[str, ValueForm]] = {"boolean": "flag", "dateTime": "time"}
_NUMBERS: Final = frozenset({"Phone", "INN", "TaxPayerIdentificator", "KPP", "Login"})
_HARMLESS_DECIMALS: Final = frozenset({"CallResult", "Duration"})
_BIRTHDAY: Final = "Birthday"
_QNAMES: Final = (
    *("Type", "TypeSet", "Name", "AllowedSign", "AllowedLength", "DateFractions", "faultcode"),
    *("Code", "Subcode", "Value"),
)
_NUMERIC_ELEMENTS: Final = ("Digits", "FractionDigits", "Length", "Width")
_MESSAGES: Final = ("faultstring", "faultactor", "Text", "ResultData")
_SECRETS: Final = ("Username", "Password", "Nonce", "BinarySecurityToken")
_SOAP_NAMES: Final = (
    *("Envelope", "Header", "Body", "Fault", "Code", "Value", "Subcode", "Reason", "Text", "Node"),
    *("Role", "Detail", "faultcode", "faultstring", "faultactor", "detail", "actor", "role"),
    *("mustUnderstand", "encodingStyle", "lang", "nil", "type", "soap", "soapenv", "env", "xml"),
    *("Client", "Server", "Sender", "Receiver", "VersionMismatch", "MustUnderstand", "xmlns"),
    *("Security", "UsernameToken", *_SECRETS, "ResultCode", "ResultData", "Params", "return"),
    *("xs", "xsd", "xsi", "core", "tns", "ns0", "ns1", "ns2", "string", "decimal", "dateTime"),
    *(
        "cus",
        "ws",
        "PartnerWebAPI2",
        "wsdl",
        "date",
        "boolean",
        "en",
        "ru",
        "m",
        "s",
        "p",
        "e",
        "SOAP-ENV",
        "Null",
    ),
)
_URI: Final = re.compile(r"https?://\S+")


@cache
def load_harmless_fields() -> HarmlessFields:
    wsdl = etree.parse(schema_path("onec/PartnerWebAPI2.wsdl"), make_parser()).getroot()
    values = [str(value) for part in wsdl.iter() for value in part.attrib.values()]
    spelt = [str(part.tag).rpartition("}")[2] for part in wsdl.iter()]
    spelt += [str(name) for part in wsdl.iter() for name in part.attrib]
    spelt += [value.rpartition(":")[2] for value in values if not _URI.match(value)]
    operations = contract.load_operations()
    named = {name for name in spelt if re.fullmatch(r"[A-Za-z][\w.]*", name)}
    for name in contract.load_operation_names():
        named |= {name, f"{name}Response", f"{name}RequestMessage", f"{name}ResponseMessage"}
    for operation in operations.values():
        named |= {*operation.parameters, *(spec.name for spec in operation.columns.specs)}
    uris = {value.rstrip("#") for value in values if _URI.match(value)}
    uris |= {*namespaces.SOAP_VERSIONS, namespaces.CORE, namespaces.SERVICE}
    uris |= {namespaces.XS, namespaces.XSI, *(u for u in wsdl.nsmap.values() if u)}
    return HarmlessFields(
        frozenset({*named, *_SOAP_NAMES, SUCCESS, OUT_OF_LIMIT[0]}),
        split_words(*OUT_OF_LIMIT, *operations, *named),
        frozenset(operations),
        _list_rules(frozenset(uris), frozenset(values)),
        find_columns=find_columns,
    )


@cache
def find_columns(operation: str) -> Mapping[str, FieldRule]:
    served = contract.load_operations().get(operation)
    return {} if served is None else {spec.name: _make_rule(spec) for spec in served.columns.specs}


def is_personal(column: str) -> bool:
    for operation in contract.load_operations():
        rule = find_columns(operation).get(column)
        if rule is not None and rule.form is None:
            return True
    return False


def _make_rule(spec: ColumnSpec) -> FieldRule:
    if spec.name == _BIRTHDAY:
        return FieldRule(mask="year")
    if spec.uuid:
        return FieldRule("uuid")
    if spec.kind == "decimal" and spec.name in _HARMLESS_DECIMALS:
        return FieldRule("number")
    mask: MaskKind = "number" if spec.name in _NUMBERS else "text"
    return FieldRule(_COLUMN_FORMS.get(spec.kind), mask)


def _list_rules(uris: frozenset[str], values: frozenset[str]) -> dict[str, FieldRule]:
    rules = dict.fromkeys(_QNAMES, FieldRule("name"))
    rules |= dict.fromkeys(_NUMERIC_ELEMENTS, FieldRule("number"))
    rules |= dict.fromkeys(_MESSAGES, FieldRule(mask="message"))
    rules |= dict.fromkeys(_SECRETS, FieldRule(mask="secret"))
    rules["ResultCode"] = FieldRule("code")
    rules["lang"] = FieldRule(words=frozenset({"en", "ru"}))
    rules["nil"] = rules["mustUnderstand"] = FieldRule("flag")
    rules["xmlns"] = FieldRule(mask="url", words=uris)
    for operation in contract.load_operations().values():
        for each in operation.parameter:
            rules[each.name] = FieldRule(_PARAMETER_FORMS[each.type])
    for name in ("name", "type", "element", "message", "binding", "base", "ref", "part", "parts"):
        rules[name] = FieldRule("name", words=values)
    for name in ("targetNamespace", "namespace", "location", "soapAction", "transport"):
        rules[name] = FieldRule(mask="url", words=uris | values)
    for name in ("value", "style", "use", "minOccurs", "maxOccurs", "nillable", "processContents"):
        rules[name] = FieldRule("flag", words=values)
    for name in ("attributeFormDefault", "elementFormDefault", "default", "minInclusive"):
        rules[name] = FieldRule("flag", words=values)
    return rules
