"""What rows of the Data API show of its assumptions."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from callmocks.verification import decide_cdr_directory
from callmocks.verification.cdr_exchange import LEGS_METHOD, SESSIONS_METHOD, Params, RpcExchange
from callmocks.verification.decisions import Sighting, see

MANY_SESSIONS = 5  # so many without two directions are no accident


def _decide_wav_records(exchange: RpcExchange) -> Iterator[Sighting]:
    for row in exchange.rows or []:
        if row.get("call_records") and isinstance(row.get("wav_call_records"), list):
            own = bool(row["wav_call_records"])
            shown = "rows with records: wav_call_records are "
            choice = "own-ids" if own else "empty"
            yield from see("cdr.wav-records", choice, shown + ("there" if own else "empty"))


def _decide_default_order(exchange: RpcExchange) -> Iterator[Sighting]:
    if exchange.method not in (LEGS_METHOD, SESSIONS_METHOD) or exchange.params.get("sort"):
        return
    times = [str(row["start_time"]) for row in exchange.rows or [] if row.get("start_time")]
    if len(set(times)) > 1:
        for choice, ordered in (
            ("ascending", sorted(times)),
            ("descending", sorted(times, reverse=True)),
        ):
            if times == ordered:
                shown = f"{len(times)} rows without sort: start_time is {choice}"
                yield from see("cdr.default-order", choice, shown)


def _decide_sort_nulls(exchange: RpcExchange) -> Iterator[Sighting]:
    sort = exchange.params.get("sort")
    if not isinstance(sort, list) or not sort or not isinstance(sort[0], dict):
        return
    name, descends = sort[0].get("field"), sort[0].get("order") == "desc"
    cells = [row[name] for row in exchange.rows or [] if name in row]
    if exchange.params.get("offset") or None not in (cells[:1] + cells[-1:]):
        return
    if all(cell is None for cell in cells):
        return
    first = cells[0] is None
    natural = "postgresql" if first == descends else None
    choices = {"first" if first else "last", natural} - {None}
    order = "descending" if descends else "ascending"
    shown = f"{order}: nulls come {'first' if first else 'last'}"
    yield from see("cdr.sort-nulls", [str(choice) for choice in choices], shown)


def _index_rows(exchanges: Sequence[RpcExchange]) -> dict[Any, dict[str, Any]]:
    """Legs by id, with all that any answer told of them."""
    known: dict[Any, dict[str, Any]] = {}
    for each in exchanges:
        for row in each.rows or [] if each.method == LEGS_METHOD else []:
            known.setdefault(row.get("id"), {}).update(row)
    known.pop(None, None)
    return known


def _decide_window_ends(exchanges: Sequence[RpcExchange]) -> Iterator[Sighting]:
    known = _index_rows(exchanges)
    starts = {row.get("start_time") for row in known.values()}
    for each in exchanges:
        end = each.params.get("date_till")
        if each.method != LEGS_METHOD or each.rows is None or end not in starts:
            continue
        if any(known.get(row.get("id"), {}).get("start_time") == end for row in each.rows):
            yield from see("cdr.window-ends", "inside", "a leg that starts at date_till: there")
        elif _is_plain_window(each) and not each.rows:
            yield from see("cdr.window-ends", "before", "a leg that starts at date_till: not")


def _is_plain_window(exchange: RpcExchange) -> bool:
    """Whether it asks for all of the window, from its first row."""
    params = exchange.params
    whole = not params.get("filter") and not params.get("offset") and params.get("limit") != 0
    return whole and str(params.get("date_from")) <= str(params.get("date_till"))


def _list_joined(exchange: RpcExchange) -> tuple[list[Any], Params] | None:
    """Of a filter of ids and one other condition, joined by ``and``: both."""
    tree = exchange.params.get("filter")
    if not isinstance(tree, dict) or tree.get("condition") != "and" or exchange.rows is None:
        return None
    leaves = tree.get("filters")
    if not isinstance(leaves, list) or len(leaves) != 2 or exchange.method != LEGS_METHOD:
        return None
    ids, other = leaves
    if not isinstance(ids, dict) or ids.get("field") != "id" or ids.get("operator") != "in":
        return None
    return (ids["value"], other) if isinstance(other, dict) and "field" in other else None


def _decide_comparisons(exchanges: Sequence[RpcExchange]) -> Iterator[Sighting]:
    """``!=`` of a row with null, of rows that are known."""
    known = _index_rows(exchanges)
    for each in exchanges:
        joined = _list_joined(each)
        if joined is None:
            continue
        ids, leaf = joined
        found = {row.get("id") for row in each.rows or []}
        name, operator, value = str(leaf["field"]), leaf.get("operator"), leaf.get("value")
        rows = {id: known[id][name] for id in ids if name in known.get(id, {})}
        nulls = {id for id, cell in rows.items() if cell is None}
        if operator == "!=" and value is not None and nulls and _takes_all(each, ids):
            shown = nulls <= found
            choice = "distinct" if shown else "sql"
            yield from see(
                "cdr.null-comparison", choice, f"!= and null: {'a' if shown else 'no'} row"
            )


def decide_like(exchanges: Sequence[RpcExchange]) -> Iterator[Sighting]:
    """``_`` in ``like``, of rows that are known."""
    known = _index_rows(exchanges)
    for each in exchanges:
        joined = _list_joined(each)
        if joined is None or joined[1].get("operator") != "like":
            continue
        ids, leaf = joined
        name, value = str(leaf["field"]), str(leaf.get("value"))
        if (
            value.count("_") != 1
            or any(char in value for char in "%\\")
            or not _takes_all(each, ids)
        ):
            continue
        start, end = value.split("_")
        fits = {id for id in ids if _fits_wildcard(known.get(id, {}).get(name), start, end)}
        found = {row.get("id") for row in each.rows or []}
        if fits:
            shown = f"_ in like: {len(fits & found)} of {len(fits)} rows"
            yield from see("cdr.like-underscore", "wildcard" if fits <= found else "literal", shown)


def _takes_all(exchange: RpcExchange, ids: list[Any]) -> bool:
    limit = exchange.params.get("limit")
    return limit is None or (isinstance(limit, int) and limit >= len(ids))


def _fits_wildcard(cell: object, start: str, end: str) -> bool:
    """Whether ``_`` stands for one character that is not ``_`` itself."""
    text = cell if isinstance(cell, str) else ""
    middle = text[len(start) : len(text) - len(end)]
    return text.startswith(start) and text.endswith(end) and len(middle) == 1 and middle != "_"


def _decide_leg_direction(exchanges: Sequence[RpcExchange]) -> Iterator[Sighting]:
    """A session of several legs has legs of both directions, or those of the session alone."""
    sessions: dict[Any, set[Any]] = defaultdict(set)
    legs: dict[Any, int] = defaultdict(int)
    for row in _index_rows(exchanges).values():
        if row.get("direction") and row.get("call_session_id"):
            sessions[row["call_session_id"]].add(row["direction"])
            legs[row["call_session_id"]] += 1
    several = [id for id in sessions if legs[id] > 1]
    both = sum(len(sessions[id]) > 1 for id in several)
    shown = f"{both} of {len(several)} sessions of several legs have legs of both directions"
    if both:
        yield from see("cdr.leg-direction", "leg", shown)
    elif len(several) >= MANY_SESSIONS:
        yield from see("cdr.leg-direction", "session", shown)


ONE_EXCHANGE = (
    _decide_wav_records,
    _decide_default_order,
    _decide_sort_nulls,
    *decide_cdr_directory.ONE_EXCHANGE,
)
ALL_EXCHANGES = (
    _decide_window_ends,
    _decide_comparisons,
    _decide_leg_direction,
    decide_cdr_directory.decide_left_employees,
)
