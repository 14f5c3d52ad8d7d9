"""The bounds that /openapi.json states are those that hold."""

import json
import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from callmocks.config.server_limits import ServerLimits
from callmocks.control.request_bodies import MAX_MEMBERS, MAX_VALUES
from callmocks.control.server import make_app
from callmocks.provider.bodies import SERVER_LIMITS
from tests.control.conftest import ADDRESSES, ControlClient

DEMO = "/api/tenants/demo"
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/tenants"): {"name": "b"},
    ("PUT", f"{DEMO}/scenario"): {},
    ("PUT", f"{DEMO}/clock"): {"mode": "offset"},
    ("POST", f"{DEMO}/clock/advance"): {"seconds": 1},
    ("POST", f"{DEMO}/faults"): {"provider": "cdr", "fault": "delay"},
    ("POST", f"{DEMO}/journal/verify"): {"expect": [{"provider": "cdr"}]},
    ("POST", f"{DEMO}/calls"): {"start": "2026-03-01T12:00:00"},
}
"""A body that is accepted, for each route whose body has bounds."""
SLOW_TO_ACCEPT = ("world",)  # large worlds
NUMBERS = {"minimum": -1, "maximum": 1, "exclusiveMinimum": 0}
LENGTHS = ("minLength", "maxLength", "minItems", "maxItems", "maxProperties")
BOUNDS = (*NUMBERS, *LENGTHS, "pattern")
Path = tuple[str | int, ...]


class Bound(NamedTuple):
    path: Path
    kind: str
    beyond: Any
    within: Any  # at the bound


def find_bounds(document: Any, schema: Any, path: Path = ()) -> Iterator[Bound]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for kind in BOUNDS:
        if kind in schema:
            yield make_bound(document, schema, path, kind)
    for option in schema.get("anyOf", ()):
        yield from find_bounds(document, option, path)
    for name, field in schema.get("properties", {}).items():
        yield from find_bounds(document, field, (*path, name))
    for index, item in enumerate(schema.get("prefixItems", ())):
        yield from find_bounds(document, item, (*path, index))
    if isinstance(schema.get("additionalProperties"), dict):
        for each in find_bounds(document, schema["additionalProperties"], (*path, "key")):
            yield each._replace(within=None)  # there are rules for keys too
    if isinstance(schema.get("items"), dict):
        yield from find_bounds(document, schema["items"], (*path, 0))


def make_bound(document: Any, schema: Any, path: Path, kind: str) -> Bound:
    limit = schema[kind]
    if kind in NUMBERS:
        return Bound(path, kind, limit + NUMBERS[kind], limit if NUMBERS[kind] else limit + 0.5)
    if kind == "pattern":
        return Bound(path, kind, "\x01", None)
    more = limit + 1 if kind.startswith("max") else limit - 1
    if kind.endswith("Length"):
        return Bound(path, kind, "x" * more, None if "pattern" in schema else "x" * limit)
    if kind == "maxProperties":
        value = make_sample(document, schema["additionalProperties"])
        return Bound(path, kind, {f"k{number}": value for number in range(more)}, None)
    item = make_sample(document, (schema.get("prefixItems") or [schema["items"]])[0])
    return Bound(path, kind, [item] * more, [item] * limit)


