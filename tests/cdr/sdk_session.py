"""What a user of comagic-data-api-sdk does; runs in that client's own environment.

usage: sdk_session.py URL   (prints a report as JSON)
"""

import json
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from comagic import Comagic  # type: ignore[import-not-found]
from comagic.errors import ComagicException  # type: ignore[import-not-found]

START, END = datetime(2026, 3, 2), datetime(2026, 3, 2, 23, 59, 59)
FIELDS = ["id", "call_session_id", "start_time", "duration", "employee_full_name", "is_operator"]


def connect(url: str, login: str, password: str) -> Any:
    client = Comagic(login, password, token="replaced below")
    client.API_URL = url
    client.access_token = client._create_access_token()
    return client


def error_of(call: Callable[[], Iterable[object]]) -> str | None:
    try:
        list(call())
    except ComagicException as error:
        return str(error.error_data["data"]["mnemonic"])
    return None


def pages(client: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        page = list(client.get_call_legs_report(START, END, limit=250, offset=len(found)))
        if not page:
            return found
        found += page


def main(url: str) -> None:
    client = connect(url, "t", "t")
    account = client.get_account()
    legs = pages(client)
    talked = list(
        client.get_call_legs_report(
            START,
            END,
            fields=FIELDS,
            filter={
                "filters": [
                    {"field": "is_operator", "operator": "=", "value": True},
                    {"field": "duration", "operator": ">", "value": 60},
                ],
                "condition": "and",
            },
            sort=[{"field": "duration", "order": "desc"}, {"field": "start_time"}],
        )
    )
    calls = list(client.get_calls_report(START, END))
    groups = list(client.get_employees_groups())
    numbers = list(client.get_virtual_numbers(sort=[{"field": "name", "order": "asc"}]))
    wrong = Comagic(token="nonsense")
    wrong.API_URL = url
    report = {
        "account": [account.name, account.timezone, account.app_id],
        "legs": [leg.id for leg in legs],
        "times": all(isinstance(leg.start_time, datetime) for leg in legs),
        "connected": sum(isinstance(leg.connect_time, datetime) for leg in legs),
        "names": sorted({leg.employee_full_name for leg in legs if leg.employee_full_name}),
        "talked": [[leg.id, leg.duration] for leg in talked],
        "calls": [[call.id, call.is_lost, call.talk_duration] for call in calls],
        "employees": sum(len(call.employees) for call in calls),
        "staff": [
            [one.id, one.full_name, one.extension["extension_phone_number"], len(one.phone_numbers)]
            for one in client.get_employees()
        ],
        "groups": [[g.id, g.name, len(g.members), len(g.phone_number)] for g in groups],
        "numbers": [[n.virtual_phone_number, n.scenarios[0]["scenario_id"]] for n in numbers],
        "scenarios": [[one.id, one.virtual_phone_numbers] for one in client.get_scenarios()],
        "errors": [
            error_of(lambda: wrong.get_call_legs_report(START, END)),
            error_of(lambda: client.get_call_legs_report(END, START)),
            error_of(lambda: client.get_call_legs_report(START, END, fields=["nope"])),
            error_of(lambda: client.get_customer_users()),
        ],
    }
    partner = connect(url, "p", "p")
    users = list(partner.get_customer_users())
    report["users"] = [[user.id, user.name] for user in users]
    report["for_user"] = len(list(partner.get_call_legs_report(START, END, user_id=users[0].id)))
    print(json.dumps(report))


main(sys.argv[1])
