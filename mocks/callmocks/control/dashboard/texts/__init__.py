"""The texts of the pages in English and Russian.

The English text is the key, so that templates and code can be read. The tables of this folder have
the Russian one, or its three plural forms. ``mark_text`` is for constants: they are translated
where they are shown.
"""

import tomllib
from functools import cache
from gettext import NullTranslations
from importlib.resources import files
from typing import Any

from aiohttp import web

from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext

LANGUAGES = {"en": "English", "ru": "Русский"}
COOKIE = "callmocks_language"
_YEAR = 366 * 24 * 3600

Table = dict[str, str | list[str]]


class Texts(NullTranslations):
    """``language`` and its texts; without a table those are the keys."""

    def __init__(self, language: str, table: Table) -> None:
        super().__init__()
        self.language = language
        self._table = table

    def gettext(self, message: str) -> str:
        text = self._table.get(message, message)
        return text if isinstance(text, str) else text[0]

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        forms = self._table.get(msgid1)
        if isinstance(forms, list):
            return forms[_plural_form(n)]
        return msgid1 if n == 1 else msgid2


def _plural_form(number: int) -> int:
    """In Russian: of 1, 21, 31; of 2 to 4, 22 to 24; of all others."""
    if number % 10 == 1 and number % 100 != 11:
        return 0
    return 1 if number % 10 in (2, 3, 4) and number % 100 not in (12, 13, 14) else 2


def mark_text(text: str) -> str:
    return text


@cache
def load_table() -> Table:
    """All tables of this folder in one."""
    table: Table = {}
    for file in files(__package__).iterdir():
        if file.name.endswith(".toml"):
            table |= tomllib.loads(file.read_text(encoding="utf-8"))
    return table


@cache
def load_texts(language: str) -> Texts:
    return Texts(language, load_table() if language == "ru" else {})


def find_texts(context: RequestContext) -> Texts:
    return load_texts(choose_language(context.request))


def choose_language(request: web.Request) -> str:
    """That of the cookie, else the one that the browser prefers, else English."""
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    weights: dict[str, float] = {}
    for part in request.headers.get("Accept-Language", "").split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        language = name.partition("-")[0]
        if language in LANGUAGES:
            texts = (each.partition("=") for each in parameters)
            weight = next((value.strip() for name, _, value in texts if name.strip() == "q"), "")
            weights.setdefault(language, _parse_weight(weight))
    best = max(weights, key=weights.__getitem__, default="en")
    return best if weights.get(best) else "en"


def _parse_weight(text: str) -> float:
    try:
        weight = float(text or 1)
    except ValueError:
        return 0
    return weight if 0 <= weight <= 1 else 0


async def switch_language(context: RequestContext) -> web.Response:
    """Remember a language and go back to the page that ``back`` names."""
    language = context.path_part("language")
    if language not in LANGUAGES:
        known = ", ".join(LANGUAGES)
        raise ProblemError(404, f"language {language!r} is none of {known}", where="language")
    back = context.request.query.get("back", "/")
    is_page = back.startswith("/") and not back.startswith(("//", "/\\"))
    response = web.Response(
        status=303, headers={"Location": _escape_path(back) if is_page else "/"}
    )
    response.set_cookie(COOKIE, language, max_age=_YEAR, httponly=True, samesite="Lax")
    return response


def _escape_path(path: str) -> Any:
    from yarl import URL

    return str(URL(path))
