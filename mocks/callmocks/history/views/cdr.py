"""The CDR view: legs and sessions, with the columns of ``schemas/cdr/*_fields.csv``."""

import numpy as np
import polars as pl

from callmocks.history import ids, reasons
from callmocks.history.columns import CallKind, DayColumns, IntColumn, LegRole
from callmocks.history.phone_numbers import (
    COUNTRIES,
    find_countries,
    find_regions,
    load_regions,
)
from callmocks.history.views import session_reasons
from callmocks.history.views.lookups import (
    Lookup,
    Lookups,
    add_nulls,
    make_frame,
    show_phones,
    show_times,
)
from callmocks.history.views.talks import Talks, find_leg_records, find_talks
from callmocks.history.walltime import DAY_MS, day_start

_DIRECTION = Lookup(("in", "out"))


def build_legs(key: bytes, day: DayColumns, lookups: Lookups) -> pl.DataFrame:
    """By exact start, then id: the contract's 34 columns without the two lists of records.

    Hidden ones: ``_start``, ``_end``, ``_call_end`` (exact wall ms), ``_session_direction``, and
    ``_record_1`` and ``_record_2``, the record ids that the leg lists (its own talk's; on a
    subscriber's leg those of all talks of the session).
    """
    legs, calls, midnight = day.legs, day.calls, day_start(day.first_day)
    call, kind = legs.call, calls.kind[legs.call]
    subscriber = legs.role == LegRole.SUBSCRIBER
    line = np.where(kind == CallKind.INTERNAL, -1, calls.line[call])
    scenario = _scenarios(day, lookups)[call]
    action = np.where(subscriber | (legs.role == LegRole.INITIATOR), -1, scenario)
    by_attempts = (legs.role == LegRole.OPERATOR) & (kind != CallKind.INTERNAL)
    group = lookups.group_of_operator[np.where(by_attempts, legs.intended_operator, -1)]
    client = show_phones(calls.phone)[call]
    calling, called = _calling_and_called_numbers(day, client, lookups)
    direction = ~((subscriber & (kind == CallKind.INCOMING)) | (legs.role == LegRole.INITIATOR))
    record_1, record_2 = _listed_records(key, day)
    talk = np.where(legs.connect >= 0, legs.end - legs.connect, 0)
    user, leg_ids = calls.user[call], ids.leg_id(day.leg_days, legs.row)
    frame = make_frame(
        {
            "id": leg_ids,
            "call_session_id": ids.session_id(day.call_days, calls.row)[call],
            "start_time": show_times(midnight, legs.start),
            "connect_time": show_times(midnight, legs.connect),
            "duration": talk.astype(np.int64) // 1000,
            "total_duration": (legs.end - legs.start).astype(np.int64) // 1000,
            "finish_reason": lookups.reason.gather(legs.reason),
            "finish_reason_description": lookups.reason_text.gather(legs.reason),
            "virtual_phone_number": lookups.virtual_number.gather(line),
            "calling_phone_number": calling,
            "called_phone_number": called,
            "direction": _DIRECTION.gather(direction.astype(np.int8)),
            "is_transfered": legs.role == LegRole.TRANSFER,
            "is_operator": ~subscriber,
            "employee_id": lookups.employee_id.gather(legs.operator),
            "employee_full_name": lookups.operator_name.gather(legs.operator),
            "employee_phone_number": lookups.operator_phone.gather(legs.operator),
            "employee_rating": add_nulls(legs.rating.astype(np.int64), legs.rating > 0),
            **_id_and_name("scenario", lookups, scenario),
            "is_coach": legs.role == LegRole.COACH,
            "release_cause_code": reasons.CAUSE[legs.reason].astype(np.int64),
            "release_cause_description": lookups.cause_text.gather(reasons.CAUSE[legs.reason]),
            "is_failed": legs.connect < 0,
            "is_talked": legs.talked,
            "contact_id": lookups.contact_id.gather(user),
            "contact_full_name": lookups.user_name.gather(user),
            "contact_phone_number": client,
            **_id_and_name("action", lookups, action),
            **_id_and_name("group", lookups, group),
            "_start": midnight + legs.start.astype(np.int64),
            "_end": midnight + legs.end.astype(np.int64),
            "_call_end": midnight + calls.end[call].astype(np.int64),
            "_session_direction": _DIRECTION.gather((kind != CallKind.INCOMING).astype(np.int8)),
            "_record_1": record_1,
            "_record_2": record_2,
        }
    )
    order = np.lexsort((leg_ids, legs.start)).astype(np.uint32)
    return frame if (order[:-1] < order[1:]).all() else frame[order]


