"""Scenes of the 1C-Connect service."""

from io import BytesIO
from typing import Any

from tests.tenants.assumption_cases import NOW, RecordingClient

UNKNOWN_USER = "11111111-2222-3333-4444-555555555555"
HISTORY = "GetHistoryOfServiceCalls"
READS = (
    "ClientRead", "ClientUserRead", "SpecialistRead", "DepartmentRead", "ServiceLineKindRead",
    "UserServiceLineRead",
)  # fmt: skip
ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{header}<e:Body>'
    '<x:{operation} xmlns:x="http://buhphone.com/PartnerWebAPI2"><x:Params>{properties}'
    "</x:Params></x:{operation}></e:Body></e:Envelope>{padding}"
)


def property_xml(name: str, value: str | None, kind: str = "") -> str:
    if value is None:
        inner = '<Value xsi:nil="true"/>'
    else:
        kind = kind or ("xs:dateTime" if "T" in value and ":" in value else "xs:string")
        inner = f'<Value xsi:type="{kind}">{value}</Value>'
    return f'<Property xmlns="http://v8.1c.ru/8.1/data/core" name="{name}">{inner}</Property>'


async def call_operation(
    client: RecordingClient,
    *properties: str,
    tenant: str = "free",
    operation: str = HISTORY,
    header: str = "",
    padding: str = "",
) -> bytes:
    body = ENVELOPE.format(
        operation=operation, header=header, properties="".join(properties), padding=padding
    )
    headers = {"Content-Type": "text/xml", **client.basic_auth(tenant, tenant)}
    return await client.post(client.urls["onec"], data=BytesIO(body.encode()), headers=headers)


async def call_period(
    client: RecordingClient, begin: str | None, end: str | None = None, **more: Any
) -> bytes:
    given = [property_xml("PeriodFrom", begin)] if begin else []
    return await call_operation(
        client, *given, *([property_xml("PeriodTo", end)] if end else []), **more
    )


async def parameter_case(client: RecordingClient) -> None:
    """Parameters of every good and bad kind."""
    begin = property_xml("PeriodFrom", "2026-03-02T09:00:00")
    await call_operation(client, begin)
    for wrong in (
        property_xml("ServiceID", UNKNOWN_USER),
        property_xml("ServiceID", "no-uuid"),
        property_xml("CallResult", "3", "xs:decimal"),
        property_xml("Colour", "red"),
        property_xml("callresult", "1", "xs:decimal"),
        property_xml("PeriodTo", ""),
        property_xml("PeriodTo", None),
        property_xml("PeriodTo", "2026-03-02T11:00:00", "xs:string"),
        property_xml("CallResult", "one", "xs:decimal"),
        property_xml("PeriodFrom", "2026-03-02T09:00:00"),
    ):
        await call_operation(client, begin, wrong)
    await call_operation(client)
    await call_operation(client, property_xml("PeriodFrom", "2026-03-02T07:00:00Z"))
    await call_period(client, "2026-03-02T10:00:00", "2026-03-02T09:00:00")
    await call_period(client, "2026-02-01T00:00:00", "2026-03-01T00:00:00")
    for year in (2016, 2020, 2024, 2026):
        await call_operation(
            client, property_xml("ChangedFrom", f"{year}-01-20T00:00:00"), operation="ClientRead"
        )
    understand = '<e:Header><a xmlns="urn:a" e:mustUnderstand="1"/></e:Header>'
    await call_operation(client, begin, header=understand)


async def read_case(client: RecordingClient) -> None:
    """Each read, whole."""
    for operation in READS:
        await call_operation(client, operation=operation)


