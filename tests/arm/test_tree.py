"""The JSON form of the XML tree, against the standard library's JSON and XML."""

import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmocks.arm import frames, schema, tree
from callmocks.arm.tree import Node, TreeError
from callmocks.contract.resources import fixture_path

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("xml")
)
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n&<>\"' "),
    max_size=12,
)
nodes = st.recursive(
    st.builds(Node, names, st.dictionaries(names, texts, max_size=4)),
    lambda inner: st.builds(
        Node,
        names,
        st.dictionaries(names, texts, max_size=4),
        st.lists(inner | texts.filter(bool), max_size=4),
    ),
    max_leaves=12,
)


@given(nodes)
def test_a_tree_comes_back_as_it_was(root: Node) -> None:
    assert tree.decode(tree.encode(root)) == root


@pytest.mark.proves("arm.tree")
@given(nodes)
def test_the_json_is_compact_with_keys_in_order_and_empty_ones_left_out(root: Node) -> None:
    body = tree.encode(root)
    read = json.loads(body)
    assert body == json.dumps(read, ensure_ascii=False, separators=(",", ":")).encode()

    def walk(item: Any) -> None:
        if isinstance(item, str):
            return
        allowed = ["_name", "_attributes", "_content"]
        assert list(item) == [key for key in allowed if key in item]
        assert all(item.values()) or item["_name"] == ""
        for child in item.get("_content", []):
            walk(child)

    walk(read[0])


def joined(node: Node) -> Any:
    """A tree as XML can hold it: neighbouring texts are one."""
    content: list[Any] = []
    for child in node.content:
        if isinstance(child, Node):
            content.append(joined(child))
        elif content and isinstance(content[-1], str):
            content[-1] += child
        else:
            content.append(child)
    return node.name, node.attributes, content


def read_back(element: ElementTree.Element) -> Any:
    content: list[Any] = [element.text] if element.text else []
    for child in element:
        content.append(read_back(child))
        if child.tail:
            content.append(child.tail)
    return element.tag, dict(element.attrib), content


@given(nodes)
def test_the_xml_says_the_same_to_another_parser(root: Node) -> None:
    document = tree.to_xml(root)
    assert read_back(ElementTree.fromstring(document)) == joined(root)
    assert schema.parse(document).tag == root.name


@settings(max_examples=300)
@given(
    st.binary(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["_name", "_attributes", "_content", "x"]), inner, max_size=4
            )
        ),
        max_leaves=10,
    ).map(lambda item: json.dumps(item).encode())
)
def test_any_bytes_are_a_tree_or_refused(body: bytes) -> None:
    try:
        schema.parse(tree.to_xml(tree.decode(body)))
    except (TreeError, schema.XmlError) as error:
        assert str(error)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "JSON"),
        (b"[]", "exactly one root"),
        (b'[{"_name":"in"},{"_name":"in"}]', "exactly one root"),
        (b'{"_name":"in"}', "array"),
        (b'[{"_attributes":{}}]', "_name"),
        (b'[{"_name":"in","_attributes":{"limit":50}}]', "/in/@limit: expected a string, got 50"),
        (
            b'[{"_name":"in","_content":[{"_name":"request","_attributes":{"a":"","b":null}}]}]',
            "/in/request/@b: expected a string, got null",
        ),
        (b'[{"_name":"in","_attributes":[]}]', "/in: expected an object in _attributes"),
        (b'[{"_name":"in","_content":{}}]', "_content"),
        (b'[{"_name":"in","_content":[5]}]', "/in: expected an element or a text in _content[0]"),
        (b'[{"_name":"in","name":"x"}]', "/in: expected _name, _attributes and _content alone"),
        (b'[{"_name":"in","name":"x"}', "name"),
        (b'[{"_name":"in"', "JSON"),
        (b'[{"_name":"\xff"}]', "JSON: byte 12 is no UTF-8"),
        (b'["\xff"]', "JSON: byte 3 is no UTF-8"),
        (b'"\xff"', "JSON: byte 2 is no UTF-8"),
        (b'{"\xff":1}', "JSON: byte 3 is no UTF-8"),
        (b'[{"_name":"in","x":"\xff"}]', "JSON: byte 21 is no UTF-8"),
        (b'[{"_name":"a b"}]', "name of an element"),
        (b'[{"_name":"in","_attributes":{"a=\\"1\\" b":"x"}}]', "name of an element"),
    ],
)
def test_what_is_no_tree_is_refused_with_its_place(body: bytes, says: str) -> None:
    with pytest.raises(TreeError, match=re.escape(says)):
        tree.to_xml(tree.decode(body))


@pytest.mark.parametrize("depth", [33, 900, 5_000, 400_000])
def test_a_deep_tree_is_refused_and_overflows_nothing(depth: int) -> None:
    body = b"[" + b'{"_name":"a","_content":[' * depth + b"]}" * depth + b"]"
    with pytest.raises(TreeError, match="deeper"):
        tree.to_xml(tree.decode(body))


@pytest.mark.parametrize("depth", range(470, 501, 3))
@pytest.mark.parametrize("leaf", [b'{"_name":1}', b'{"_name":"x","_attributes":{"a":1}}', b"1"])
def test_a_deep_mistake_overflows_nothing(depth: int, leaf: bytes) -> None:
    for levels in range(depth, depth + 3):
        with pytest.raises(TreeError, match="JSON"):
            tree.decode(b"[" + b'{"_name":"a","_content":[' * levels + leaf + b"]}" * levels + b"]")


@pytest.mark.parametrize(
    "text", ["\0", "\x01", "\uffff", "\x0b"], ids=["NUL", "control", "noncharacter", "tab"]
)
def test_characters_that_xml_cannot_hold_are_refused(text: str) -> None:
    body = tree.encode(Node("in", {"a": text}))
    with pytest.raises(schema.XmlError):
        schema.parse(tree.to_xml(tree.decode(body)))


@pytest.mark.proves("arm.frame-header", "arm.tree-root")
def test_the_documented_answer_comes_back_in_its_5791_bytes() -> None:
    frame = frames.decode_response(fixture_path("documented/arm/response.frame").read_bytes())
    root = tree.decode(frame.body)
    assert len(tree.encode(root)) == 5791
    assert json.loads(tree.encode(root)) == json.loads(frame.body)
    assert list(root.attributes) == ["xmlns:xs", "xs:noNamespaceSchemaLocation"]
