"""Scenes of the 1C-Connect service."""

from io import BytesIO
from typing import Any

from tests.tenants.assumption_cases import NOW, Stage

NOBODY = "11111111-2222-3333-4444-555555555555"
HISTORY = "GetHistoryOfServiceCalls"
ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{header}<e:Body>'
    '<x:{operation} xmlns:x="http://buhphone.com/PartnerWebAPI2"><x:Params>{properties}'
    "</x:Params></x:{operation}></e:Body></e:Envelope>{padding}"
)


def prop(name: str, value: str | None, kind: str = "") -> str:
    if value is None:
        inner = '<Value xsi:nil="true"/>'
    else:
        kind = kind or ("xs:dateTime" if "T" in value and ":" in value else "xs:string")
        inner = f'<Value xsi:type="{kind}">{value}</Value>'
    return f'<Property xmlns="http://v8.1c.ru/8.1/data/core" name="{name}">{inner}</Property>'


async def call(
    stage: Stage,
    *properties: str,
    tenant: str = "free",
    operation: str = HISTORY,
    header: str = "",
    padding: str = "",
) -> bytes:
    body = ENVELOPE.format(
        operation=operation, header=header, properties="".join(properties), padding=padding
    )
    headers = {"Content-Type": "text/xml", **stage.basic(tenant, tenant)}
    return await stage.post(stage.urls["onec"], data=BytesIO(body.encode()), headers=headers)


async def period(stage: Stage, begin: str | None, end: str | None = None, **more: Any) -> bytes:
    given = [prop("PeriodFrom", begin)] if begin else []
    return await call(stage, *given, *([prop("PeriodTo", end)] if end else []), **more)


async def parameters(stage: Stage) -> None:
    """Parameters of every good and bad kind."""
    begin = prop("PeriodFrom", "2026-03-02T09:00:00")
    await call(stage, begin)
    for wrong in (
        prop("ServiceID", NOBODY),
        prop("ServiceID", "no-uuid"),
        prop("CallResult", "3", "xs:decimal"),
        prop("Colour", "red"),
        prop("callresult", "1", "xs:decimal"),
        prop("PeriodTo", ""),
        prop("PeriodTo", None),
        prop("PeriodTo", "2026-03-02T11:00:00", "xs:string"),
        prop("CallResult", "one", "xs:decimal"),
        prop("PeriodFrom", "2026-03-02T09:00:00"),
    ):
        await call(stage, begin, wrong)
    await call(stage)
    await call(stage, prop("PeriodFrom", "2026-03-02T07:00:00Z"))
    await period(stage, "2026-03-02T10:00:00", "2026-03-02T09:00:00")
    await period(stage, "2026-02-01T00:00:00", "2026-03-01T00:00:00")
    for year in (2016, 2020, 2024, 2026):
        await call(stage, prop("ChangedFrom", f"{year}-01-20T00:00:00"), operation="ClientRead")
    understand = '<e:Header><a xmlns="urn:a" e:mustUnderstand="1"/></e:Header>'
    await call(stage, begin, header=understand)


async def day_and_night(stage: Stage) -> None:
    """What the hour decides, and periods with an end left open."""
    for hour in ("03:00", "07:30", "08:30", "12:00", "18:30", "19:30", "20:30", "21:30", "22:30"):
        await stage.at(f"2026-03-02T{hour}:00")
        begin, end = prop("PeriodFrom", "2026-02-01T00:00:00"), prop("PeriodTo", NOW)
        await call(stage, begin, end, prop("ServiceID", NOBODY))
    begin, end = prop("PeriodFrom", "2026-02-01T00:00:00"), prop("PeriodTo", NOW)
    await call(stage, begin, end, prop("ServiceID", NOBODY), tenant="far")
    await stage.at("2026-03-02T23:00:00")
    await period(stage, None, "2026-02-20T00:00:00")
    await period(stage, "2026-02-10T00:00:00")


async def ends_of_a_period(stage: Stage) -> None:
    """Calls that begin exactly at the ends."""
    for start in ("10:00:00", "10:20:00", "10:40:00"):
        await stage.control("POST", "bare", "/calls", {"start": f"2026-03-02T{start}"})
    await period(stage, "2026-03-02T10:00:00", "2026-03-02T10:40:00", tenant="bare")


async def quotas(stage: Stage) -> None:
    """What counts, and when counting begins anew."""
    await stage.at("2026-03-02T12:30:00", "demo")
    for _ in range(10):
        await period(stage, "2026-03-02T12:00:00", tenant="demo")
    await stage.advance(35)
    await period(stage, "2026-03-02T12:00:00", tenant="demo")
    await stage.advance(120)
    for _ in range(11):
        await call(stage, prop("ServiceID", "no-uuid"), tenant="demo")


async def quota_of_reads(stage: Stage) -> None:
    """One more read than the documented ones allow an hour."""
    for _ in range(251):
        await call(stage, operation="DepartmentRead", tenant="demo")


async def bodies(stage: Stage) -> None:
    """Long ones."""
    for megabytes in (2, 17, 65):
        padding = " " * (megabytes << 20)
        await period(stage, "2026-03-02T11:00:00", padding=padding)


async def too_many(stage: Stage) -> None:
    """More calls than are looked at for one answer."""
    await stage.at("2026-03-02T23:00:00", "huge")
    await period(stage, "2026-02-01T00:00:00", tenant="huge")


async def description(stage: Stage) -> None:
    """The WSDL without credentials."""
    async with stage.http.get(stage.urls["onec"] + "?wsdl") as answer:
        stage.seen.append((answer.status, await answer.read()))


SCENES = (
    parameters, day_and_night, ends_of_a_period, description, quotas, bodies, quota_of_reads,
    too_many,
)  # fmt: skip
