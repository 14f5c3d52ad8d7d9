"""Basic authentication, and the journal that a refusal is written to."""

from __future__ import annotations

from base64 import b64encode

import pytest
import requests

from callmocks.errors import SettingsError
from callmocks.tenants.settings import OnecSettings
from tests.onec.conftest import Client, Service, make_call

BODY = make_call("DepartmentRead")


def basic(text: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(text).decode()}"}


@pytest.mark.proves("onec.unauthorized")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer token"},
        basic(b""),
        basic(b"no-such-user:x"),
        basic(b"\xff\xfe:x"),
        basic(b"nobody:nobody"),
    ],
)
def test_wrong_or_missing_credentials_get_401(service: Service, headers: dict[str, str]) -> None:
    response = requests.post(service.url, data=BODY, headers=headers, timeout=30)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="1C:Enterprise"'
    entry = list(service.registry.unmatched.journal.read_entries())[-1]
    assert (entry.provider, entry.status) == ("onec", 401)
    assert entry.request == BODY.decode()


def test_a_wrong_password_is_written_to_the_journal_of_its_user(client: Client) -> None:
    for password in ("", "wrong", client.tenant.name + "x", "п" * 100):
        auth = basic(f"{client.tenant.name}:{password}".encode())
        assert client.post(BODY, auth=None, headers=auth).status_code == 401
        assert client.journal[-1].status == 401
    assert client.post(BODY).status_code == 200


def test_credentials_open_one_tenant_alone(service: Service) -> None:
    settings = OnecSettings(user="API пользователь", password="с:двоеточием")
    client = service.client(onec=settings)
    headers = basic("API пользователь:с:двоеточием".encode())
    assert client.post(BODY, auth=None, headers=headers).status_code == 200
    lower = {"Authorization": headers["Authorization"].replace("Basic", "bASIC")}
    assert client.post(BODY, auth=None, headers=lower).status_code == 200
    assert client.post(BODY).status_code == 401


@pytest.mark.proves("onec.unauthorized")
def test_credentials_are_checked_before_the_request(client: Client) -> None:
    for body in (b"<broken", make_call("NoSuchThing"), b"x" * 1_000_000):
        assert client.post(body, auth=("no", "body")).status_code == 401


@pytest.mark.proves("onec.wsdl-access")
def test_the_wsdl_is_open_unless_its_tenant_closes_it(service: Service) -> None:
    client = service.client()
    url = f"{service.url}?wsdl"
    wrong = (client.tenant.name, "wrong")
    assert requests.get(url, auth=wrong, timeout=30).status_code == 200
    client.tenant.assumptions.set_choice("onec.wsdl-access", "basic")
    assert requests.get(url, auth=wrong, timeout=30).status_code == 401
    right = (client.tenant.name, client.tenant.name)
    assert requests.get(url, auth=right, timeout=30).status_code == 200
    assert client.journal[-1].operation == "wsdl"
    assert requests.get(url, timeout=30).status_code == 200, "others serve it openly"


def test_a_user_that_basic_authentication_cannot_send_is_refused(service: Service) -> None:
    with pytest.raises(SettingsError, match=r"onec\.user: 'a:b' has a colon"):
        service.client(onec=OnecSettings(user="a:b"))
