"""What the rest of callmocks asks of the provider: faults that tenants switch on."""

from __future__ import annotations

import pytest

from callmocks.faults.active import FaultScope
from callmocks.onec import SoapFault, read_answer
from callmocks.server.providers import PROVIDERS
from tests.onec.conftest import SOAP11, SOAP12, Client, make_call, make_history_call, make_parameter

BODY = make_history_call(PeriodFrom="2026-03-02T00:00:00")


def enable_fault(
    client: Client, name: str, scope: FaultScope | None = None, **params: object
) -> None:
    client.tenant.faults.enable("onec", name, params, scope or FaultScope(times=1))


@pytest.mark.parametrize(("version", "code"), [(SOAP11, "Server"), (SOAP12, "Receiver")])
def test_a_soap_fault_comes_in_the_callers_version(client: Client, version: str, code: str) -> None:
    enable_fault(client, "soap_fault", code="server", text="Ошибка <1С>")
    response = client.post(make_call("ClientRead", version=version))
    assert response.status_code == 500
    with pytest.raises(SoapFault) as caught:
        read_answer(response.content)
    assert (caught.value.code, caught.value.text) == (code, "Ошибка <1С>")
    assert client.journal[-1].faults == ("soap_fault",)
    assert client.post(BODY).status_code == 200


def test_any_result_code(client: Client) -> None:
    enable_fault(client, "result_code", code="BASE_IS_LOCKED", text="Идёт обновление")
    answer = client.answer(BODY)
    assert dict(answer) == {"ResultCode": "BASE_IS_LOCKED", "ResultData": "Идёт обновление"}


def test_a_limit_is_reached_before_it_is_used_up(client: Client) -> None:
    enable_fault(client, "limit_reached")
    response = client.post(make_call("SpecialistRead"))
    assert read_answer(response.content)["ResultCode"] == "OUT_OF_LIMIT"
    assert b"SpecialistReadResponse" in response.content


def test_credentials_are_refused(client: Client) -> None:
    enable_fault(client, "unauthorized")
    response = client.post(BODY)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Basic")


def test_a_fault_of_one_operation_alone(client: Client) -> None:
    enable_fault(client, "soap_fault", FaultScope(operation="ClientRead"))
    assert client.post(BODY).status_code == 200
    assert client.post(make_call("ClientRead")).status_code == 500


def test_fields_of_a_request() -> None:
    onec = PROVIDERS["onec"]
    assert onec is not None
    body = make_call(
        "ClientUserRead",
        make_parameter("ChangedFrom", "2026-01-01T00:00:00") + make_parameter("ClientID", 1),
    )
    assert onec.read_fields(body) == {
        "Params.ChangedFrom": "2026-01-01T00:00:00",
        "Params.ClientID": "1",
    }
    assert onec.read_fields(b"<broken") == {}
    assert set(onec.list_errors()) == {
        "soap_fault", "result_code", "limit_reached", "unauthorized",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["table_truncated", "columns_reordered", "nil_everywhere"])
def test_faults_that_change_the_table(client: Client, name: str) -> None:
    plain = client.post(BODY).content
    enable_fault(client, name)
    changed = client.post(BODY).content
    assert changed != plain
    assert client.journal[-1].faults == (name,)
    assert client.post(BODY).content == plain
