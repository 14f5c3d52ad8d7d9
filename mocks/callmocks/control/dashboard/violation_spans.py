"""Where in the text of a message the value of a violation stands.

A violation names its place by byte (``bytes 3-12 (length)``), by the path of a JSON value
(``sort.0.field``, below ``params``), by XPath, also in the JSON of a frame, by a property of 1C
(``Params/PeriodFrom``), or by a path below any element (``Params/Property[2]/Value/@type``).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from callmocks.contract.cached_property import cached_property
from callmocks.contract.journal import Violation

Span = tuple[int, int]

_BYTES = re.compile(r"bytes? (\d{1,9})(?:-(\d{1,9}))?\b")
_STEP = re.compile(r"(?:[^\s:/@]+:)?([^\s:/@\[\]]+)(?:\[(\d{1,9})\])?")
_SPACE = re.compile(r"[ \t\r\n]*")
_ATTRIBUTE = re.compile(r"""\s(?:[^\s:=<>"']+:)?([^\s:=<>"']+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TAG_NAME = re.compile(r"</?(?:[^\s<>/:]+:)?([^\s<>/:]+)")
_decoder = json.JSONDecoder()


class SpanFinder:
    """Of one message; ``body_start`` is where the JSON or XML begins, behind a frame's header."""

    def __init__(self, text: str, body_start: int = 0) -> None:
        self._text = text
        self._start = _skip_space(text, body_start)

    def find(self, violation: Violation) -> Span | None:
        where, got = violation.where, violation.got.strip("'\"")
        if (found := _BYTES.match(where)) is not None:
            return self._find_bytes(int(found[1]), int(found[2] or found[1]))
        try:
            if self._text[self._start : self._start + 1] in ("{", "["):
                return self._find_in_json(where, got)
            if where.startswith("/"):
                return self._find_in_xml(where, got)
            return self._find_property(where, got) or self._find_below(where, got)
        except (ValueError, IndexError, RecursionError):
            return None  # not what the path describes

    def _find_bytes(self, first: int, last: int) -> Span | None:
        head = self._text.encode("utf-8", "surrogatepass")
        begin = len(head[: first - 1].decode("utf-8", "ignore"))
        end = begin + len(head[first - 1 : last].decode("utf-8", "replace"))
        return (begin, min(end, len(self._text))) if 0 < first <= last and begin < end else None

    def _find_in_json(self, where: str, got: str) -> Span | None:
        if where.startswith("/"):
            return self._find_node(where, got)
        steps = where.split(".")
        for path in (["params", *steps], steps):
            span: Span | None = (self._start, len(self._text))
            for step in path:
                span = _find_item(self._text, span[0], step) if span else None
            if span is not None:
                return span
        return None

    def _find_node(self, where: str, got: str) -> Span | None:
        """By XPath in the tree of ``_name``, ``_attributes`` and ``_content`` of a frame."""
        text, start = self._text, self._start
        elements, attribute = _split_xpath(where)
        node: Span | None = None
        for name, number in elements:
            if node is not None:
                content = _find_item(text, node[0], "_content")
                if content is None:
                    return None
                start = content[0]
            node = _find_named(text, start, name, number)
            if node is None:
                return None
        if node is None:
            return None
        if not attribute:
            return _find_child_name(text, node[0], got) or _find_quoted(text, node, got)
        attributes = _find_item(text, node[0], "_attributes")
        if attributes is None:
            return None
        if got == attribute:  # the name itself is wrong
            return _find_quoted(text, attributes, got)
        return _find_item(text, attributes[0], attribute)

    @cached_property
    def _root(self) -> "_Element | None":
        return _read_elements(self._text, self._start)

    def _find_in_xml(self, where: str, got: str) -> Span | None:
        return self._find_by_path([self._root] if self._root else [], where, got)

    def _find_below(self, where: str, got: str) -> Span | None:
        first = where.partition("/")[0]
        elements = self._root.iter_all() if self._root else ()
        top = next((element for element in elements if element.name == first), None)
        return self._find_by_path([top] if top else [], where, got)

    def _find_by_path(self, siblings: "list[_Element]", where: str, got: str) -> Span | None:
        elements, attribute = _split_xpath(where)
        found = None
        for name, number in elements:
            named = [each for each in siblings if each.name == name]
            found = named[number - 1] if len(named) >= number else None
            if found is None:
                return None
            siblings = found.children
        if found is None:
            return None
        if not attribute:
            return self._find_content(found, got)
        for match in found.iter_attributes(self._text):
            if match[1] == attribute:
                return match.span(1 if got == attribute else match.lastindex or 1)
        return None

    def _find_content(self, element: "_Element", got: str) -> Span | None:
        """The element that should not be there, or the text."""
        name = got.rpartition("}")[2].partition(" of ")[0]
        # Of several children of that name, the last is the one too many.
        for each in (element, *reversed(element.children)):
            if each.name == name:
                return each.name_span
        for span in element.iter_own_text():
            begin, end = _strip_span(self._text, span) or span
            if begin < end and self._text[begin:end] == got:
                return begin, end
        return _find_delimited(self._text, (element.start, element.end), got)

    @cached_property
    def _properties(self) -> "list[_Element]":
        elements = self._root.iter_all() if self._root else ()
        return [element for element in elements if element.name == "Property"]

    def _find_property(self, where: str, got: str) -> Span | None:
        """The value of a property, its type, or its name, whichever ``got`` is."""
        name, _, index = where.rpartition("/")[2].partition("[")
        number = int(index.rstrip("]") or 1)
        for element in self._properties:
            names = [match for match in element.iter_attributes(self._text) if match[1] == "name"]
            if not names or (names[0][2] or names[0][3] or "").strip() != name:
                continue
            number -= 1
            if number:
                continue
            if got == name:
                return names[0].span(2 if names[0][2] is not None else 3)
            for value in element.children[:1]:
                content = (value.content_start, value.content_end)
                if self._text[slice(*content)].strip() == got:
                    return _strip_span(self._text, content)
                return _find_delimited(self._text, (value.start, value.end), got) or (
                    _strip_span(self._text, content)
                )
        return None


def _skip_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _strip_span(text: str, span: Span) -> Span | None:
    begin, end = span
    inner = text[begin:end]
    begin += len(inner) - len(inner.lstrip())
    end -= len(inner) - len(inner.rstrip())
    return (begin, end) if begin < end else None


def _find_delimited(text: str, within: Span, got: str) -> Span | None:
    """``got`` between quotes or tags."""
    if not got:
        return None
    pattern = re.compile(rf"""(?<=["'>])\s*({re.escape(got)})\s*(?=["'<])""")
    found = pattern.search(text, *within)
    return found.span(1) if found else None


def _find_quoted(text: str, within: Span, got: str) -> Span | None:
    quoted = json.dumps(got, ensure_ascii=False)
    begin = text.find(quoted, *within) if got else -1
    return (begin, begin + len(quoted)) if begin >= 0 else None


def _iter_items(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Name or index, begin and end of each value of the object or array at ``start``."""
    is_object = text[start] == "{"
    position, index = _skip_space(text, start + 1), 0
    while text[position] not in "]}":
        key = str(index)
        if is_object:
            key, position = _decoder.raw_decode(text, position)
            position = _skip_space(text, _skip_space(text, position) + 1)
        _, end = _decoder.raw_decode(text, position)
        yield key, position, end
        position = _skip_space(text, end)
        if text[position] == ",":
            position = _skip_space(text, position + 1)
        index += 1


def _find_item(text: str, start: int, step: str) -> Span | None:
    if text[start] not in "{[":
        return None
    spans = ((begin, end) for key, begin, end in _iter_items(text, start) if key == step)
    return next(spans, None)


def _find_named(text: str, start: int, name: str, number: int) -> Span | None:
    for _, begin, end in _iter_items(text, start):
        node, _ = _decoder.raw_decode(text, begin)
        if isinstance(node, dict) and node.get("_name") == name:
            number -= 1
            if not number:
                return begin, end
    return None


def _find_child_name(text: str, start: int, name: str) -> Span | None:
    """That of the last child of this name, of several the one too many."""
    content = _find_item(text, start, "_content")
    if content is None or text[content[0]] != "[":
        return None
    found = None
    for _, begin, _ in _iter_items(text, content[0]):
        span = _find_item(text, begin, "_name")
        if span is not None and text[slice(*span)] == json.dumps(name, ensure_ascii=False):
            found = span
    return found


def _split_xpath(where: str) -> tuple[list[tuple[str, int]], str]:
    """Elements with their numbers, and the attribute."""
    path, _, attribute = where.partition("/@")
    found = (_STEP.fullmatch(step) for step in path.strip("/").split("/"))
    elements = [(step[1], int(step[2] or 1)) if step else ("", 1) for step in found]
    return elements, attribute.rpartition(":")[2]


@dataclass(eq=False)
class _Element:
    name: str
    name_span: Span
    start: int
    content_start: int
    content_end: int
    end: int
    children: list["_Element"] = field(default_factory=list)

    def iter_attributes(self, text: str) -> Iterator[re.Match[str]]:
        return _ATTRIBUTE.finditer(text, self.name_span[1], self.content_start)

    def iter_own_text(self) -> Iterator[Span]:
        """Before, between and behind its children."""
        begin = self.content_start
        for child in self.children:
            yield begin, child.start
            begin = child.end
        yield begin, self.content_end

    def iter_all(self) -> Iterator["_Element"]:
        pending = [self]
        while pending:
            element = pending.pop()
            yield element
            pending += reversed(element.children)


def _read_elements(text: str, start: int) -> _Element | None:
    """The tree of a document that is well-formed as far as it is read."""
    root: _Element | None = None
    opened: list[_Element] = []
    for begin, end in _iter_tags(text, start):
        name = _TAG_NAME.match(text, begin)
        if name is None:
            continue
        if text.startswith("</", begin):
            if opened:
                closed = opened.pop()
                closed.content_end, closed.end = begin, end
            continue
        element = _Element(name[1], name.span(1), begin, end, end, end)
        if opened:
            opened[-1].children.append(element)
        root = root or element
        if text[end - 2] != "/":
            element.content_end = element.end = len(text)
            opened.append(element)
    return root


def _iter_tags(text: str, start: int) -> Iterator[Span]:
    while (begin := text.find("<", start)) >= 0:
        ends = (("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>"))
        other = next((end for opening, end in ends if text.startswith(opening, begin)), "")
        if other:
            end = text.find(other, begin)
            if end < 0:
                return
            start = end + len(other)
            continue
        end = _find_tag_end(text, begin)
        if end < 0:
            return
        yield begin, end
        start = end


def _find_tag_end(text: str, begin: int) -> int:
    position = begin
    while True:
        found = re.compile(r"[>\"']").search(text, position + 1)
        if found is None:
            return -1
        if found[0] == ">":
            return found.end()
        position = text.find(found[0], found.end())
        if position < 0:
            return -1
