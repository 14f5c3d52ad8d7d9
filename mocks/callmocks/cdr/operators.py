"""One filter: a field, an operator and a value, by the type rules of the vendor's operators."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import polars as pl

from callmocks.cdr import dates, regex_translation
from callmocks.cdr.tables import Field

MAX_ELEMENTS = 50_000  # of an `in` list
_INT64 = (-(2**63), 2**63 - 1)


class ConditionError(Exception):
    """``key`` is the wrong member of the filter; None: the whole filter."""

    def __init__(
        self, mnemonic: str, key: str | None, expected: str, params: dict[str, object] | None = None
    ) -> None:
        super().__init__(expected)
        self.mnemonic = mnemonic
        self.key = key
        self.params = params


class Condition(msgspec.Struct, frozen=True):
    """``dtype`` is the type of the field's column; numbers need none."""

    field: Field
    operator: str
    value: Any
    dtype: Any = None


class FilterOptions(NamedTuple):
    use_assumption: Callable[[str], str]
    enum_values: dict[str, frozenset[str]]


def build_condition(leaf: Condition, options: FilterOptions) -> pl.Expr:
    """``ConditionError`` on a bad value; the operator must fit the field."""
    column = pl.col(leaf.field.name)
    value, operator = leaf.value, leaf.operator
    if leaf.field.type == "array":
        return _build_array(leaf, options)
    if operator == "is_null" or (operator == "=" and value is None):
        return column.is_null()
    if operator == "is_not_null" or (operator == "!=" and value is None):
        return column.is_not_null()
    if operator in ("in", "not_in"):
        return _build_membership(leaf, options)
    if operator in ("like", "ilike", "not_like", "not_ilike", "regexp"):
        return _build_pattern(leaf, options)
    checked = _check_value(leaf, value, options)
    if leaf.field.type == "number":
        expression = _compare_number(column, operator, checked)
    elif isinstance(leaf.dtype, pl.Enum) and checked not in leaf.dtype.categories:
        expression = _constant_unless_null(column, operator == "!=")
    else:
        expression = _COMPARISONS[operator](column, checked)
    if operator == "!=" and options.use_assumption("cdr.null-comparison") == "distinct":
        return expression | column.is_null()
    return expression


def _check_value(leaf: Condition, value: object, options: FilterOptions) -> Any:
    kind = leaf.field.type
    if kind == "number":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return value
    elif kind == "boolean":
        if isinstance(value, bool):
            return value
    elif isinstance(value, str):
        checked = dates.parse(value) if kind == "iso8601" else value
        if checked is None:
            raise ConditionError("invalid_parameter_value", "value", "YYYY-MM-DD hh:mm:ss")
        name = leaf.field.name
        known = options.enum_values.get(name) if kind == "enum" else None
        if known is not None and value not in known:
            choice = options.use_assumption("cdr.unknown-enum-value")
            if choice == "invalid_parameter_value":
                raise ConditionError(choice, "value", f"a value of {name}")
        return checked
    raise ConditionError("data_type_error", "value", f"a {kind}")


_COMPARISONS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "=": pl.Expr.eq,
    "!=": pl.Expr.ne,
    "<": pl.Expr.lt,
    "<=": pl.Expr.le,
    ">": pl.Expr.gt,
    ">=": pl.Expr.ge,
}


def _compare_number(column: pl.Expr, operator: str, value: float) -> pl.Expr:
    """Whole-number columns against any JSON number, exactly."""
    low, high = _INT64
    if low <= value <= high and value == int(value):
        return _COMPARISONS[operator](column, int(value))
    if operator in ("=", "!="):
        return _constant_unless_null(column, operator == "!=")
    if not low <= value <= high:
        return _constant_unless_null(column, (value > 0) == (operator in ("<", "<=")))
    edge = math.floor(value)  # between two whole numbers
    return column <= edge if operator in ("<", "<=") else column > edge


