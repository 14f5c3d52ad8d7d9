"""What SOAP clients of other kinds make of the WSDL and of an answer; in CI none may be missing.

Each reads with the WSDL as it is served, which the live one is like, and with the form that it had
before, whose values are of ``xs:anyType``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
import requests
import zeep
from zeep.transports import Transport

from callmocks.onec import EMPTY_DATE, ValueTable
from tests.onec.conftest import Client, make_call

CLIENTS = Path(__file__).parent / "clients"
NODE_PACKAGES = Path(__file__).parents[2] / "examples" / "javascript"
READS = ("SpecialistRead", "DepartmentRead")
SECONDS = 120


def require_tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        skip_or_fail(name)
    return found


def skip_or_fail(name: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{name} is missing in CI")
    pytest.skip(f"{name} is not installed")


def run_client(command: list[str], body: bytes | None = None, **environment: str) -> str:
    done = subprocess.run(
        command, input=body, capture_output=True, timeout=SECONDS, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture(params=["live", "any-type"])
def wsdl(request: pytest.FixtureRequest, client: Client, tmp_path: Path) -> str:
    """The address or the file of the WSDL in one of its forms."""
    if request.param == "live":
        return f"{client.url}?wsdl"
    text = requests.get(f"{client.url}?wsdl", timeout=30).text
    assert 'name="Value" nillable' in text
    file = tmp_path / "any-type.wsdl"
    untyped, typed = 'name="Value" nillable', 'name="Value" type="xs:anyType" nillable'
    file.write_text(text.replace(untyped, typed), encoding="utf-8")
    return str(file)


def read_table(client: Client, operation: str) -> ValueTable:
    return client.table(make_call(operation))


def show_cells(table: ValueTable) -> list[list[str]]:
    """Cells as the text that every client can be reduced to."""
    return [[show_cell(cell) for cell in row] for row in table.rows]


def show_cell(cell: Any) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime):
        assert cell != EMPTY_DATE
        return cell.isoformat()[:19]
    return "" if cell is None else str(cell)  # of an empty text some make None


@pytest.mark.parametrize("operation", READS)
def test_zeep(wsdl: str, client: Client, operation: str) -> None:
    client.session.auth = (client.tenant.name, client.tenant.name)
    made = zeep.Client(wsdl, transport=Transport(session=client.session))
    code, data = made.service[operation]("Params")
    table = read_table(client, operation)
    assert (code["name"], code["Value"]) == ("ResultCode", "SUCCESS")
    rows = [[show_cell(cell) for cell in row["Value"]] for row in data["Value"]["row"]]
    assert rows == show_cells(table)


@pytest.mark.parametrize("operation", READS)
def test_suds(wsdl: str, client: Client, operation: str) -> None:
    try:
        from suds.client import Client as SudsClient  # type: ignore[import-untyped]
    except ImportError:
        skip_or_fail("suds")
    name, address = client.tenant.name, wsdl if "://" in wsdl else f"file://{wsdl}"
    made = SudsClient(address, username=name, password=name, cache=None)
    code, data = getattr(made.service, operation)({}).Property
    table = read_table(client, operation)
    assert (code._name, str(code.Value)) == ("ResultCode", "SUCCESS")
    assert [str(column.Name) for column in data.Value.column] == table.names
    rows = [[show_cell(cell) for cell in row.Value] for row in data.Value.row]
    assert rows == show_cells(table)


@pytest.mark.proves("onec.value-type")
def test_php_finds_the_rows_where_it_finds_them_in_production(wsdl: str, client: Client) -> None:
    php, name = require_tool("php"), client.tenant.name
    for operation in READS:
        command = [php, str(CLIENTS / "answer.php"), wsdl, name, operation]
        found, table = json.loads(run_client(command)), read_table(client, operation)
        # Of xs:anyType it would be a plain object, whose rows are at ->row.
        assert found["class"] == ("SoapVar" if "://" in wsdl else "stdClass")
        assert (found["code"], found["columns"]) == ("SUCCESS", table.names)
        rows = [[show_cell(cell) for cell in row] for row in found["rows"]]
        assert rows == show_cells(table)


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client of node with the packages of examples/javascript, at their locked versions."""
    npm, folder = require_tool("npm"), tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE_PACKAGES / name, folder)
    shutil.copy(CLIENTS / "answer.mjs", folder)
    run_client([npm, "ci", "--no-audit", "--no-fund", "--prefix", str(folder)])
    return folder


def test_node_soap(wsdl: str, client: Client, node_folder: Path) -> None:
    node, name = require_tool("node"), client.tenant.name
    for operation in READS:
        command = [node, str(node_folder / "answer.mjs"), wsdl, name, operation]
        found, table = json.loads(run_client(command)), read_table(client, operation)
        assert (found["code"], found["columns"]) == ("SUCCESS", table.names)
        rows = [[show_cell(cell) for cell in row] for row in found["rows"]]
        assert rows == show_cells(table)


@pytest.mark.proves("onec.value-type")
def test_the_struct_that_gowsdl_generates_finds_properties_and_no_cell(
    client: Client, tmp_path: Path
) -> None:
    go, answer = require_tool("go"), client.post(make_call("DepartmentRead")).content
    command = [go, "run", str(CLIENTS / "answer.go")]
    printed = run_client(command, answer, GOCACHE=str(tmp_path), HOME=str(tmp_path))
    assert printed.split("\n") == ["ResultCode {}", "ResultData {}", ""]
