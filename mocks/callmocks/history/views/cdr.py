"""The CDR view: legs and sessions, with the columns of ``schemas/cdr/*_fields.csv``."""

import numpy as np
import polars as pl

from callmocks.history import ids, reasons
from callmocks.history.columns import Column, Day, Kind, Role
from callmocks.history.views.lookups import Lookups, enum_lookup, moments, nullable, phones
from callmocks.history.views.talks import Talks, record_columns, talks
from callmocks.history.walltime import day_start

_DIRECTION = enum_lookup(("in", "out"))


def legs_frame(key: bytes, day: Day, look: Lookups) -> pl.DataFrame:
    """All legs of a day, by exact start, then row.

    Shown columns are the contract's 34 without the two record lists. Hidden ones: ``_start``,
    ``_end``, ``_call_end`` (exact wall ms), ``_session_direction``, and ``_record_1`` and
    ``_record_2``, the record ids the leg lists (its own talk's; on a subscriber's leg those of
    all talks of the session).
    """
    legs, calls, begins = day.legs, day.calls, day_start(day.day)
    call = legs.call
    kind = calls.kind[call]
    subscriber = legs.role == Role.SUBSCRIBER
    line = np.where(kind == Kind.INTERNAL, -1, calls.line[call])
    scenario = _scenario(day, look)
    asked = np.where((legs.role == Role.OPERATOR) & (kind != Kind.INTERNAL), legs.asked, -1)
    action = np.where(subscriber | (legs.role == Role.INITIATOR), -1, scenario)
    group = look.group_of[asked]
    calling, called = _numbers(day, look)
    direction = ~((subscriber & (kind == Kind.INCOMING)) | (legs.role == Role.INITIATOR))
    record_1, record_2 = _listed_records(key, day)
    user = calls.user[call]
    frame = pl.DataFrame(
        {
            "id": ids.leg_id(day.of_legs, legs.row),
            "call_session_id": ids.session_id(day.of_calls, calls.row)[call],
            "start_time": moments(begins, legs.start),
            "connect_time": moments(begins, legs.connect),
            "duration": np.where(legs.connect >= 0, legs.end - legs.connect, 0).astype(np.int64)
            // 1000,
            "total_duration": (legs.end - legs.start).astype(np.int64) // 1000,
            "finish_reason": look.reason.at(legs.reason),
            "finish_reason_description": look.reason_text.at(legs.reason),
            "virtual_phone_number": look.virtual_number.at(line),
            "calling_phone_number": calling,
            "called_phone_number": called,
            "direction": _DIRECTION.at(direction.astype(np.int8)),
            "is_transfered": legs.role == Role.TRANSFER,
            "is_operator": ~subscriber,
            "employee_id": look.employee_id.at(legs.operator),
            "employee_full_name": look.operator_name.at(legs.operator),
            "employee_phone_number": look.operator_phone.at(legs.operator),
            "employee_rating": nullable(legs.rating.astype(np.int64), legs.rating > 0),
            "scenario_id": look.scenario_id.at(scenario),
            "scenario_name": look.scenario_name.at(scenario),
            "is_coach": legs.role == Role.COACH,
            "release_cause_code": reasons.CAUSE[legs.reason].astype(np.int64),
            "release_cause_description": look.cause_text.at(reasons.CAUSE[legs.reason]),
            "is_failed": legs.connect < 0,
            "is_talked": legs.talked,
            "contact_id": look.contact_id.at(user),
            "contact_full_name": look.user_name.at(user),
            "contact_phone_number": phones(calls.phone)[call],
            "action_id": look.action_id.at(action),
            "action_name": look.action_name.at(action),
            "group_id": look.group_id.at(group),
            "group_name": look.group_name.at(group),
            "_start": begins + legs.start.astype(np.int64),
            "_end": begins + legs.end.astype(np.int64),
            "_call_end": begins + calls.end[call].astype(np.int64),
            "_session_direction": _DIRECTION.at((kind != Kind.INCOMING).astype(np.int8)),
            "_record_1": record_1,
            "_record_2": record_2,
        }
    )
    return frame[np.lexsort((legs.row, legs.start)).astype(np.uint32)]


