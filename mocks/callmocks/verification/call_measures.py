"""What the legs of calls show, measured alike on recorded and on generated ones."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from callmocks.errors import SettingsError
from callmocks.history.walltime import DAY_MS, day_of
from callmocks.verification.recorded_calls import LegRow

SECOND_MS = 1000
_DAY_SECONDS = DAY_MS // SECOND_MS
_HUNG_UP, _BY_OPERATOR = "subscriber_disconnects", "operator_disconnects"
_QUEUED, _FAX = "call_enqueued", "fax_session_done"
_PARALLEL = ("another_operator_answer", "operator_answer")
RANG_OUT = ("operator_not_responsible", "timeout")
# A call of the same number so soon after a lost one repeats it.
_REPEAT_SECONDS = 1800
COLUMNS: dict[str, type[pl.DataType]] = {
    "id": pl.Int64,
    "call_session_id": pl.Int64,
    "start": pl.Int64,  # seconds of wall time
    "connect": pl.Int64,
    "duration": pl.Int64,
    "total_duration": pl.Int64,
    "finish_reason": pl.String,
    "direction": pl.String,
    "is_operator": pl.Boolean,
    "is_transfered": pl.Boolean,
    "is_coach": pl.Boolean,
    "virtual_phone_number": pl.String,
    "phone": pl.String,  # of the client
    "employee_id": pl.Int64,
    "employee_rating": pl.Int64,
    "contact_id": pl.Int64,
    "scenario_id": pl.Int64,
    "group_id": pl.Int64,
    "is_recorded": pl.Boolean,
}


@dataclass(frozen=True, slots=True)
class CallMeasures:
    """``shares`` are part and whole; ``lengths`` in whole seconds; ``weights`` counts by name."""

    sessions: int
    starts: NDArray[np.int64]  # seconds of the day
    days: NDArray[np.int64]  # of each session, since the first day of a history
    lengths: Mapping[str, NDArray[np.int64]]
    shares: Mapping[str, tuple[int, int]]
    weights: Mapping[str, Mapping[str, int]]
    reasons: Mapping[str, int]  # of all legs
    distinct: Mapping[str, int]


def frame_recorded_legs(legs: Mapping[int, LegRow]) -> pl.DataFrame:
    """``SettingsError`` when a text is no time."""
    rows = legs.values()
    columns = {
        name: [getattr(leg, name) for leg in rows]
        for name in COLUMNS
        if name in LegRow.__struct_fields__
    }
    columns["phone"] = [leg.contact_phone_number or _find_own_phone(leg) for leg in rows]
    columns["is_recorded"] = [bool(leg.call_records) for leg in rows]
    times = {
        "start": pl.Series([leg.start_time for leg in rows], dtype=pl.String),
        "connect": pl.Series([leg.connect_time for leg in rows], dtype=pl.String),
    }
    seconds = {
        name: text.str.slice(0, 19).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False).dt.epoch("s")
        for name, text in times.items()
    }
    for name, text in times.items():
        for index in (seconds[name].is_null() & text.is_not_null()).arg_true()[:1]:
            raise SettingsError(
                f"leg {columns['id'][index]}: {name}_time: {text[index]!r} is no time"
            )
    return pl.DataFrame({**columns, **seconds}, schema=COLUMNS)


def _find_own_phone(leg: LegRow) -> str | None:
    """Of the party outside, on the legs that name it."""
    incoming = not leg.is_operator and leg.direction == "in"
    return leg.calling_phone_number if incoming else leg.called_phone_number


def frame_generated_legs(legs: pl.DataFrame) -> pl.DataFrame:
    """Of a view ``cdr-legs``."""
    return legs.with_columns(
        pl.col("start_time").dt.epoch("s").alias("start"),
        pl.col("connect_time").dt.epoch("s").alias("connect"),
        pl.col("contact_phone_number").alias("phone"),
        pl.col("_record_1").is_not_null().alias("is_recorded"),
    ).select(pl.col(name).cast(dtype) for name, dtype in COLUMNS.items())


def measure_calls(legs: pl.DataFrame, histories: int = 1) -> CallMeasures:
    """Sessions whose first leg is missing are left out; ``distinct`` is the mean of histories."""
    legs = _add_roles(legs)
    calls = _collect_calls(legs)
    legs = legs.join(
        calls.select("call_session_id", "kind", "by_attempts", pl.col("start").alias("begin")),
        on="call_session_id",
    )
    starts = calls["start"].to_numpy()
    reasons = legs["finish_reason"].value_counts()
    return CallMeasures(
        sessions=calls.height,
        starts=starts % _DAY_SECONDS,
        days=starts // _DAY_SECONDS + day_of(0),
        lengths=_measure_lengths(legs, calls),
        shares=_count_shares(legs, calls),
        weights=_count_weights(legs, calls),
        reasons=dict(reasons.iter_rows()),
        distinct={
            name: round(legs[column].drop_nulls().n_unique() / histories)
            for name, column in (
                ("operators", "employee_id"),
                ("contacts", "contact_id"),
                ("lines", "virtual_phone_number"),
                ("groups", "group_id"),
                ("scenarios", "scenario_id"),
            )
        },
    )


def _add_roles(legs: pl.DataFrame) -> pl.DataFrame:
    """``is_try``: a telephone that the exchange called for an incoming or automatic call."""
    legs = legs.sort("call_session_id", "id")
    session = "call_session_id"
    first = pl.col("id") == pl.col("id").first().over(session)
    whole = pl.col("start").first().over(session) == pl.col("start").min().over(session)
    legs = legs.with_columns(first.alias("is_first")).filter(whole)
    own = pl.col("is_operator") & ~pl.col("is_coach")
    answered = pl.col("connect").is_not_null()
    tried = own & ~pl.col("is_first") & ~pl.col("is_transfered")
    parallel = pl.col("finish_reason").is_in(_PARALLEL)
    queued = pl.col("finish_reason") == _QUEUED
    return legs.with_columns(
        (own & answered).alias("is_answer"),
        (own & ~pl.col("is_first")).alias("is_try"),
        (tried & answered).alias("is_taken"),
        (tried & ~answered & ~parallel & ~queued).alias("is_attempt"),
    )


def _collect_calls(legs: pl.DataFrame) -> pl.DataFrame:
    reason, attempt = pl.col("finish_reason"), pl.col("is_attempt")
    calls = legs.group_by("call_session_id", maintain_order=True).agg(
        pl.col("start").first(),
        (pl.col("start") + pl.col("total_duration")).max().alias("end"),
        pl.when(pl.col("is_operator").first())
        .then(
            pl.when(pl.col("virtual_phone_number").first().is_null())
            .then(pl.lit("internal"))
            .otherwise(pl.lit("outgoing"))
        )
        .when(pl.col("direction").first() == "in")
        .then(pl.lit("incoming"))
        .otherwise(pl.lit("auto_outgoing"))
        .alias("kind"),
        reason.first().alias("reason"),
        pl.col("phone").first(),
        pl.col("contact_id").drop_nulls().first(),
        pl.col("connect").filter(pl.col("is_answer")).min().alias("answered"),
        pl.col("start").filter(pl.col("is_try")).min().alias("tried"),
        attempt.sum().alias("attempts"),
        (attempt & (reason == _HUNG_UP)).any().alias("gave_up"),
        (reason == "scenario_disconnects").any().alias("faxed"),
        pl.col("is_transfered").any().alias("transfer"),
        pl.col("is_coach").any().alias("coach"),
        pl.col("is_recorded").any(),
        (pl.col("employee_rating").fill_null(0) > 0).any().alias("is_rated"),
    )
    return calls.with_columns(
        pl.col("kind").is_in(("incoming", "auto_outgoing")).alias("by_attempts"),
        pl.when(pl.col("kind") != "internal").then(pl.col("phone")).alias("phone"),
    ).sort("start")


def _measure_lengths(legs: pl.DataFrame, calls: pl.DataFrame) -> dict[str, NDArray[np.int64]]:
    taken = pl.col("is_taken") & pl.col("by_attempts")
    dials = pl.col("is_first") & pl.col("is_answer") & (pl.col("kind") == "outgoing")
    rang_out = pl.col("finish_reason").is_in(RANG_OUT)
    attempt = pl.col("is_attempt") & pl.col("by_attempts") & rang_out
    remote = ~pl.col("is_operator") & ~pl.col("is_first")
    unreached = remote & (pl.col("finish_reason") == "subscriber_not_responsible")
    found = {
        "talk_ms": legs.filter(taken | dials)["duration"],
        "answer_ms": legs.filter(taken).select(pl.col("connect") - pl.col("start"))["connect"],
        "attempt": legs.filter(attempt)["total_duration"],
        "no_answer_ms": legs.filter(unreached)["total_duration"],
        "queue_ms": legs.filter(pl.col("finish_reason") == _QUEUED)["total_duration"],
        "menu_ms": calls.filter(pl.col("kind") == "incoming").select(
            pl.col("tried").drop_nulls() - pl.col("start").filter(pl.col("tried").is_not_null())
        )["tried"],
        "wait": calls.select(pl.col("answered").fill_null(pl.col("end")) - pl.col("start"))[
            "answered"
        ],
        "total": calls.select(pl.col("end") - pl.col("start"))["end"],
        "leg": legs["total_duration"],
        "talk": legs["duration"],
        "presence": _find_presence(legs),
    }
    return {name: np.sort(values.to_numpy()) for name, values in found.items()}


def _find_presence(legs: pl.DataFrame) -> pl.Series:
    """From an operator's first talk of a day to the end of his last."""
    talks = legs.filter(pl.col("is_answer") & pl.col("employee_id").is_not_null())
    by_day = talks.group_by("employee_id", pl.col("start") // _DAY_SECONDS)
    end = pl.col("connect") + pl.col("duration")
    return by_day.agg((end.max() - pl.col("connect").min()).alias("presence"))["presence"]


def _count_shares(legs: pl.DataFrame, calls: pl.DataFrame) -> dict[str, tuple[int, int]]:
    kind, answered = pl.col("kind"), pl.col("answered").is_not_null()
    incoming, external = kind == "incoming", kind != "internal"
    known = pl.col("contact_id").is_not_null()
    lost = incoming & ~answered & (pl.col("reason") != _FAX)
    taken = pl.col("by_attempts") & answered
    everything = pl.lit(True)
    of_calls = {
        "internal": (everything, kind == "internal"),
        "outgoing": (everything, kind == "outgoing"),
        "auto_outgoing": (everything, kind == "auto_outgoing"),
        "anonymous": (incoming, pl.col("phone").is_null()),
        "unknown_caller": (external, pl.col("phone").is_not_null() & ~known),
        "missed": (incoming, lost),
        "transfer": (taken, pl.col("transfer")),
        "coach": (taken, pl.col("coach")),
        "fax": (incoming & ~lost, (pl.col("reason") == _FAX) | pl.col("faxed")),
        "recorded": (answered, pl.col("is_recorded")),
        "rated": (answered, pl.col("is_rated")),
        "unreached_outgoing": (kind == "outgoing", ~answered),
        "unreached_internal": (kind == "internal", ~answered),
        "unreached_auto": (kind == "auto_outgoing", ~answered),
        "gave_up_ringing": (lost & (pl.col("reason") == _HUNG_UP), pl.col("gave_up")),
    }
    found = {name: _count_share(calls, *share) for name, share in of_calls.items()}
    ended = pl.col("is_answer") & pl.col("finish_reason").is_in((_HUNG_UP, _BY_OPERATOR))
    found["ended_by_client"] = _count_share(legs, ended, pl.col("finish_reason") == _HUNG_UP)
    found["repeat"] = _count_repeats(calls, lost)
    return found


def _count_share(rows: pl.DataFrame, whole: pl.Expr, part: pl.Expr) -> tuple[int, int]:
    chosen = rows.filter(whole)
    return chosen.filter(part).height, chosen.height


def _count_repeats(calls: pl.DataFrame, lost: pl.Expr) -> tuple[int, int]:
    named = calls.filter(pl.col("phone").is_not_null())
    later = named.filter(pl.col("kind").is_in(("incoming", "outgoing")))
    later = later.select("phone", pl.col("start").alias("end"), pl.col("start").alias("again"))
    lost_calls = named.filter(lost).with_columns(pl.col("end") + 1).sort("end")
    found = lost_calls.join_asof(
        later.sort("end"),
        on="end",
        by="phone",
        strategy="forward",
        tolerance=_REPEAT_SECONDS,
        check_sortedness=False,
    )
    return found["again"].drop_nulls().len(), found.height


def _count_weights(legs: pl.DataFrame, calls: pl.DataFrame) -> dict[str, dict[str, int]]:
    answered = pl.col("answered").is_not_null()
    kind, reason = pl.col("kind"), pl.col("reason")
    lost = calls.filter((kind == "incoming") & ~answered)
    unreached = calls.filter(kind.is_in(("outgoing", "auto_outgoing")) & ~answered)
    taken = calls.filter(pl.col("by_attempts") & answered)
    attempts = legs.filter(pl.col("is_attempt") & pl.col("by_attempts"))["finish_reason"]
    attempts = attempts.filter(attempts != _HUNG_UP)
    rings = attempts.is_in(RANG_OUT)
    # Whatever else refuses a telephone call at once depends on who has time.
    attempts = attempts.zip_with(rings, pl.Series(["operator_busy"]))
    hung_up = lost.filter(reason == _HUNG_UP)
    own = hung_up["attempts"] - hung_up["gave_up"].cast(pl.UInt32)
    return {
        "attempts": _count_values(attempts),
        "outgoing": _count_values(unreached["reason"]),
        "menu": _count_values(lost["reason"]),
        "attempts_answered": _count_values(taken["attempts"].clip(0, 3)),
        "attempts_missed": _count_values(own.clip(0, 3)),
    }


def _count_values(values: pl.Series) -> dict[str, int]:
    return {str(value): count for value, count in values.value_counts().iter_rows()}
