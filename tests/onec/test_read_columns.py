"""The columns of each read are a tenant's choice: names, order, types, without code."""

from __future__ import annotations

import pytest

from callmocks.contract.assumptions import Assumptions, load_ledger
from callmocks.contract.column_list import MAX_COLUMNS
from callmocks.errors import SettingsError
from callmocks.onec import EMPTY_DATE, Number, Text, TypeDescription
from callmocks.onec.contract import ServedOperation, load_operations
from tests.onec.conftest import CORE, XS, Client, Service, make_call, make_parameter

CLIENTS = "onec.client-read-columns"
SPECIALISTS = "onec.specialist-read-columns"
DECIMAL, STRING = (f"{{{XS}}}{kind}" for kind in ("decimal", "string"))
READS = [each for each in load_operations().values() if each.columns_choice]


def test_names_order_and_types_are_the_tenants(service: Service) -> None:
    client, neighbour = service.client(), service.client()
    client.tenant.assumptions.set_choice(
        SPECIALISTS,
        "Surname string(4), Номер=Login decimal(12 2 Any)?, ID=SpecialistID string(40 Fixed), "
        "Rating=none decimal, Nick=none string(30)?, Left=none dateTime, Gone=Deleted string, "
        "Born=Birthday string, Since=CreatedAt dateTime(Date)",
    )
    table = client.table(make_call("SpecialistRead"))
    assert table.names == [
        "Surname", "Номер", "ID", "Rating", "Nick", "Left", "Gone", "Born", "Since",
    ]  # fmt: skip
    types = [column.type for column in table.columns]
    assert types[:3] == [
        TypeDescription((STRING,), string=Text(4)),
        TypeDescription((DECIMAL, f"{{{CORE}}}Null"), number=Number(12, 2, "Any")),
        TypeDescription((STRING,), string=Text(40, "Fixed")),
    ]
    assert types[-1] == TypeDescription((f"{{{XS}}}dateTime",), date="Date")
    people, today = client.tenant.history.directory.operators, client.tenant.clock.now().date()
    for row, person in zip(table.rows, people, strict=True):
        created = person.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
        assert row == (
            person.last_name[:4], person.employee_id, person.specialist_id, 0, None, EMPTY_DATE,
            str(person.has_left(today)).lower(), f"{person.birthday}T00:00:00", created,
        )  # fmt: skip
    assert client.journal[-1].violations == ()
    assert SPECIALISTS in client.journal[-1].assumptions
    assert neighbour.table(make_call("SpecialistRead")).names[0] == "SpecialistID"


def test_a_read_is_filtered_by_what_its_columns_do_not_show(service: Service) -> None:
    client = service.client()
    everyone = client.read("ClientUserRead")
    client.tenant.assumptions.set_choice("onec.client-user-read-columns", "ID=UserID string?")
    wanted = everyone[7]["ClientID"]
    found = client.read("ClientUserRead", ClientID=wanted)
    ids = [row["ClientUserID"] for row in everyone if row["ClientID"] == wanted]
    assert [row["ID"] for row in found] == ids
    assert client.read("ClientUserRead", ChangedFrom="2027-01-01T00:00:00") == []


def test_an_answer_with_no_row_has_the_chosen_columns(service: Service) -> None:
    client = service.client(assumptions={CLIENTS: "A=none boolean, Name string(50)"})
    later = make_parameter("ChangedFrom", "2027-01-01T00:00:00")
    table = client.table(make_call("ClientRead", later))
    assert (table.names, table.rows) == (["A", "Name"], [])


@pytest.mark.parametrize("operation", READS, ids=[each.name for each in READS])
def test_every_field_of_the_ledger_can_be_shown(client: Client, operation: ServedOperation) -> None:
    entry = load_ledger()[operation.columns_choice]
    kinds = {name: "string" if kind == "uuid" else kind for name, kind in entry.fields.items()}
    listed = ", ".join(f"{name} {kind}?" for name, kind in kinds.items())
    client.tenant.assumptions.set_choice(operation.columns_choice, listed)
    rows = client.read(operation.name)
    assert client.journal[-1].violations == ()
    for name in entry.fields:
        assert any(row[name] is not None for row in rows), name


@pytest.mark.parametrize(
    ("choice", "complaint"),
    [
        ("", "column 1 (''): expected NAME TYPE"),
        ("Name", "column 1 ('Name'): expected NAME TYPE"),
        ("Name string(50),", "column 2 (''): expected NAME TYPE"),
        ("Name string, Na me string", "column 2 ('Na me string'): expected NAME TYPE"),
        ("1st=Name string", "column 1 ('1st=Name string'): expected NAME TYPE"),
        ("<b>=Name string", "column 1 ('<b>=Name string'): expected NAME TYPE"),
        ("Nam string", "no field Nam; there are ClientID, Name,"),
        ("Nam string", "as Nam=FIELD or Nam=none"),
        ("Name=Nam string", "no field Nam; there are ClientID, Name,"),
        ("Name text", "no type text; there are string, decimal, dateTime, boolean"),
        ("Name decimal", "Name can be shown as string, not as decimal"),
        ("Deleted dateTime", "Deleted can be shown as boolean or string, not as dateTime"),
        ("Name string()", "empty brackets"),
        ("Name string(long)", "qualifier 'long' of string is no number up to 9999"),
        ("Name string(50 Exact)", "qualifier 'Exact' of string is none of Variable, Fixed"),
        ("Name string(50 Fixed 1)", "string has at most 2 qualifiers"),
        ("Deleted boolean(1)", "boolean has at most 0 qualifiers"),
        ("ID=ClientID string, ID=INN string", "column 2 ('ID=INN string'): the name ID is there"),
        (", ".join(f"C{n}=Name string" for n in range(MAX_COLUMNS + 1)), "100 are the most"),
    ],
)
def test_a_mistake_is_told_with_its_column(choice: str, complaint: str) -> None:
    assumptions = Assumptions()
    with pytest.raises(SettingsError) as caught:
        assumptions.set_choice(CLIENTS, choice)
    assert str(caught.value).startswith(f"assumption {CLIENTS}: ")
    assert complaint in str(caught.value)
    assert assumptions.changed_choices() == {}
