"""From the JSON of ``filter`` to one Polars expression.

The tree is walked with a list, not by recursion, so its depth is only a number to check. SQL's
logic: a comparison with null is never true, ``!=`` included; ``and`` and ``or`` never turn null
into a match; only ``is_null``, ``is_not_null`` and the value null see nulls.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from operator import and_, or_
from typing import Any

import msgspec
import polars as pl

from callmocks.cdr.errors import ParameterErrors
from callmocks.cdr.operators import Condition, ConditionError, FilterOptions, build_condition
from callmocks.cdr.tables import Field, FieldTable
from callmocks.contract.cached_property import cached_property
from callmocks.contract.resources import load_table
from callmocks.history.history import History

MAX_NODES = 10_000
MAX_PATTERNS = 16
SHOWN_DEPTH = 3  # in the vendor's document
_SIMPLE = frozenset({"field", "operator", "value"})
_TREE = frozenset({"filters", "condition"})
Node = dict[str, Any]
# Types of the columns of a method's rows.
ColumnTypes = Callable[[History], dict[str, pl.DataType]]
# An equality with an id is only built when it is needed.
_Expression = pl.Expr | Callable[[], pl.Expr]
# A node, its path, its depth and the group it is in.
_Pending = tuple[object, str, int, "_Group"]


class RowFilter(msgspec.Struct, dict=True, eq=False):
    """``must_equal`` holds, by field, the numbers that a row must equal: ids are addresses."""

    groups: list[_Group] = []
    must_equal: dict[str, set[int]] = {}
    fields: set[str] = set()
    condition_count: int = 0

    @cached_property
    def expression(self) -> pl.Expr | None:
        """None when everything matches; an address never needs it."""
        return _combine_groups(self.groups) if self.groups else None


class _Group(msgspec.Struct):
    condition: str
    required: bool
    children: list[_Group | _Expression] = []
    expression: pl.Expr | None = None


@cache
def load_operator_types() -> dict[str, frozenset[str]]:
    rows = load_table("cdr/filter_operators.csv")
    return {row["operator"]: frozenset(row["types"].split()) for row in rows}


class FilterCompiler(msgspec.Struct, dict=True):
    """The result is only good when there are no errors."""

    table: FieldTable
    types: ColumnTypes
    options: FilterOptions
    errors: ParameterErrors
    patterns: int = 0
    result: RowFilter = msgspec.field(default_factory=RowFilter)

    def compile(self, raw: object) -> RowFilter:
        root = _Group("and", required=True)
        groups = [root]
        work: list[_Pending] = [(raw, "filter", 1, root)]
        nodes = 0
        while work:
            node, path, depth, parent = work.pop()
            nodes += 1
            if nodes > MAX_NODES:
                expected = f"at most {MAX_NODES} nodes"
                self.errors.add("invalid_parameter_value", "filter", None, expected)
                break
            if not isinstance(node, dict):
                self.errors.add("data_type_error", path, node, "an object")
            elif "filters" in node and depth > SHOWN_DEPTH and depth > self._max_depth():
                expected = f"at most {self._max_depth()} levels"
                self.errors.add("invalid_parameter_value", "filter", None, expected)
            elif "filters" in node:
                group = self._parse_group(node, path, parent)
                groups.append(group)
                parent.children.append(group)
                work.extend(reversed(self._list_children(node, path, depth, group)))
            elif node or path != "filter":
                leaf = self._parse_condition(node, path, parent)
                if leaf is not None:
                    parent.children.append(leaf)
        self.result.groups = groups
        return self.result

    def _max_depth(self) -> int:
        return int(self.options.use_assumption("cdr.filter-depth"))

    def _parse_group(self, node: Node, path: str, parent: _Group) -> _Group:
        self._check_keys(node, _TREE, path)
        condition = node.get("condition")
        if condition is None:
            choice = self.options.use_assumption("cdr.missing-condition")
            if choice == "required_parameter_missed":
                self.errors.add(choice, f"{path}.condition", None, "and, or")
            condition = "and"
        elif not isinstance(condition, str):
            self.errors.add("data_type_error", f"{path}.condition", condition, "and, or")
        elif condition not in ("and", "or"):
            self.errors.add("invalid_parameter_value", f"{path}.condition", condition, "and, or")
        alone = isinstance(node["filters"], list) and len(node["filters"]) == 1
        return _Group(str(condition), parent.required and (condition == "and" or alone))

    def _list_children(self, node: Node, path: str, depth: int, group: _Group) -> list[_Pending]:
        children = node["filters"]
        if not isinstance(children, list):
            self.errors.add("data_type_error", f"{path}.filters", children, "an array of filters")
            return []
        kept = enumerate(children[: MAX_NODES + 1])
        return [(child, f"{path}.filters.{index}", depth + 1, group) for index, child in kept]

    def _check_keys(self, node: Node, known: frozenset[str], path: str) -> None:
        if node.keys() <= known:
            return
        for key in [key for key in node if key not in known]:
            where, sent = f"{path}.{key}", node[key]
            if key in _SIMPLE | _TREE:
                expected = "either field, operator and value, or filters and condition"
                self.errors.add("invalid_parameters_combination", where, sent, expected)
            else:
                self.errors.add("unexpected_parameters", where, sent, ", ".join(sorted(known)))

    def _parse_condition(self, node: Node, path: str, parent: _Group) -> _Expression | None:
        self._check_keys(node, _SIMPLE, path)
        name = self._get_string(node, "field", path)
        operator = self._get_string(node, "operator", path)
        column = None if name is None else self.table.fields.get(name)
        if name is not None and column is None:
            self.errors.add("unexpected_parameters", f"{path}.field", name, "a field's name")
        if column is None or operator is None:
            return None
        if not column.filterable:
            self.errors.add("filter_prohibited", f"{path}.field", name, "a filterable field")
            return None
        try:
            return self._build_expression(column, operator, node.get("value"), parent)
        except ConditionError as refused:
            where = "filter" if refused.key is None else f"{path}.{refused.key}"
            value = None if refused.key is None else node.get(refused.key)
            self.errors.add(refused.mnemonic, where, value, str(refused), params=refused.params)
            return None

    def _build_expression(
        self, field: Field, operator: str, value: object, parent: _Group
    ) -> _Expression:
        fits = load_operator_types().get(operator)
        if fits is None:
            raise ConditionError("invalid_parameter_value", "operator", "a known operator")
        if operator == "jsquery":
            message = "jsquery is not supported"
            raise ConditionError("error", "operator", message, {"error_message": message})
        if field.type not in fits:
            expected = f"an operator for {field.type}"
            raise ConditionError("invalid_parameter_value", "operator", expected)
        if operator == "regexp":
            self.patterns += 1
            if self.patterns > MAX_PATTERNS:
                expected = f"at most {MAX_PATTERNS} regular expressions"
                raise ConditionError("invalid_parameter_value", None, expected)
        self.result.fields.add(field.name)
        self.result.condition_count += 1
        if parent.required and operator == "=" and field.type == "number" and type(value) is int:
            self.result.must_equal.setdefault(field.name, set()).add(value)
            return partial(build_condition, Condition(field, operator, value), self.options)
        leaf = Condition(field, operator, value, self._schema[field.name])
        return build_condition(leaf, self.options)

    @cached_property
    def _schema(self) -> dict[str, pl.DataType]:
        return self.types(self.errors.exchange.tenant.history)

    def _get_string(self, node: Node, key: str, path: str) -> str | None:
        value = node.get(key)
        if value is None:
            self.errors.add("required_parameter_missed", f"{path}.{key}", None, "a string")
        elif not isinstance(value, str):
            self.errors.add("data_type_error", f"{path}.{key}", value, "a string")
        else:
            return value
        return None


def _combine_groups(groups: list[_Group]) -> pl.Expr | None:
    for group in reversed(groups):
        kept = [part for child in group.children if (part := _get_expression(child)) is not None]
        group.expression = _join_balanced(kept, or_ if group.condition == "or" else and_)
    return groups[0].expression


def _get_expression(child: _Group | _Expression) -> pl.Expr | None:
    if isinstance(child, _Group):
        return child.expression
    return child if isinstance(child, pl.Expr) else child()


def _join_balanced(parts: list[pl.Expr], join: Callable[[Any, Any], Any]) -> pl.Expr | None:
    """Join in pairs of pairs: a chain of ten thousand would be as deep as it is long."""
    while len(parts) > 1:
        pairs = [join(*parts[start : start + 2]) for start in range(0, len(parts) - 1, 2)]
        parts = pairs + parts[len(pairs) * 2 :]
    return parts[0] if parts else None
