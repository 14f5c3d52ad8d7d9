"""The catalogue of texts: complete in both languages, and nothing on a page is outside it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment

from callmocks.contract.assumptions import load_ledger
from callmocks.control import dashboard
from callmocks.control.dashboard.render import SCRIPT_TEXTS
from callmocks.control.dashboard.texts import load_table, load_texts
from callmocks.control.faults import describe_fault_type
from callmocks.server.providers import FAULT_TYPES
from tests.dashboard.conftest import NOW, Site
from tests.dashboard.marked_texts import find_unmarked, marked_texts
from tests.dashboard.test_pages import VIEWS

PACKAGE = Path(dashboard.__file__).parent
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|<[^>]+>")
SINGULAR, PLURAL = str, list


def template_texts() -> Iterator[tuple[str, type]]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    environment.policies["ext.i18n.trimmed"] = True
    for path in sorted((PACKAGE / "templates").glob("*.html")):
        for _, function, message in environment.extract_translations(path.read_text("utf-8")):  # type: ignore[attr-defined]
            text = message[0] if isinstance(message, tuple) else message
            yield text, PLURAL if function == "ngettext" else SINGULAR


def code_texts() -> Iterator[tuple[str, type]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("gettext", "mark_text", "ngettext") and node.args:
                argument = node.args[0]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, PLURAL if name == "ngettext" else SINGULAR


def described_texts() -> Iterator[tuple[str, type]]:
    """Of faults, their parameters and the ledger: texts that the admin API has, too."""
    for fault_type in FAULT_TYPES.values():
        kind = describe_fault_type(fault_type)
        parameters = kind.params.get("properties", {}).values()
        for text in (kind.summary, *(each.get("description") for each in parameters)):
            if text:
                yield text, SINGULAR
    for assumption in load_ledger().values():
        for text in (assumption.statement, assumption.why, assumption.no_alternative):
            if text:
                yield text, SINGULAR


def used_texts() -> dict[str, type]:
    return dict([*template_texts(), *code_texts(), *described_texts()])


def test_every_text_has_its_russian_one_and_none_is_left_over() -> None:
    used, table = used_texts(), load_table()
    assert used.keys() - table.keys() == set()
    assert table.keys() - used.keys() == set()
    forms = {text: len(table[text]) for text, kind in used.items() if kind is PLURAL}
    assert set(forms.values()) == {3}
    assert all(isinstance(table[text], kind) for text, kind in used.items())


def test_both_languages_have_the_same_values_and_markup() -> None:
    for text, translated in load_table().items():
        for form in [translated] if isinstance(translated, str) else translated:
            found, expected = (sorted(PLACEHOLDER.findall(each)) for each in (form, text))
            assert found == expected, text
            assert form == text or re.search("[а-яёА-ЯЁ]", form) or not re.search("[a-z]{3}", text)


def test_scripts_take_their_texts_from_the_page() -> None:
    called: set[str] = set()
    for path in (PACKAGE / "static").glob("*.js"):
        called |= set(re.findall(r'translate\("([^"]+)"\)', path.read_text("utf-8")))
    assert called == set(SCRIPT_TEXTS)


@pytest.fixture
def marked(site: Site) -> Iterator[Site]:
    """The site with something on each page, and its texts marked."""
    site.rpc("get.call_legs_report", limit="x")
    site.rpc("get.account")
    site.arm("101", 'limit="many" offset="x"')
    site.send(site.urls["cdr"], "POST", b"{")
    site.pin_running_call()
    for provider, fault in (("cdr", "delay"), ("onec", "wrong_types"), ("arm", "slow")):
        kinds = site.api("GET", "/api/faults")["faults"]
        known = next((each for each in kinds if each["fault"] == fault), None)
        if known:
            body = {"provider": provider, "fault": fault, "times": 2, "skip": 1}
            site.api("POST", "/api/tenants/demo/faults", body)
    leg = "/api/tenants/demo/assumptions/cdr.leg-direction"
    site.api("PUT", leg, {"choice": "session"})
    with marked_texts(), site.open_websocket("101"):
        yield site


def test_no_page_has_a_text_outside_the_catalogue(marked: Site) -> None:
    calls = marked.truth("2026-03-02", NOW)
    session = next(call["cdr"]["call_session_id"] for call in calls if not call["finished"])
    outside: dict[str, list[str]] = {}
    more = [f"/tenants/demo/calls/{session}", "/tenants/demo/journal/1", "/tenants/none"]
    more += ["/tenants/demo/find?q=nothing", "/tenants/demo/calls?span=30&reason=call_is_lost"]
    for path in [*VIEWS, *more]:
        reply = marked.get(path, Cookie="callmocks_language=ru")
        assert reply.page.get("lang") == "ru"
        if found := find_unmarked(reply.page):
            outside[path] = found
    assert outside == {}


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("ru", "ru"),
        ("ru-RU,ru;q=0.9,en-US;q=0.8", "ru"),
        ("en-US,en;q=0.9,ru;q=0.8", "en"),
        ("de,fr;q=0.9,ru;q=0.2", "ru"),
        ("en;q=0.1, RU;q=0.5", "ru"),
        ("en; q=0.5, ru ; Q=0.9", "ru"),
        ("ru;q=nan, en;q=0.1", "en"),
        ("de", "en"),
        ("ru;q=0", "en"),
        ("ru;q=many", "en"),
        ("", "en"),
    ],
)
def test_the_browser_chooses_the_language(site: Site, accepted: str, language: str) -> None:
    reply = site.get("/", Accept_Language=accepted)
    assert reply.page.get("lang") == reply.headers["Content-Language"] == language
    assert ("Обзор" in reply.text) == (language == "ru")


def test_a_chosen_language_is_remembered_on_the_page_it_was_chosen_on(site: Site) -> None:
    path = "/tenants/demo/calls?span=7&day=2026-03-02"
    (link,) = site.get(path).page.xpath("//a[@hreflang='ru']/@href")
    reply = site.get(link)
    assert reply.page.xpath("string(//h1)") == "Call history"  # this client keeps no cookie
    remembered = site.redirect(link)
    assert remembered.status == 303 and remembered.headers["Location"] == path
    cookie = remembered.headers["Set-Cookie"]
    assert "SameSite=Lax" in cookie and "HttpOnly" in cookie and "Max-Age=" in cookie
    for accepted in ("en", "ru"):
        chosen = cookie.split(";")[0]
        page = site.get(path, Cookie=chosen, Accept_Language=accepted).page
        assert page.get("lang") == "ru" and "История звонков" in page.xpath("string(//h1)")


@pytest.mark.parametrize("back", ["//evil.example/", "/\\evil.example", "https://evil.example", ""])
def test_the_language_switch_leads_to_no_other_site(site: Site, back: str) -> None:
    from urllib.parse import quote

    reply = site.redirect(f"/language/ru?back={quote(back)}")
    assert reply.headers["Location"] == "/"
    assert site.get("/language/de").status == 404


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1 запись"), (2, "2 записи"), (5, "5 записей"), (11, "11 записей"), (21, "21 запись")],
)
def test_numbers_have_their_russian_forms(number: int, text: str) -> None:
    forms = load_texts("ru").ngettext("%(num)s entry", "%(num)s entries", number)
    assert forms % {"num": number} == text