def _constant_unless_null(column: pl.Expr, answer: bool) -> pl.Expr:
    return pl.when(column.is_not_null()).then(pl.lit(answer))


def _build_membership(leaf: Condition, options: FilterOptions) -> pl.Expr:
    column, values = pl.col(leaf.field.name), leaf.value
    if not isinstance(values, list):
        raise ConditionError("data_type_error", "value", "an array")
    if len(values) > MAX_ELEMENTS:
        raise ConditionError("invalid_parameter_value", None, f"at most {MAX_ELEMENTS} elements")
    checked = [_check_value(leaf, value, options) for value in values if value is not None]
    if leaf.operator == "not_in" and len(checked) < len(values):
        # SQL: nothing is outside a list that holds null.
        return _constant_unless_null(column, False)
    if leaf.field.type == "number":
        low, high = _INT64
        checked = [int(value) for value in checked if low <= value <= high and value == int(value)]
    elif isinstance(leaf.dtype, pl.Enum):
        checked = sorted(set(checked).intersection(leaf.dtype.categories))
    found = column.is_in(checked) if checked else _constant_unless_null(column, False)
    return ~found if leaf.operator == "not_in" else found


def _build_pattern(leaf: Condition, options: FilterOptions) -> pl.Expr:
    if not isinstance(leaf.value, str):
        raise ConditionError("data_type_error", "value", "a string")
    try:
        if leaf.operator == "regexp":
            options.use_assumption("cdr.regexp-flavour")
            regex = regex_translation.translate_posix(leaf.value)
        else:
            choose = options.use_assumption
            underscore = "_" in leaf.value and choose("cdr.like-underscore") == "wildcard"
            case = "ilike" not in leaf.operator
            regex = regex_translation.translate_like(leaf.value, underscore=underscore, case=case)
    except regex_translation.PatternError as error:
        raise ConditionError("invalid_parameter_value", "value", f"a pattern: {error}") from None
    column = pl.col(leaf.field.name)
    if isinstance(leaf.dtype, pl.Enum):
        # Few distinct values: match those, not every row.
        texts = leaf.dtype.categories
        matching = texts.filter(texts.str.contains(regex)).to_list()
        found = column.is_in(matching) if matching else _constant_unless_null(column, False)
    else:
        found = column.str.contains(regex)
    return ~found if leaf.operator.startswith("not_") else found


def _build_array(leaf: Condition, options: FilterOptions) -> pl.Expr:
    """Arrays of objects compare by the ids of their elements; in the columns none is null."""
    column = pl.col(leaf.field.name)
    if leaf.operator in ("is_null", "is_not_null"):
        if options.use_assumption("cdr.empty-arrays") == "null":
            is_empty = column.list.len() == 0
            return is_empty if leaf.operator == "is_null" else ~is_empty
        # Not a literal: alone in a filter it would be a column of one row.
        return column.is_null() if leaf.operator == "is_null" else column.is_not_null()
    if not isinstance(leaf.value, list):
        raise ConditionError("data_type_error", "value", "an array")
    if len(leaf.value) > MAX_ELEMENTS:
        raise ConditionError("invalid_parameter_value", None, f"at most {MAX_ELEMENTS} elements")
    texts = leaf.dtype.inner == pl.String
    if not all(type(value) is (str if texts else int) for value in leaf.value):
        expected = "an array of texts" if texts else "an array of ids"
        raise ConditionError("data_type_error", "value", expected)
    if not texts and options.use_assumption("cdr.overlap-objects") == "refused":
        raise ConditionError("invalid_parameter_value", "operator", "no array of objects")
    low, high = _INT64
    values = leaf.value if texts else [value for value in leaf.value if low <= value <= high]
    wanted = pl.lit(pl.Series([values], dtype=leaf.dtype))
    overlaps = column.list.set_intersection(wanted).list.len() > 0
    return ~overlaps if leaf.operator == "not_overlap" else overlaps