def build_sessions(key: bytes, day: DayColumns, lookups: Lookups) -> pl.DataFrame:
    """By exact start, then id: the scalar columns of ``calls_report_fields.csv``.

    Hidden ones: ``_start``, ``_answered``, ``_call_end`` (exact wall ms), ``_record_1``,
    ``_record_2`` and ``_first_leg_reason``.
    """
    calls, midnight = day.calls, day_start(day.first_day)
    talks = find_talks(day)
    answered = calls.answered >= 0
    waited = np.where(answered, calls.answered, calls.end) - calls.start
    refused_dialling = calls.reason == reasons.INDEX["auto_out_calls_not_allowed_by_status"]
    automatic = np.int8(_SOURCES.index("auto_out_calls"))
    fax_received = calls.reason == reasons.INDEX["fax_session_done"]
    total = (calls.end - calls.start).astype(np.int64)
    line = np.where(calls.kind == CallKind.INTERNAL, -1, calls.line)
    scenario = _scenarios(day, lookups)
    records = find_leg_records(key, day, talks)
    transferred = day.legs.call[day.legs.role == LegRole.TRANSFER]
    frame = make_frame(
        {
            "id": ids.session_id(day.call_days, calls.row),
            "start_time": show_times(midnight, calls.start),
            "finish_time": show_times(midnight, calls.end),
            "finish_reason": _SESSION_REASON.gather(session_reasons.find_session_reasons(day)),
            "direction": _DIRECTION.gather((calls.kind != CallKind.INCOMING).astype(np.int8)),
            **_region_columns(calls.phone),
            "source": _SOURCE.gather(
                np.where(refused_dialling, automatic, _SOURCE_OF_KIND[calls.kind])
            ),
            "is_lost": ~answered & ~fax_received,
            "contact_phone_number": show_phones(calls.phone),
            "communication_id": ids.communication_id(day.call_days, calls.row),
            "communication_type": _COMMUNICATION_TYPE.gather(np.zeros(len(calls.row), np.int8)),
            "wait_duration": waited.astype(np.int64) // 1000,
            "total_wait_duration": (total - calls.talk) // 1000,
            "talk_duration": _conversation_ms(day, talks) // 1000,
            "clean_talk_duration": calls.talk.astype(np.int64) // 1000,
            "total_duration": total // 1000,
            "virtual_phone_number": lookups.virtual_number.gather(line),
            "is_transfer": np.bincount(transferred, minlength=len(calls.row)) > 0,
            **_employee_columns(day, talks, lookups),
            "scenario_name": lookups.scenario_name.gather(scenario),
            "scenario_id": lookups.scenario_id.gather(scenario),
            "contact_id": lookups.contact_id.gather(calls.user),
            "contact_full_name": lookups.user_name.gather(calls.user),
            "_start": midnight + calls.start.astype(np.int64),
            "_answered": add_nulls(midnight + calls.answered.astype(np.int64), answered),
            "_call_end": midnight + calls.end.astype(np.int64),
            "_first_leg_reason": _SESSION_REASON.gather(session_reasons.first_leg_reasons(day)),
            "_record_1": records.ids.gather(records.first[calls.first_leg]),
            "_record_2": records.ids.gather(records.second[calls.first_leg]),
        }
    )
    return frame.with_columns(
        *(pl.lit(None, pl.Int64).alias(name) for name in _NULL_INTEGERS),
        *(pl.lit(None, pl.String).alias(name) for name in _NULL_STRINGS),
    )


# Nothing in the history makes these; the contract allows null.
_NULL_INTEGERS = (
    "communication_number",
    "lost_call_processing_duration",
    "postprocess_duration",
    "call_api_request_id",
)
_NULL_STRINGS = ("call_api_external_id", "ext_id", "full_record_file_link")

_SESSION_REASON = Lookup(session_reasons.NAMES)
_SOURCES = ("va", "sip", "auto_out_calls")
_SOURCE = Lookup(_SOURCES)
_SOURCE_BY_KIND = {
    CallKind.INCOMING: "va",
    CallKind.OUTGOING: "sip",
    CallKind.AUTO: "auto_out_calls",
    CallKind.INTERNAL: "sip",
}
_SOURCE_OF_KIND = np.array(
    [_SOURCES.index(_SOURCE_BY_KIND[kind]) for kind in sorted(_SOURCE_BY_KIND)], np.int8
)
_COMMUNICATION_TYPE = Lookup(("call",))
_REGION_ID = Lookup([region.id for region in load_regions()], pl.Int64)
_REGION_NAME = Lookup([region.name for region in load_regions()])
_COUNTRY_ID = Lookup([code for code, _ in COUNTRIES])
_COUNTRY = Lookup([name for _, name in COUNTRIES])


