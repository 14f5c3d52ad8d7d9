"""The admin API is what its OpenAPI document says."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callmocks.control.faults import describe_fault_type
from callmocks.control.server import ROUTES
from callmocks.server.providers import FAULT_TYPES
from callmocks.tenants.settings import TenantSettings
from tests.control.conftest import ControlClient

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    ("phases", "config", "tested"),
    [
        pytest.param("examples", "schemathesis-demo.toml", None, marks=pytest.mark.slow),
        # Not the document itself, nor the stream.
        pytest.param(
            "examples,coverage,fuzzing",
            "schemathesis-demo.toml",
            len(ROUTES) - 2,
            marks=pytest.mark.slow,
        ),
        pytest.param("stateful", "schemathesis.toml", None, marks=pytest.mark.slow),
    ],
)
async def test_schemathesis_finds_nothing(
    control: ControlClient, tmp_path: Path, phases: str, config: str, tested: int | None
) -> None:
    """Generated requests, good and bad: every answer is a described one, none is a 5xx."""
    control.registry.create(TenantSettings("spare", world="empty"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "schemathesis.cli", "--config-file", str(HERE / config)),
        *("run", f"{control.url}/openapi.json", "--no-color", "--seed", "1", "--phases", phases),
        *("--max-examples", "8", "--max-time", "40", "--request-timeout", "20"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    text = output.decode()
    assert process.returncode == 0, text
    assert tested is None or f"Tested: {tested}" in text, text


async def test_every_route_is_described_and_every_reference_leads_somewhere(
    control: ControlClient,
) -> None:
    document = await control.get("/openapi.json")
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert described == {(operation.method, operation.path) for operation in ROUTES}
    assert described >= {
        ("GET", "/health"),
        ("GET", "/metrics"),
        ("POST", "/api/tenants"),
        ("DELETE", "/api/tenants/{tenant}"),
        ("POST", "/api/tenants/{tenant}/reset"),
        ("PUT", "/api/tenants/{tenant}/clock"),
        ("POST", "/api/tenants/{tenant}/clock/advance"),
        ("POST", "/api/tenants/{tenant}/journal/verify"),
        ("GET", "/api/tenants/{tenant}/truth"),
        ("GET", "/api/tenants/{tenant}/fingerprint"),
        ("PUT", "/api/tenants/{tenant}/assumptions/{assumption}"),
    }
    names = {
        method["operationId"] for path in document["paths"].values() for method in path.values()
    }
    assert len(names) == len(ROUTES)
    for reference in references(document):
        assert reference.rpartition("/")[2] in document["components"]["schemas"]


async def test_fields_are_explained(control: ControlClient) -> None:
    schemas = (await control.get("/openapi.json"))["components"]["schemas"]
    assert schemas["ClockView"]["properties"]["speed"]["description"].startswith("Wall seconds")
    assert "first ``skip``" not in str(schemas["NewFault"]["properties"]["provider"])
    sigma = describe_fault_type(FAULT_TYPES["delay"]).params["properties"]["sigma"]
    assert sigma["description"] == "Lognormal: standard deviation of the delay's logarithm."
    assert sigma["default"] == 0.5


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return (
        [found for value in node for found in references(value)] if isinstance(node, list) else []
    )


def test_the_document_is_json_for_a_guarded_server_too() -> None:
    from callmocks.control.openapi import build_document

    guarded = build_document(ROUTES, guarded=True)
    assert guarded["security"] == [{"bearer": []}, {"basic": []}]
    assert guarded["paths"]["/health"]["get"]["security"] == []
    assert msgspec.json.decode(msgspec.json.encode(guarded)) == guarded


async def test_head_is_served_wherever_get_is(control: ControlClient) -> None:
    """As ``wait-on`` and load balancers ask whether a service is ready."""
    for route in ROUTES:
        if route.method != "GET" or "{" in route.path.replace("{tenant}", ""):
            continue
        url = control.url + route.path.replace("{tenant}", "demo")
        windowed = route.path.endswith(("truth", "roster", "episodes"))
        query = {"from": "2026-03-01", "till": "2026-03-02"} if windowed else {}
        async with control.session.head(url, params=query) as answer:
            assert (answer.status, await answer.read()) == (200, b""), route.path
