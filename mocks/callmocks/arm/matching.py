"""Which calls of an operator a query's filters keep.

What filters say of people (names, agents, groups, internal numbers) is looked up once in the
directory, the rest is compared column by column. So a search over years costs microseconds a day,
and one for somebody whom the directory does not know needs no search at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from callmocks.arm.query import PARTY_FILTERS, CallHistoryQuery
from callmocks.contract.numerals import parse_natural
from callmocks.history.columns import BoolColumn
from callmocks.history.directory import Directory
from callmocks.history.views.arm import OperatorLegs
from callmocks.history.views.lookups import show_phones


class _PartyFilter(NamedTuple):
    """``side`` is the party that is compared: ``a`` called, ``b`` was called, or either."""

    side: str
    own: bool  # the operator of the rows matches
    operators: BoolColumn  # by index, when the other party is an operator
    users: BoolColumn  # by index; the last one is for callers who are no users
    phone: int | None  # of an outside party, 0 for a hidden one
    phone_pattern: str | None

    @property
    def can_match(self) -> bool:
        known = self.own or bool(self.operators.any() or self.users.any())
        return known or self.phone is not None or self.phone_pattern is not None

    def match(self, legs: OperatorLegs) -> BoolColumn:
        outside = self.users[legs.user]
        if self.phone is not None:
            outside = outside | (legs.phone == self.phone)
        if self.phone_pattern is not None:
            numbers = show_phones(legs.phone).fill_null("")
            outside = outside | numbers.str.contains(self.phone_pattern).to_numpy()
        inside = legs.remote_operator >= 0
        remote: BoolColumn = np.where(inside, self.operators[legs.remote_operator], outside)
        if not self.side:
            return remote | self.own
        own_side = legs.outgoing if self.side == "a" else ~legs.outgoing
        return np.where(own_side, self.own, remote)


class CallMatcher:
    def __init__(self, query: CallHistoryQuery, directory: Directory, operator: int) -> None:
        filters = dict(query.filters)
        self._direction = filters.get("direction")
        self._parties = [
            _make_party_filter(query, directory, operator, name, value)
            for name, value in query.filters
            if name in PARTY_FILTERS
        ]

    @property
    def keeps_all(self) -> bool:
        return self._direction is None and not self._parties

    @property
    def can_match(self) -> bool:
        return all(each.can_match for each in self._parties)

    def match(self, legs: OperatorLegs) -> BoolColumn:
        kept = np.ones(len(legs), np.bool_)
        if self._direction is not None:
            kept &= legs.outgoing == (self._direction == "out")
        for each in self._parties:
            kept &= each.match(legs)
        return kept


def _make_party_filter(
    query: CallHistoryQuery, directory: Directory, operator: int, name: str, value: str
) -> _PartyFilter:
    kind, side = PARTY_FILTERS[name]
    pattern = _wildcard_pattern(value) if kind == "number" and query.wildcards else None
    matches = _make_text_test(value, pattern, exact=kind != "name" or query.exact_names)
    operators = np.array([matches(text) for text in _operator_texts(directory, kind)])
    users = np.full(len(directory.users) + 1, kind != "number" and matches(""))
    if kind == "name":
        users[:-1] = [matches(user.full_name) for user in directory.users]
    phone = None
    if kind == "number" and pattern is None:
        phone = _parse_phone(value) if value else 0
    return _PartyFilter(side, bool(operators[operator]), operators, users, phone, pattern)


def _operator_texts(directory: Directory, kind: str) -> list[str]:
    operators = directory.operators
    if kind == "name":
        return [each.full_name for each in operators]
    if kind == "group":
        return [directory.groups[each.group].agent_group for each in operators]
    return [each.agent_id if kind == "agent" else each.number for each in operators]


def _make_text_test(value: str, pattern: str | None, *, exact: bool) -> Callable[[str], bool]:
    if pattern is not None:
        return lambda text: re.match(pattern, text) is not None
    if exact:
        return lambda text: text == value
    lowered = value.lower()
    return lambda text: lowered in text.lower()


def _wildcard_pattern(value: str) -> str | None:
    if "%" not in value:
        return None
    return f"(?s)^{'.*'.join(map(re.escape, re.split('%+', value)))}$"


def _parse_phone(value: str) -> int | None:
    return None if value.startswith("0") else parse_natural(value)
