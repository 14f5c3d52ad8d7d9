"""``get.calls_report``: sessions, whose lists of people and operations come from their legs."""

import polars as pl

from callmocks.cdr import late_calls, ongoing_calls, rows, self_check, tables, window_cache
from callmocks.cdr.legs_report import COLUMN_TYPES_BYTES, EMPTY, prepare_report
from callmocks.cdr.openrpc import Params
from callmocks.cdr.query import ReportQuery
from callmocks.cdr.rows import JsonChunks, MethodData
from callmocks.cdr.selection import select_page
from callmocks.cdr.tables import Field
from callmocks.cdr.window_cache import Span
from callmocks.history.history import History, require_row_budget
from callmocks.history.walltime import DAY_MS, END_OF_HISTORY
from callmocks.tenants.exchange import Exchange
from callmocks.tenants.worker import run_computation

METHOD = "get.calls_report"

# Columns the history does not have: of no visitor, and ids of an array's elements.
_DTYPES: dict[str, pl.DataType] = {
    "number": pl.Int64(),
    "string": pl.String(),
    "enum": pl.String(),
    "boolean": pl.Boolean(),
    "iso8601": pl.Datetime("ms"),
    "array": pl.List(pl.Int64),
}

# Array fields that list what the legs show: the id's column.
_FROM_LEGS = {"employees": "employee_id", "scenario_operations": "action_id"}


def _element_members(name: str) -> dict[str, pl.Expr]:
    """What else each element of an array field shows."""
    if name == "scenario_operations":
        return {"name": pl.col("action_name").first()}
    return {
        "employee_full_name": pl.col("employee_full_name").first(),
        "is_answered": pl.col("connect_time").is_not_null().any(),
        "is_talked": pl.col("is_talked").any(),
    }


async def get_calls_report(exchange: Exchange, params: Params) -> MethodData:
    query, span, is_long = await prepare_report(
        exchange, METHOD, params, get_column_types, address="id"
    )
    return await run_computation(_report(query, span, params), is_long)


async def _report(query: ReportQuery, span: Span, params: Params) -> MethodData:
    exchange, (start, end, now) = query.exchange, span
    if start > end:
        return EMPTY
    shown_at = now
    if params.get("include_ongoing_calls"):
        end, shown_at = min(end, now), END_OF_HISTORY
    frame = await _read_sessions(query, start, end, shown_at)
    frame = late_calls.hide_records(exchange, "sessions", _apply_choices(query, frame), now)
    if shown_at > now:
        frame = late_calls.delay_ends(exchange, frame.filter(pl.col("_start") <= now), now)
        frame = ongoing_calls.show_until(exchange, frame, now)
    history, names = exchange.tenant.history, query.filter.fields.union(n for n, _ in query.sort)
    total, page = select_page(query, _add_columns(history, frame, names, now))
    return MethodData(_render(query, page, now), total, len(page))


async def _read_sessions(query: ReportQuery, start: int, end: int, now: int) -> pl.DataFrame:
    exchange, history = query.exchange, query.exchange.tenant.history
    sessions = query.filter.must_equal.get("id")
    if sessions is None:
        require_row_budget(query.call_count)
        days = history.days_in_window(start, end + 1000, now)
        await window_cache.generate_days(exchange, "sessions", days)
        self_check.check_slices(exchange, METHOD, history.slice_sessions(start, end, now))
        return history.sessions_between(start, end, now)
    frame = history.generated.empty_frame("sessions")
    if len(sessions) == 1:  # the id is an address
        frame = history.find_session(next(iter(sessions)), now)
        frame = frame.filter(pl.col("_start").is_between(start, end + 999))
    self_check.check_frame(exchange, METHOD, frame)
    return frame


def _apply_choices(query: ReportQuery, frame: pl.DataFrame) -> pl.DataFrame:
    used = {*query.fields, *query.filter.fields, *(name for name, _ in query.sort)}
    choose, changed = query.exchange.use_assumption, {}
    if "finish_reason" in used and choose("cdr.session-reasons") == "first-leg":
        changed["finish_reason"] = pl.col("_first_leg_reason")
    internal = pl.col("virtual_phone_number").is_null()  # other calls have a line
    if "is_lost" in used and choose("cdr.lost-internal-calls") == "never":
        changed["is_lost"] = pl.col("is_lost") & ~internal
    if "source" in used and choose("cdr.internal-source") == "va":
        source = pl.when(internal).then(pl.lit("va")).otherwise("source")
        changed["source"] = source.cast(frame.schema["source"])
    return frame.with_columns(**changed) if changed else frame


