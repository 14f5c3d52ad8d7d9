"""The list page: the calls themselves with charts, and the same calls as each provider has them."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from callmocks.control.dashboard import charts
from callmocks.control.dashboard.template_filters import format_duration
from callmocks.control.dashboard.texts import Texts, find_texts, mark_text
from callmocks.control.dashboard.window import (
    SPANS,
    DayWindow,
    build_link,
    read_paging,
    read_window,
)
from callmocks.control.problems import ProblemError
from callmocks.control.routing import RequestContext
from callmocks.history.history import History
from callmocks.history.views.lists import LISTS, ListColumn, directory_names
from callmocks.history.views.session_reasons import NAMES
from callmocks.history.walltime import END_OF_HISTORY
from callmocks.tenants.worker import yield_turn

_CALL_VALUES = {
    "direction": {
        "in": mark_text("incoming"),
        "out": mark_text("outgoing"),
        "auto": mark_text("automatic"),
        "internal": mark_text("internal"),
    },
    "client": {
        "?unknown": mark_text("unknown"),
        "?anonymous": mark_text("anonymous"),
        "?internal": mark_text("internal"),
    },
    "onec": {"yes": mark_text("yes")},
}
"""By column of the calls' list: words for its values."""


class CallFilter(NamedTuple):
    reason: str
    phone: str
    """Digits somewhere in the client's number."""
    operator: str


class ListPage(NamedTuple):
    tab: str
    title: str
    description: str
    columns: tuple[ListColumn, ...]
    filters: tuple[str, ...]
    """``operator``, ``reason``, ``phone``."""
    read: Callable[[History, DayWindow, CallFilter], pl.DataFrame]
    """Rows by start, with ``_session`` or what ``complete`` needs for it, and ``_ended``."""
    complete: Callable[[History, pl.DataFrame], pl.DataFrame] = lambda _, rows: rows
    """Adds to the rows of a page what would cost too much for all."""
    operation: str = ""
    """Of the provider; none for the calls themselves."""


async def show_list(context: RequestContext) -> dict[str, Any]:
    page, window = LIST_PAGES[context.path_part("list")], read_window(context, context.tenant)
    call_filter = read_filter(context, page)
    history = context.tenant.history
    texts = find_texts(context)
    if history.has_long_days:
        for day in range(window.first, window.last + 1):
            history.generated.get_day(day)
            await yield_turn()
    frame = page.read(history, window, call_filter).reverse()
    await yield_turn()
    paging = read_paging(context, len(frame))
    rows = page.complete(history, frame.slice(paging.first, paging.last - paging.first))
    await yield_turn()
    return {
        "tenant": context.tenant,
        "page": page,
        "pages": LIST_PAGES,
        "window": window,
        "spans": SPANS,
        "call_filter": call_filter,
        "operators": history.directory.operators,
        "today": context.tenant.clock.now().date(),
        "reasons": NAMES,
        "link": partial(build_link, context, page=None),
        "paging": paging,
        "rows": _format_rows(rows, page.columns, _value_names(history, page, texts)),
        "charts": None if page.operation else _draw_charts(history, window, texts),
    }


def read_filter(context: RequestContext, page: ListPage) -> CallFilter:
    query = {name: context.request.query.get(name, "").strip() for name in page.filters}
    reason, phone = query.get("reason", ""), query.get("phone", "")
    if reason and reason not in NAMES:
        raise ProblemError(422, f"{reason!r} is not a finish reason", where="reason")
    digits = "".join(filter(str.isdigit, phone))
    if phone and not digits:
        raise ProblemError(422, f"{phone!r} has no digit of a phone number", where="phone")
    operator = ""
    if "operator" in query:
        numbers = [each.number for each in context.tenant.history.directory.operators]
        operator = query["operator"] or numbers[0]
        if operator not in numbers:
            raise ProblemError(404, f"no operator {operator!r}", where="operator")
    return CallFilter(reason, digits, operator)


