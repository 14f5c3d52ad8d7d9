"""The history's people and things as rows of the directory methods, with every field of each."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from callmocks.contract.resources import load_table
from callmocks.history.directory import Directory, Line, Operator

Row = dict[str, Any]

_FIRST_NUMBER_ID, _FIRST_RULE_ID = 200_001, 300_001
_PHONES_PER_EMPLOYEE = 10  # documented: so many at most
_MAX_CHANNELS = 199  # documented
# Older than any call and any employee.
_ACTIVATION_DATE = "2012-01-10 09:00:00"
AVAILABLE, NOT_AT_WORK = "available", "not_at_work"
STATUSES = next(
    row["values"].split("|")
    for row in load_table("cdr/enum_values.csv")
    if (row["method"], row["field"]) == ("get.employees", "status")
)


def build_employees(directory: Directory, today: date, statuses: Sequence[str]) -> list[Row]:
    return [
        _build_employee(directory, operator, operator.has_left(today), status)
        for operator, status in zip(directory.operators, statuses, strict=True)
    ]


def _build_employee(directory: Directory, operator: Operator, left: bool, status: str) -> Row:
    available = status == AVAILABLE
    kinds = ["internal", "external"] if available else []
    directions = ["in", "out"] if available else []
    group = directory.groups[operator.group]
    return {
        "id": operator.employee_id,
        "login": operator.email,
        "first_name": operator.first_name or None,
        "last_name": operator.last_name or None,
        "patronymic": operator.patronymic or None,  # documented: an empty scalar is null
        "full_name": operator.full_name,
        "status": status,
        "status_id": STATUSES.index(status) + 1,
        "calls_available": available,
        "allowed_in_call_types": kinds,
        "in_external_allowed_call_directions": directions,
        "in_internal_allowed_call_directions": directions,
        "allowed_out_call_types": kinds,
        "out_external_allowed_call_directions": directions,
        "out_internal_allowed_call_directions": directions,
        "email": operator.email,
        "call_recording": "all",
        "schedule_id": None,
        "schedule_name": None,
        "coach": {},
        "groups": [{"group_id": group.id, "group_name": group.name}],
        "phone_numbers": [
            {
                "phone_id": _phone_id(operator, index),
                "phone_number": number,
                "channels_count": 1,  # documented, as the two below
                "dial_time": 60,
                "status": "inactive" if left else "active",
            }
            for index, number in enumerate((operator.phone, operator.mobile))
        ],
        "extension": {
            "extension_phone_number": operator.number,
            "extension_voice_mail_enabled": False,
            "extension_queue_enabled": False,
        },
        "operator": {},
    }


def build_groups(directory: Directory, today: date, _: Sequence[str]) -> list[Row]:
    rows = []
    employed = [each for each in directory.operators if not each.has_left(today)]
    for index, group in enumerate(directory.groups):
        members = [each for each in employed if each.group == index]
        numbers = [
            {
                "employee_phone_number": each.phone,
                "employee_phone_number_id": _phone_id(each, 0),
                "employee_full_name": each.full_name,
                "employee_id": each.employee_id,
                "available": True,
            }
            for each in members
        ]
        rows.append(
            {
                "id": group.id,
                "name": group.name,
                "members": [
                    {"employee_id": each.employee_id, "employee_full_name": each.full_name}
                    for each in members
                ],
                "phone_numbers": numbers,
                "phone_number": numbers,  # the name in the vendor's older document
                "group_phone_number": None,
                "queue_enabled": False,
                "channels_count": min(max(len(numbers), 1), _MAX_CHANNELS),
            }
        )
    return rows


def build_virtual_numbers(directory: Directory, *_: object) -> list[Row]:
    rows = []
    for index, line in enumerate(directory.lines):
        rows.append(
            {
                "id": _FIRST_NUMBER_ID + index,
                "child_customer_id": None,
                "virtual_phone_number": line.virtual_phone_number,
                "redirection_phone_number": None,
                "activation_date": _ACTIVATION_DATE,
                "status": "active",
                "category": "usual",
                "type": "va",
                "comment": None,
                "name": line.name,
                "campaigns": [],
                "site_blocks": [],
                "scenarios": [
                    {
                        "scenario_id": directory.scenarios[scenario].id,
                        "scenario_name": directory.scenarios[scenario].name,
                        "call_processing_rule_id": _FIRST_RULE_ID + 2 * index + number,
                        "is_active": True,
                    }
                    for number, scenario in enumerate(_line_scenarios(line))
                ],
            }
        )
    return rows


def build_scenarios(directory: Directory, *_: object) -> list[Row]:
    return [
        {
            "id": scenario.id,
            "name": scenario.name,
            "virtual_phone_numbers": [
                line.virtual_phone_number
                for line in directory.lines
                if index in _line_scenarios(line)
            ],
            "sites": [],
            "campaigns": [],
            "operations": [{"id": scenario.action_id, "name": scenario.action_name}],
        }
        for index, scenario in enumerate(directory.scenarios)
    ]


def number_ids(directory: Directory) -> dict[str, int]:
    """Ids of ``get.virtual_numbers`` by number."""
    numbers = (line.virtual_phone_number for line in directory.lines)
    return {number: _FIRST_NUMBER_ID + index for index, number in enumerate(numbers)}


def _line_scenarios(line: Line) -> list[int]:
    """By day and, where it is another one, by night."""
    return list(dict.fromkeys((line.scenario, line.night_scenario)))


def _phone_id(operator: Operator, index: int) -> int:
    return operator.employee_id * _PHONES_PER_EMPLOYEE + index


ROW_BUILDERS: dict[str, Callable[[Directory, date, Sequence[str]], list[Row]]] = {
    "get.employees": build_employees,
    "get.group_employees": build_groups,
    "get.virtual_numbers": build_virtual_numbers,
    "get.scenarios": build_scenarios,
}