def get_column_types(history: History) -> dict[str, pl.DataType]:
    def build_types() -> dict[str, pl.DataType]:
        known = history.generated.empty_frame("sessions").schema
        fields = tables.load_fields(METHOD).fields
        return {name: known.get(name, _dtype(field)) for name, field in fields.items()}

    return history.generated.get_or_create(
        "cdr-session-columns", history.last_day, build_types, lambda _: COLUMN_TYPES_BYTES
    )


def _add_columns(history: History, frame: pl.DataFrame, names: set[str], now: int) -> pl.DataFrame:
    fields = tables.load_fields(METHOD).fields
    for name in names.difference(frame.columns):
        if name in _FROM_LEGS:
            lists = _list_from_legs(history, frame, name, now, ids_only=True)
            frame = frame.join(lists, on="id", how="left", maintain_order="left")
            frame = frame.with_columns(pl.col(name).fill_null([]))
        else:
            frame = frame.with_columns(_make_empty_column(fields[name]))
    return frame


def _make_empty_column(field: Field) -> pl.Expr:
    value: list[int] | None = [] if field.type == "array" else None
    return pl.lit(value, dtype=_dtype(field)).alias(field.name)


def _dtype(field: Field) -> pl.DataType:
    if "" in tables.load_elements(METHOD).get(field.name, ()):
        return pl.List(pl.String)
    return _DTYPES[field.type]


def _list_from_legs(
    history: History, frame: pl.DataFrame, name: str, now: int, *, ids_only: bool = False
) -> pl.DataFrame:
    """An array field of each session (by ``id``), elements in the order of their first legs."""
    identity, others = _FROM_LEGS[name], _element_members(name)
    key = identity if name == "employees" else "id"
    legs = _get_session_legs(history, frame, now).filter(pl.col(identity).is_not_null())
    elements = legs.group_by("call_session_id", identity, maintain_order=True).agg(**others)
    element = pl.col(identity)
    if not ids_only:
        element = pl.struct(element.alias(key), *map(pl.col, others))
    lists = elements.group_by("call_session_id").agg(element.alias(name))
    return lists.rename({"call_session_id": "id"})


def _get_session_legs(history: History, frame: pl.DataFrame, now: int) -> pl.DataFrame:
    """The legs that have begun of the sessions in a frame."""
    if not len(frame):
        return history.generated.empty_frame("legs")
    starts = frame["_start"]
    first, last = int(starts.min() or 0), int(starts.max() or 0)  # type: ignore[arg-type]
    until = (last // DAY_MS + 1) * DAY_MS - 1  # generated legs start on the day of their call
    if history.pins:
        until = max(until, int(frame["_call_end"].max() or 0))  # type: ignore[arg-type]
    legs = history.legs_between(first, until, END_OF_HISTORY)
    legs = legs.join(frame.select("id"), left_on="call_session_id", right_on="id", how="semi")
    return ongoing_calls.show_legs_until(legs, now)


def _render(query: ReportQuery, page: pl.DataFrame, now: int) -> JsonChunks:
    page = page.drop(_FROM_LEGS.keys() & set(page.columns))
    for name in _FROM_LEGS.keys() & set(query.fields):
        lists = _list_from_legs(query.exchange.tenant.history, page, name, now)
        page = page.join(lists, on="id", how="left", maintain_order="left")
    known = set(page.columns)
    columns = [_make_column(query.exchange, known, name) for name in query.fields]
    return rows.render_rows(page, columns)


def _make_column(exchange: Exchange, known: set[str], name: str) -> pl.Expr:
    if name in rows.RECORDS:
        own = name != "wav_call_records"
        choice = rows.OWN_WAV_IDS if own else exchange.use_assumption("cdr.wav-records")
        return rows.list_records(name, choice)
    if name == "full_record_file_link":
        address = (pl.lit(f"{exchange.requester.origin}/"), pl.col("communication_id"), pl.lit("/"))
        return pl.concat_str(*address, "_record_1").alias(name)
    if name in _FROM_LEGS:
        return pl.col(name).fill_null([])
    if name in known:
        return pl.col(name)
    return _make_empty_column(tables.load_fields(METHOD).fields[name])