def _format_rows(
    frame: pl.DataFrame, columns: tuple[ListColumn, ...], names: dict[str, Mapping[str, str]]
) -> list[dict[str, Any]]:
    """``cells`` are text and title of each column."""
    reason = next((each.name for each in columns if each.kind == "reason"), "")
    return [
        {
            "session": row["_session"],
            "day": str(row[columns[0].name] or "")[:10],
            "cells": [_format_cell(each, row[each.name], names.get(each.name)) for each in columns],
            "ended": row["_ended"],
            "reason": row[reason] if reason and row["_ended"] else "",
            "running": reason and not row["_ended"],
        }
        for row in frame.to_dicts()
    ]


def _format_cell(
    column: ListColumn, value: Any, names: Mapping[str, str] | None
) -> tuple[str, str]:
    if column.kind == "duration":
        return format_duration(value), ""
    text = "" if value is None else str(value)
    if column.kind == "time":
        return text[11:19], ""
    shown = (names or {}).get(text, text)
    return shown, "" if shown == text or text.startswith("?") else text


def _value_names(history: History, page: ListPage, texts: Texts) -> dict[str, Mapping[str, str]]:
    """By column: what is shown for its values."""
    if page.operation:
        return directory_names(history.directory)
    return {
        column: {value: texts.gettext(text) for value, text in names.items()}
        for column, names in _CALL_VALUES.items()
    }


def _draw_charts(history: History, window: DayWindow, texts: Texts) -> dict[str, Any]:
    sessions = charts.ended_sessions(history, window)
    return {
        "over_time": charts.calls_over_time(sessions, window, texts),
        "by_reason": charts.calls_by_reason(sessions, texts),
        "ended": len(sessions),
        "under_way": _begun_sessions(history, window).filter(~pl.col("_ended")).height,
    }


def _begun_sessions(history: History, window: DayWindow) -> pl.DataFrame:
    """Sessions of the window that have begun, also those under way."""
    found = history.sessions_between(window.from_ms, window.till_ms - 1000, END_OF_HISTORY)
    found = found.filter(pl.col("_start") <= window.now_ms)
    ended = pl.col("_call_end") <= window.now_ms
    return found.with_columns(pl.col("id").alias("_session"), ended.alias("_ended"))


def _read_calls(history: History, window: DayWindow, call_filter: CallFilter) -> pl.DataFrame:
    found = _filter_reason(_begun_sessions(history, window), call_filter)
    phone = pl.col("contact_phone_number")
    if call_filter.phone:
        found = found.filter(phone.str.contains(call_filter.phone, literal=True))
    unnamed = (
        pl.when(phone.is_not_null())
        .then(pl.lit("?unknown"))
        .when(pl.col("virtual_phone_number").is_not_null())
        .then(pl.lit("?anonymous"))
        .otherwise(pl.lit("?internal"))
    )
    talk = pl.col("talk_duration")
    return found.with_columns(
        pl.coalesce("contact_full_name", unnamed).alias("client"),
        pl.when(talk > 0).then(talk).alias("talk_duration"),
    )


def _add_onec(history: History, rows: pl.DataFrame) -> pl.DataFrame:
    if rows.is_empty():
        return rows
    first, last = int(rows["_start"].min()), int(rows["_start"].max())  # type: ignore[arg-type]
    onec = history.service_calls_between(first, last + 1, END_OF_HISTORY)
    in_onec = pl.col("id").is_in(onec["_session_id"].implode())
    return rows.with_columns(pl.when(in_onec).then(pl.lit("yes")).alias("onec"))


def _read_arm(history: History, window: DayWindow, call_filter: CallFilter) -> pl.DataFrame:
    bounds = window.from_ms, window.till_ms, END_OF_HISTORY
    rows = LISTS["arm"].read(history, call_filter.operator, *bounds)
    if rows.is_empty():
        return rows
    ended = (pl.col("_release") <= window.now_ms).alias("_ended")
    return rows.filter(pl.col("_start") <= window.now_ms).with_columns(ended)