async def day_and_night_case(client: RecordingClient) -> None:
    """What the hour decides, and periods with an end left open."""
    for hour in ("03:00", "07:30", "08:30", "12:00", "18:30", "19:30", "20:30", "21:30", "22:30"):
        await client.set_clock(f"2026-03-02T{hour}:00")
        begin, end = (
            property_xml("PeriodFrom", "2026-02-01T00:00:00"),
            property_xml("PeriodTo", NOW),
        )
        await call_operation(client, begin, end, property_xml("ServiceID", UNKNOWN_USER))
    begin, end = property_xml("PeriodFrom", "2026-02-01T00:00:00"), property_xml("PeriodTo", NOW)
    await call_operation(client, begin, end, property_xml("ServiceID", UNKNOWN_USER), tenant="far")
    await client.set_clock("2026-03-02T23:00:00")
    await call_period(client, None, "2026-02-20T00:00:00")
    await call_period(client, "2026-02-10T00:00:00")


async def period_end_case(client: RecordingClient) -> None:
    """Calls that begin exactly at the ends."""
    for start in ("10:00:00", "10:20:00", "10:40:00"):
        await client.call_control("POST", "bare", "/calls", {"start": f"2026-03-02T{start}"})
    await call_period(client, "2026-03-02T10:00:00", "2026-03-02T10:40:00", tenant="bare")


async def quota_case(client: RecordingClient) -> None:
    """What counts, and when counting begins anew."""
    await client.set_clock("2026-03-02T12:30:00", "demo")
    for _ in range(10):
        await call_period(client, "2026-03-02T12:00:00", tenant="demo")
    await client.advance_clock(35)
    await call_period(client, "2026-03-02T12:00:00", tenant="demo")
    await client.advance_clock(120)
    for _ in range(11):
        await call_operation(client, property_xml("ServiceID", "no-uuid"), tenant="demo")


async def read_quota_case(client: RecordingClient) -> None:
    """One more read than the documented ones allow an hour."""
    for _ in range(251):
        await call_operation(client, operation="DepartmentRead", tenant="demo")


async def envelope_case(client: RecordingClient) -> None:
    """Envelopes, bodies, encodings and credentials that are not as they should be."""
    body = ENVELOPE.format(operation="DepartmentRead", header="", properties="", padding="")
    two = body.replace("</e:Body>", "<other/></e:Body>")
    in_soap_12 = body.replace(
        "schemas.xmlsoap.org/soap/envelope/", "www.w3.org/2003/05/soap-envelope"
    )
    unknown = ENVELOPE.format(
        operation=HISTORY, header="", properties=property_xml("ClientID", "СЛ"), padding=""
    )
    declared = f'<?xml version="1.0" encoding="utf-8"?>{unknown}'
    latin = {"Content-Type": "text/xml; charset=windows-1251"}
    for text, headers in (
        (two, {}),
        (body.replace("schemas.xmlsoap.org/soap", "example.org"), {}),
        (in_soap_12.replace("DepartmentRead", "Nothing"), {}),
        (declared, latin),
    ):
        login = {"Content-Type": "text/xml", **client.basic_auth("free", "free"), **headers}
        await client.post(client.urls["onec"], data=BytesIO(text.encode()), headers=login)
    wrong = client.basic_auth("free", "wrong")
    async with client.http.post(client.urls["onec"], headers=wrong) as answer:
        client.responses.append((answer.status, answer.headers["WWW-Authenticate"]))


async def body_case(client: RecordingClient) -> None:
    """Long ones."""
    for megabytes in (2, 17, 65):
        padding = " " * (megabytes << 20)
        await call_period(client, "2026-03-02T11:00:00", padding=padding)


async def too_many_rows_case(client: RecordingClient) -> None:
    """More calls than are looked at for one answer."""
    await client.set_clock("2026-03-02T23:00:00", "huge")
    await call_period(client, "2026-02-01T00:00:00", tenant="huge")


async def wsdl_case(client: RecordingClient) -> None:
    """The WSDL without credentials."""
    async with client.http.get(client.urls["onec"] + "?wsdl") as answer:
        client.responses.append((answer.status, await answer.read()))


CASES = (
    read_case, parameter_case, day_and_night_case, period_end_case, wsdl_case, quota_case,
    envelope_case, body_case, read_quota_case, too_many_rows_case,
)  # fmt: skip
