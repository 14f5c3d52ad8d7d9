"""Texts of the catalogue between two invisible characters, so that a page shows what is no text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from callmocks.control.dashboard import render
from callmocks.control.dashboard.texts import Texts

BEGIN, END = "\u2068", "\u2069"
"""Isolates of the bidirectional algorithm: they take no room."""
DATA = ("code", "pre", "time", "script", "style")
ATTRIBUTES = ("title", "aria-label", "placeholder", "alt", "data-done", "data-confirm")


@contextmanager
def marked_texts() -> Iterator[None]:
    gettext, ngettext = Texts.gettext, Texts.ngettext

    def mark(text: str) -> str:
        return f"{BEGIN}{text}{END}"

    with (
        patch.object(Texts, "gettext", lambda self, message: mark(gettext(self, message))),
        patch.object(Texts, "ngettext", lambda self, *forms: mark(ngettext(self, *forms))),
    ):
        render._template_environment.cache_clear()
        yield
    render._template_environment.cache_clear()


def find_unmarked(page: Any) -> list[str]:
    """Texts with letters that are neither of the catalogue nor marked as data."""
    outside: list[str] = []
    depth = 0
    for text, element in iter_texts(page.xpath("//body")[0]):
        shown = ""
        for character in text:
            depth += (character == BEGIN) - (character == END)
            shown += character if depth == 0 else ""
        if re.search(r"[^\W\d_]", shown) and not is_data(element):
            outside.append(shown.strip())
    for element in page.iter():
        for name in ATTRIBUTES if isinstance(element.tag, str) and not is_data(element) else ():
            value = re.sub(f"{BEGIN}.*{END}", "", element.get(name, ""), flags=re.DOTALL)
            if re.search(r"[^\W\d_]", value):
                outside.append(f"{name}={value}")
    return outside


def iter_texts(element: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(element.tag, str) and element.text:
        yield element.text, element
    for child in element:
        yield from iter_texts(child)
        if child.tail:
            yield child.tail, element


def is_data(element: Any) -> bool:
    around = (element, *element.iterancestors())
    return any(each.tag in DATA or each.get("translate") == "no" for each in around)