def sessions_frame(key: bytes, day: Day, look: Lookups) -> pl.DataFrame:
    """All sessions of a day, by exact start, then row.

    Shown columns are the scalar ones of ``calls_report_fields.csv``. Hidden: ``_start``,
    ``_call_end`` (exact wall ms), ``_record_1`` and ``_record_2``.
    """
    calls, begins = day.calls, day_start(day.day)
    spoken = talks(day)
    answered = calls.answered >= 0
    waited = np.where(answered, calls.answered, calls.end) - calls.start
    total = (calls.end - calls.start).astype(np.int64)
    line = np.where(calls.kind == Kind.INTERNAL, -1, calls.line)
    scenario = np.where(
        (calls.kind == Kind.INCOMING) | (calls.kind == Kind.AUTO), look.scenario_of[line], -1
    )
    scenario = np.where(calls.reason == reasons.INDEX["scenario_not_found"], -1, scenario)
    _, first_record, second_record = record_columns(key, day, spoken)
    first_leg = calls.first_leg.astype(np.uint32)
    moved = np.bincount(day.legs.call[day.legs.role == Role.TRANSFER], minlength=len(calls.row)) > 0
    nothing = pl.lit(None)
    frame = pl.DataFrame(
        {
            "id": ids.session_id(day.of_calls, calls.row),
            "start_time": moments(begins, calls.start),
            "finish_time": moments(begins, calls.end),
            "finish_reason": look.reason.at(calls.reason),
            "direction": _DIRECTION.at((calls.kind != Kind.INCOMING).astype(np.int8)),
            **_regions(calls.phone),
            "source": _SOURCE.at((calls.kind == Kind.AUTO).astype(np.int8)),
            "is_lost": (calls.kind == Kind.INCOMING) & ~answered,
            "contact_phone_number": phones(calls.phone),
            "communication_id": ids.communication_id(day.of_calls, calls.row),
            "communication_type": _CALL.at(np.zeros(len(calls.row), np.int8)),
            "wait_duration": waited.astype(np.int64) // 1000,
            "total_wait_duration": (total - calls.talk) // 1000,
            "talk_duration": calls.talk.astype(np.int64) // 1000,
            "clean_talk_duration": calls.talk.astype(np.int64) // 1000,
            "total_duration": total // 1000,
            "virtual_phone_number": look.virtual_number.at(line),
            "is_transfer": moved,
            **_spoken_employees(day, spoken, look),
            "scenario_name": look.scenario_name.at(scenario),
            "scenario_id": look.scenario_id.at(scenario),
            "contact_id": look.contact_id.at(calls.user),
            "contact_full_name": look.user_name.at(calls.user),
            "_start": begins + calls.start.astype(np.int64),
            "_call_end": begins + calls.end.astype(np.int64),
            "_record_1": first_record.gather(first_leg),
            "_record_2": second_record.gather(first_leg),
        }
    )
    return frame.with_columns(
        *(nothing.cast(pl.Int64).alias(name) for name in _NEVER_NUMBERS),
        *(nothing.cast(pl.String).alias(name) for name in _NEVER_TEXTS),
    )


_NEVER_NUMBERS = (
    "communication_number",
    "lost_call_processing_duration",
    "postprocess_duration",
    "call_api_request_id",
)
"""Nothing in the history makes these; the contract allows null."""
_NEVER_TEXTS = ("call_api_external_id", "ext_id", "full_record_file_link")

_SOURCE = enum_lookup(("sip", "callapi"))
_CALL = enum_lookup(("call",))
_REGION_NAMES = ("Москва и область", "Санкт-Петербург и область")
_REGION_ID = (1, 2)
_REGION_NAME = enum_lookup(_REGION_NAMES)
_COUNTRY = enum_lookup(("Российская Федерация",))
_COUNTRY_ID = enum_lookup(("RU",))