def make_sample(document: Any, schema: Any) -> Any:
    """A value with all that is required."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        required = schema.get("required", ())
        return {name: make_sample(document, schema["properties"][name]) for name in required}
    if schema.get("type") in ("integer", "number"):
        return schema.get("minimum", 1)
    return "2026-03-01" if schema.get("format") == "date" else "2026-03-01T12:00:00"


def put_value(document: Any, schema: Any, body: Any, path: Path, value: Any) -> Any:
    """The body with a value at a path, and with what is required beside it."""
    if not path:
        return value
    options = [schema]
    for option in options:
        if "$ref" in option:
            options.append(document["components"]["schemas"][option["$ref"].rpartition("/")[2]])
        options += option.get("anyOf", ())
    name, rest = path[0], path[1:]
    if isinstance(name, int):
        (found,) = (each for each in options if each.get("type") == "array")
        length = max(name + 1, found.get("minItems", 1))
        items = found.get("prefixItems") or [found["items"]] * length
        values = [make_sample(document, item) for item in items[:length]]
        values[name] = put_value(document, items[name], values[name], rest, value)
        return values
    found = next(each for each in options if name in get_fields(each, name))
    given = body if isinstance(body, dict) else make_sample(document, found)
    field = get_fields(found, name)[name]
    inner = put_value(document, field, given.get(name), rest, value)
    return given | {name: inner}


def get_fields(schema: Any, name: str) -> dict[str, Any]:
    others = schema.get("additionalProperties")
    return ({name: others} if isinstance(others, dict) else {}) | dict(schema.get("properties", {}))


def format_path(path: Path) -> str:
    """As ``where`` of a problem says it."""
    return "$" + "".join(f".{part}" if isinstance(part, str) else f"[{part}]" for part in path)


@pytest.mark.parametrize(("method", "path"), BODIES)
async def test_bodies_beyond_a_bound_are_refused_there_and_at_it_are_not(
    control: ControlClient, method: str, path: str
) -> None:
    document = await control.get("/openapi.json")
    route = document["paths"][path.replace("/demo", "/{tenant}")][method.lower()]
    schema = route["requestBody"]["content"]["application/json"]["schema"]
    base = BODIES[method, path]
    schemas = [schema] if "$ref" in schema else schema["anyOf"]
    bounds = [bound for each in schemas for bound in find_bounds(document, each)]
    assert bounds
    for bound in bounds:
        body = put_value(document, schemas[0], base, bound.path, bound.beyond)
        status, problem = await control.call(method, path, body)
        assert status == 422, (bound, body)
        assert problem["where"] == format_path(bound.path), (bound, problem)
        refused = problem["detail"]
        if bound.within is None or bound.path[0] in SLOW_TO_ACCEPT:
            continue
        if bound.path == ("seconds",):  # as far as clocks go
            year = "2190" if bound.within < 0 else "1980"
            await control.call("PUT", f"{DEMO}/clock", {"mode": "frozen", "now": f"{year}-01-01"})
        body = put_value(document, schemas[0], base, bound.path, bound.within)
        status, problem = await control.call(method, path, body)
        assert status != 422 or problem["detail"] != refused, (bound, problem)
        if path == "/api/tenants" and status == 201:
            await control.call("DELETE", f"/api/tenants/{problem['name']}")


async def test_every_body_with_bounds_is_looked_at(control: ControlClient) -> None:
    document = await control.get("/openapi.json")
    bounded = set()
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            content = route.get("requestBody", {"content": {}})["content"]
            for schema in (each["schema"] for each in content.values()):
                if any(find_bounds(document, schema)):
                    bounded.add((method.upper(), path.replace("{tenant}", "demo")))
    assert bounded == set(BODIES)


async def test_parameters_beyond_a_bound_are_refused_and_at_it_are_not(
    control: ControlClient,
) -> None:
    document = await control.get("/openapi.json")
    looked_at, longest = 0, dict[str, str]()
    for path, methods in document["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            if parameter["in"] != "query" or path.endswith("/stream"):
                continue
            for bound in find_bounds(document, parameter["schema"]):
                looked_at += 1
                if bound.kind == "maxLength":
                    longest[parameter["name"]] = bound.within.replace("x", "\N{GRINNING FACE}")
                url = f"{control.url}{path.replace('{tenant}', 'demo')}"
                for value, status in ((bound.beyond, 422), (bound.within, 200)):
                    query = {parameter["name"]: value}
                    async with control.session.get(url, params=query) as answer:
                        assert answer.status == status, (path, parameter, value)
    assert looked_at >= 4
    url = f"{control.url}{DEMO}/journal"
    async with control.session.get(url, params=longest) as answer:  # the line of the URL fits too
        assert (answer.status, len(longest)) == (200, 2)


@pytest.mark.parametrize("server_limit", [None, 100_000])
async def test_the_body_of_413_is_longer_than_the_stated_limit(
    control: ControlClient, serve: Any, server_limit: int | None
) -> None:
    if server_limit is not None:
        app: web.Application = make_app(control.registry, ADDRESSES)
        app[SERVER_LIMITS] = ServerLimits(body=server_limit)
        control = control._replace(url=await serve(app))
    document = await control.get("/openapi.json")
    texts = {
        method["responses"]["413"]["description"]
        for path in document["paths"].values()
        for method in path.values()
        if "413" in method["responses"]
    }
    stated = {None: ("8 MiB", 8 * 1024 * 1024), 100_000: ("100000 bytes", 100_000)}
    text, limit = stated[server_limit]
    assert texts == {f"The body is longer than {text}"}
    for length, status in ((limit, 422), (limit + 1, 413)):
        body = BytesIO(json.dumps({"name": "B"}).encode().ljust(length))
        async with control.session.post(f"{control.url}/api/tenants", data=body) as answer:
            assert answer.status == status


@pytest.mark.parametrize("value", ["{}", "[]", '{"a": "{[:,"}', '["\\"{[:", [[]]]', '{"\\\\": {}}'])
async def test_a_body_has_so_many_values_and_no_more(control: ControlClient, value: str) -> None:
    head, tail = '{"provider": "cdr", "fault": "delay", "params": {"x": [', '], "y": "{[:"}}'
    room = MAX_VALUES - _count_values(head + tail) + 1
    count, rest = divmod(room, _count_values(value + ","))
    for more, where in ((0, "$.params"), (1, "$")):
        body = head + ", ".join([value] * count + ["1"] * (rest + more)) + tail
        url = f"{control.url}{DEMO}/faults"
        async with control.session.post(url, data=BytesIO(body.encode())) as answer:
            problem = await answer.json(content_type=None)
        assert (answer.status, problem["where"]) == (422, where), problem
    assert problem["detail"] == "the body has more than 600000 values"


async def test_an_object_has_so_many_members_and_no_more(control: ControlClient) -> None:
    head, tail = '{"provider": "cdr", "fault": "delay", "params": {"x": [{}, {', "}, 1, {}]}}"
    for count, where in ((MAX_MEMBERS, "$.params"), (MAX_MEMBERS + 1, "$")):
        members = ", ".join(f'"{number}": [",{number}"]' for number in range(count))
        url, body = f"{control.url}{DEMO}/faults", BytesIO((head + members + tail).encode())
        async with control.session.post(url, data=body) as answer:
            problem = await answer.json(content_type=None)
        assert (answer.status, problem["where"]) == (422, where), problem
    assert problem["detail"] == "an object of the body has more than 100000 members"


async def test_expectations_name_so_many_fields_and_headers_together(
    control: ControlClient,
) -> None:
    names = dict.fromkeys(map(str, range(1000)), "")
    each = {"unlisted": True, "fields": names, "headers": names}
    for count, status in ((25, 200), (26, 422)):
        body = {"expect": [each] * count}
        answered, answer = await control.call("POST", f"{DEMO}/journal/verify", body)
        assert answered == status, answer
    assert answer["where"] == "$.expect"


def _count_values(text: str) -> int:
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    return sum(map(outside.count, "{[,"))