def _add_session(history: History, rows: pl.DataFrame) -> pl.DataFrame:
    if rows.is_empty():
        return rows
    first, last = int(rows["_start"].min()), int(rows["_start"].max())  # type: ignore[arg-type]
    legs = history.legs_between(first, last, END_OF_HISTORY)
    ids = legs.select(pl.col("id").alias("_leg_id"), pl.col("call_session_id").alias("_session"))
    return rows.join(ids, on="_leg_id", how="left", maintain_order="left")


def _read_ended(
    name: str, session: str, history: History, window: DayWindow, call_filter: CallFilter
) -> pl.DataFrame:
    rows = LISTS[name].read(history, "", window.from_ms, window.till_ms, window.now_ms)
    rows = rows.with_columns(pl.col(session).alias("_session"), pl.lit(True).alias("_ended"))
    return _filter_reason(rows, call_filter)


def _filter_reason(rows: pl.DataFrame, call_filter: CallFilter) -> pl.DataFrame:
    if not call_filter.reason:
        return rows
    same = pl.col("finish_reason").cast(pl.String) == call_filter.reason
    return rows.filter(pl.col("_ended") & same)


def _columns(name: str) -> tuple[ListColumn, ...]:
    return tuple(column for column in LISTS[name].columns if column.room != "terminal")


LIST_PAGES = {
    "calls": ListPage(
        mark_text("Calls"),
        mark_text("Calls"),
        "",
        (
            ListColumn("start_time", "time", label=mark_text("Began")),
            ListColumn("direction", room="minor", label=mark_text("Direction")),
            ListColumn("client", label=mark_text("Client")),
            ListColumn("contact_phone_number", "id", "minor", label=mark_text("Number")),
            ListColumn("virtual_phone_number", "id", "spare", label=mark_text("Line")),
            ListColumn(
                "last_answered_employee_full_name",
                room="minor",
                at_end=True,
                label=mark_text("Operator"),
            ),
            ListColumn("talk_duration", "duration", at_end=True, label=mark_text("Talk")),
            ListColumn(
                "total_duration", "duration", "spare", at_end=True, label=mark_text("Total")
            ),
            ListColumn("finish_reason", "reason", at_end=True, label=mark_text("Finish reason")),
            ListColumn("onec", room="minor", label=mark_text("In 1C")),
        ),
        ("reason", "phone"),
        _read_calls,
        _add_onec,
    ),
    "arm": ListPage(
        "ARM",
        mark_text("ARM history"),
        mark_text(
            "what this operator's workplace shows. Calls under way come with skip_incomplete=false "
            "only."
        ),
        _columns("arm"),
        ("operator",),
        _read_arm,
        _add_session,
        operation="operator_call_history",
    ),
    "cdr": ListPage(
        mark_text("CDR sessions"),
        mark_text("CDR sessions"),
        mark_text("calls that have ended."),
        _columns("cdr-sessions"),
        ("reason",),
        partial(_read_ended, "cdr-sessions", "id"),
        operation="get.calls_report",
    ),
    "cdr/legs": ListPage(
        mark_text("CDR legs"),
        mark_text("CDR legs"),
        mark_text("the legs of calls that have ended."),
        _columns("cdr-legs"),
        ("reason",),
        partial(_read_ended, "cdr-legs", "call_session_id"),
        operation="get.call_legs_report",
    ),
    "onec": ListPage(
        mark_text("1C"),
        mark_text("1C service calls"),
        mark_text("calls that have ended. Names stand for the ids that the service sends."),
        _columns("onec"),
        (),
        partial(_read_ended, "onec", "_session_id"),
        operation="GetHistoryOfServiceCalls",
    ),
}
"""By the path below the tenant's."""
