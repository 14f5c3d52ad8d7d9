"""What is accepted without the XSD is what the XSD accepts, with the same attributes."""

import json
from typing import Any

import pytest
import xmlschema
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callmocks.arm import prepared_filters, requests, schema, tree
from callmocks.contract.resources import schema_path

CONTRACTS = {
    "documented": "operator_call_history.documented.xsd",
    "strict": schema.HISTORY + ".xsd",
}
SECOND_VALIDATORS = {
    contract: xmlschema.XMLSchema(str(schema_path("arm") / file), allow="local")
    for contract, file in CONTRACTS.items()
}
NAMES = [
    name.removeprefix("filters.")
    for name in schema.load_request_attributes(schema.HISTORY)
    if name.startswith("filters.")
]

numbers = st.sampled_from(
    ["50", "0", "-1", "+7", "007", " 5", "5 ", "5\t", "1e3", "1.0", "٣", "9" * 30]
)
words = st.sampled_from(
    ["true", "false", "1", "0", "True", "in", "out", "IN", "in\n", "in out", ""]
)
texts = st.text(max_size=6) | st.sampled_from(
    ["2026/03/02 10:00:00", "7495%", 'a"b<c>&d\'', "a  b", " a", "a\u00a0b", "\x7f", "\x85",
     "\u2028", "a\tb\r\n", "\x00", "\x1f", "\ud83d", "\ufffe", "\uffff", "😀",
     "\U0001fffe", "]]>", "&amp;"]
)  # fmt: skip
values = numbers | words | texts
plain_values = {"offset": numbers, "limit": numbers, "skip_incomplete": words, "direction": words}
named = st.sampled_from(NAMES).flatmap(
    lambda name: st.tuples(st.just(name), plain_values.get(name, texts) | values)
)
odd_names = st.sampled_from(
    ["Limit", "xmlns", "xmlns:a", "a:limit", "xsi:nil", "xml:space", "", "é"]
)
attributes = st.builds(
    lambda pairs, odd, limit: dict(pairs) | odd | limit,
    st.lists(named, max_size=5),
    st.just({}) | st.dictionaries(odd_names, values, max_size=1),
    st.sampled_from([{}, {"limit": "5"}, {"limit": "5", "offset": "0"}]),
)


def element(name: str, *content: Any, **more: Any) -> dict[str, Any]:
    return {"_name": name, **more} | ({"_content": list(content)} if content else {})


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    chosen = draw(attributes)
    filters = element("filters", _attributes=chosen)
    form = draw(st.integers(0, 24))
    root = element("in", element("request", filters))
    odd_forms = [
        element("in", element("request", filters, filters)),
        element("in", element("request", filters), element("request", filters)),
        element("in", element("request", element("filters", "text", _attributes=chosen))),
        element("in", element("request", element("filters", filters, _attributes=chosen))),
        element("in", element("request", " ", filters, "\n")),
        element("in", element("request", filters, _attributes={"a": "b"})),
        element("in", element("request", filters), _attributes={"xmlns": "x"}),
        element("in", element("request", filters, _attributes={})),
        element("in", element("Request", filters)),
        element("out", element("request", filters)),
        element("in", filters),
        element("in", element("request", element("filters"))),
    ]
    if form < len(odd_forms):
        root = odd_forms[form]
    return json.dumps([root], ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def assert_same_as_the_xsd(body: bytes, contract: str) -> bool:
    read = prepared_filters.read_filters(body, contract)
    if read is None:
        return False
    root = schema.parse(tree.json_to_xml(body))
    assert schema.get_schema(schema.HISTORY, contract).validate(root) == []
    assert SECOND_VALIDATORS[contract].is_valid(root)
    assert read == {str(name): value for name, value in next(root.iter("filters")).attrib.items()}
    return True


@pytest.mark.parametrize("contract", CONTRACTS)
@settings(max_examples=300)
@given(body=bodies())
@example(body=b'[{"_name":"in","_content":[{"_name":"request","_content":[{"_name":"filters"}]}]}]')
@example(body=b'[{"_name":"in","_name":"out"}]')
def test_accepted_requests_are_valid_by_both_validators(contract: str, body: bytes) -> None:
    assert_same_as_the_xsd(body, contract)
    # With and without: nothing else is told of the request.
    for empty_values in (True, False):
        options = requests.BodyOptions("json", contract, empty_values)
        small = requests.parse_body(body, schema.HISTORY, options)
        long = requests.parse_body(body + b" " * 2048, schema.HISTORY, options)
        assert small._replace(explain=None) == long._replace(explain=None)
        assert small.violations == long.violations


@pytest.mark.parametrize("contract", CONTRACTS)
def test_usual_requests_are_accepted(contract: str) -> None:
    usual = dict.fromkeys(NAMES, "Иванов & 7495%")
    usual |= {"offset": "3", "limit": "50", "skip_incomplete": "true", "direction": "in"}
    for given_names in ([], NAMES, *([name] for name in NAMES)):
        filters = {name: usual[name] for name in {"limit", "offset", *given_names}}
        root = element("in", element("request", element("filters", _attributes=filters)))
        assert assert_same_as_the_xsd(json.dumps([root]).encode(), contract)


def test_the_contracts_differ_in_the_required_offset() -> None:
    root = element("in", element("request", element("filters", _attributes={"limit": "5"})))
    body = json.dumps([root]).encode()
    assert prepared_filters.read_filters(body, "documented") == {"limit": "5"}
    assert prepared_filters.read_filters(body, "strict") is None