def _regions(numbers: Column) -> dict[str, pl.Series]:
    """Region and country by the number's code: two cities; a mobile number has no region."""
    code = numbers // 10_000_000
    region = np.where(np.isin(code, (7495, 7498, 7499)), 0, np.where(code == 7812, 1, -1))
    country = np.where(numbers > 0, 0, -1)
    region_ids = np.array([*_REGION_ID, 0])[region]
    return {
        "cpn_region_id": nullable(region_ids.astype(np.int64), region >= 0),
        "cpn_region_name": _REGION_NAME.at(region),
        "cpn_country_name": _COUNTRY.at(country),
        "cpn_country_id": _COUNTRY_ID.at(country),
    }


def _spoken_employees(day: Day, spoken: Talks, look: Lookups) -> dict[str, pl.Series]:
    """First and last operator of each session; who picked up also talked."""
    columns: dict[str, pl.Series] = {}
    operators = np.append(day.legs.operator, -1)
    ratings = np.append(day.legs.rating, 0).astype(np.int64)
    for order, leg in (("last", spoken.last), ("first", spoken.first)):
        who = operators[leg]
        for verb in ("answered", "talked"):
            columns[f"{order}_{verb}_employee_id"] = look.employee_id.at(who)
            columns[f"{order}_{verb}_employee_full_name"] = look.operator_name.at(who)
    rating = ratings[spoken.last]
    columns["last_answered_employee_rating"] = nullable(rating, rating > 0)
    columns["operator_phone_number"] = look.operator_phone.at(operators[spoken.last])
    return columns


def _scenario(day: Day, look: Lookups) -> Column:
    """The scenario a call went through; an unfound scenario and a dialled call have none."""
    calls, call = day.calls, day.legs.call
    through = (calls.kind == Kind.INCOMING) | (calls.kind == Kind.AUTO)
    through &= calls.reason != reasons.INDEX["scenario_not_found"]
    return np.where(through, look.scenario_of[calls.line], -1)[call]


def _numbers(day: Day, look: Lookups) -> tuple[pl.Series, pl.Series]:
    """Calling and called number of each leg."""
    legs, calls, call = day.legs, day.calls, day.legs.call
    kind, role = calls.kind[call], legs.role
    inner, dialled = kind == Kind.INTERNAL, (kind == Kind.OUTGOING) | (kind == Kind.AUTO)
    client = phones(calls.phone)[call]
    virtual = look.virtual_number.at(calls.line[call]).cast(pl.String)
    own = look.operator_phone.at(legs.operator).cast(pl.String)
    dialler = look.operator_phone.at(legs.operator[calls.first_leg][call]).cast(pl.String)
    peer = look.operator_phone.at(calls.peer[call]).cast(pl.String)
    subscriber, initiator = role == Role.SUBSCRIBER, role == Role.INITIATOR
    calling = _choose(client, (inner, dialler), (initiator, own), (subscriber & dialled, virtual))
    called = _choose(
        own.fill_null(virtual),
        (inner, peer),
        (initiator & ~inner, client),
        (subscriber & dialled, client),
        (subscriber & ~dialled, virtual),
    )
    return calling, called


def _choose(otherwise: pl.Series, *rules: tuple[np.ndarray, pl.Series]) -> pl.Series:
    """The first rule's values where it holds, then the next one's, at last the rest."""
    for where, values in reversed(rules):
        otherwise = values.zip_with(pl.Series(where), otherwise)
    return otherwise


def _listed_records(key: bytes, day: Day) -> tuple[pl.Series, pl.Series]:
    own, first, second = record_columns(key, day, talks(day))
    subscriber = pl.Series((day.legs.role == Role.SUBSCRIBER) & (day.legs.connect >= 0))
    nothing = pl.Series([None], dtype=pl.String)
    return first.zip_with(subscriber, own), second.zip_with(subscriber, nothing)
