"""The pages of the documentation that the package brings along, as HTML."""

import posixpath
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from callmocks.contract.resources import docs_path
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext

_INDEX_LINE = re.compile(r"- \[([^\]]+)\]\(([^)]+)\)(?:: (.*))?")
_PAGE_MARK = re.compile(r"^<!-- docs/(\S+\.md) -->\n\n", re.MULTILINE)
# Ids of the page around the text.
_TAKEN = frozenset({"main", "status", "confirm", "confirm-text"})


class IndexEntry(NamedTuple):
    title: str
    path: str
    note: str


async def list_pages(context: RequestContext) -> dict[str, Any]:
    return {"sections": _load_index()}


async def show_page(context: RequestContext) -> dict[str, Any]:
    path = context.path_part("page")
    if path not in _load_pages():
        raise ProblemError(404, f"no page {path!r}", where="page")
    title, text = _render_page(path)
    language = "ru" if path.startswith("ru/") else "en"
    return {"title": title, "text": text, "text_language": language}


@cache
def _load_index() -> list[tuple[str, list[IndexEntry]]]:
    """Headings of the index, and the pages below each."""
    sections: list[tuple[str, list[IndexEntry]]] = []
    for line in docs_path("llms.txt").read_text(encoding="utf-8").splitlines():
        found = _INDEX_LINE.match(line)
        if line.startswith("## "):
            sections.append((line.removeprefix("## "), []))
        elif found and found[2] in _load_pages():
            note = (found[3] or "").replace("`", "``")
            sections[-1][1].append(IndexEntry(found[1], found[2], note))
    return sections


@cache
def _load_pages() -> dict[str, str]:
    """Markdown by the path below ``docs/``."""
    text = docs_path("llms-full.txt").read_text(encoding="utf-8")
    _, *parts = _PAGE_MARK.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@cache
def _render_page(path: str) -> tuple[str, Markup]:
    """Title and HTML; links to what is no page, and images, are text."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(_load_pages()[path])
    _set_heading_ids(tokens)
    for token in tokens:
        if token.type == "th_open":
            token.attrSet("scope", "col")
        if token.attrs.pop("style", "") == "text-align:right":  # the policy forbids styles
            token.attrSet("class", "number")
        if token.children:
            token.children = list(_resolve_links(token.children, posixpath.dirname(path)))
    title = next(tokens[at + 1].content for at, each in enumerate(tokens) if each.tag == "h1")
    html = markdown.renderer.render(tokens, markdown.options, {})
    scroll = f'<div class="scroll" tabindex="0" role="region" aria-label="{Markup.escape(title)}">'
    html = html.replace("<table>", f"{scroll}<table>").replace("</table>", "</table></div>")
    html = html.replace("<pre>", scroll.replace("div", "pre", 1).replace('class="scroll" ', ""))
    return title.replace("`", ""), Markup(html)


def _set_heading_ids(tokens: list[Token]) -> None:
    """As GitHub makes them, so that links to a part of a page work."""
    used = set(_TAKEN)
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        words = re.sub(r"[^\w\s-]", "", inline.content.lower())
        name = unique = re.sub(r"\s", "-", words.strip())
        number = 0
        while unique in used:
            number += 1
            unique = f"{name}-{number}"
        used.add(unique)
        opening.attrSet("id", unique)


def _resolve_links(tokens: list[Token], folder: str) -> Iterator[Token]:
    is_dropped = False
    for token in tokens:
        if token.type == "image":
            token = Token("text", "", 0, content=token.content)
        if token.type == "link_open":
            target, hash_sign, part = str(token.attrGet("href")).partition("#")
            path = posixpath.normpath(posixpath.join(folder, target))
            is_dropped = bool(target) and "://" not in target and path not in _load_pages()
            if target and "://" not in target:
                token.attrSet("href", f"/docs/{path}{hash_sign}{part}")
        if not (is_dropped and token.type in ("link_open", "link_close")):
            yield token