def _conversation_ms(day: DayColumns, talks: Talks) -> IntColumn:
    """From the first talk to the end of the last, pauses between included; 0 without one."""
    begin, end = (
        np.append(column, 0).astype(np.int64) for column in (day.legs.connect, day.legs.end)
    )
    return end[talks.last] - begin[talks.first]


def _region_columns(numbers: IntColumn) -> dict[str, pl.Series]:
    """Of a range of the numbering plan, or of the area code; 8-800 has no region."""
    region, country = find_regions(numbers), find_countries(numbers)
    return {
        "cpn_region_id": _REGION_ID.gather(region),
        "cpn_region_name": _REGION_NAME.gather(region),
        "cpn_country_name": _COUNTRY.gather(country),
        "cpn_country_id": _COUNTRY_ID.gather(country),
    }


def _employee_columns(day: DayColumns, talks: Talks, lookups: Lookups) -> dict[str, pl.Series]:
    columns: dict[str, pl.Series] = {}
    operators = np.append(day.legs.operator, -1)
    ratings = np.append(day.legs.rating, 0).astype(np.int64)
    for order, leg in (("last", talks.last), ("first", talks.first)):
        operator = operators[leg]
        for verb in ("answered", "talked"):
            columns[f"{order}_{verb}_employee_id"] = lookups.employee_id.gather(operator)
            columns[f"{order}_{verb}_employee_full_name"] = lookups.operator_name.gather(operator)
    rating = ratings[talks.last]
    columns["last_answered_employee_rating"] = add_nulls(rating, rating > 0)
    columns["operator_phone_number"] = lookups.operator_phone.gather(operators[talks.last])
    return columns


def _id_and_name(entry: str, lookups: Lookups, index: IntColumn) -> dict[str, pl.Series]:
    names = (f"{entry}_id", f"{entry}_name")
    return {name: getattr(lookups, name).gather(index) for name in names}


def _scenarios(day: DayColumns, lookups: Lookups) -> IntColumn:
    """The scenario that each call went through; a call that an operator dialled has none."""
    calls = day.calls
    hour = calls.start % DAY_MS // 3_600_000
    first, last = lookups.hours_of_line[calls.line].T
    by_day = (first <= hour) & (hour < last)
    by_hour = np.where(
        by_day, lookups.scenario_of_line[calls.line], lookups.night_scenario_of_line[calls.line]
    )
    has_scenario = (calls.kind == CallKind.INCOMING) | (calls.kind == CallKind.AUTO)
    has_scenario &= calls.reason != reasons.INDEX["scenario_not_found"]
    return np.where(has_scenario, by_hour, -1)


def _calling_and_called_numbers(
    day: DayColumns, client: pl.Series, lookups: Lookups
) -> tuple[pl.Series, pl.Series]:
    """``client`` is the client's number, leg by leg."""
    legs, calls, call = day.legs, day.calls, day.legs.call
    kind, role, own = calls.kind[call], legs.role, legs.operator.astype(np.int64)
    internal, initiator = kind == CallKind.INTERNAL, role == LegRole.INITIATOR
    subscriber = role == LegRole.SUBSCRIBER
    dialled = subscriber & ((kind == CallKind.OUTGOING) | (kind == CallKind.AUTO))
    line, numbers = calls.line[call].astype(np.int64), lookups.own_number
    virtual = np.where(line >= 0, line + lookups.first_line_number, -1)
    dialler = legs.operator[calls.first_leg][call]
    calling = np.where(internal, dialler, np.where(initiator, own, virtual))
    by_client = ~internal & ~initiator & ~dialled
    called = np.where(subscriber | (own < 0), virtual, own)
    called = np.where(internal, calls.called_operator[call], called)
    to_client = ~internal & (initiator | dialled)
    return (
        client.zip_with(pl.Series(by_client), numbers.gather(calling)),
        client.zip_with(pl.Series(to_client), numbers.gather(called)),
    )


def _listed_records(key: bytes, day: DayColumns) -> tuple[pl.Series, pl.Series]:
    records = find_leg_records(key, day, find_talks(day))
    subscriber = (day.legs.role == LegRole.SUBSCRIBER) & (day.legs.connect >= 0)
    first = np.where(subscriber, records.first, records.own)
    second = np.where(subscriber, records.second, -1)
    return records.ids.gather(first), records.ids.gather(second)
