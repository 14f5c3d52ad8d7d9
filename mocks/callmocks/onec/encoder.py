"""From values to XML, in the live service's layout.

Each ``Property`` carries the core namespace as the default one, because ``xsi:type="ValueTable"``
and ``<Type>Null</Type>`` are unprefixed names that resolve through it; ``xs`` and ``xsi`` are
declared on the element around (``return`` or ``Params``).
"""

from collections.abc import Sequence

from callmocks.onec import values
from callmocks.onec.namespaces import CORE, XS, XSI, split_name
from callmocks.onec.scalars import escape_text, quote_attribute, write_scalar
from callmocks.onec.values import BadValue, Column, Structure, Value

# Needed on an element around what this module writes.
DECLARED = f'xmlns:xs="{XS}" xmlns:xsi="{XSI}"'
_FIXED = (values.FixedStructure, values.FixedArray, values.FixedMap)
NIL = '<Value xsi:nil="true"/>'


def write_structure(structure: Structure, name: str) -> bytes:
    """A whole element; ``name`` is in Clark notation, ``{namespace}return`` for an answer."""
    namespace, tag = split_name(name)
    declared = f"xmlns:m={quote_attribute(namespace)} {DECLARED}"
    return f"<m:{tag} {declared}>{write_properties(structure)}</m:{tag}>".encode()


def write_properties(structure: Structure) -> str:
    return "".join(write_property(name, write_value(value)) for name, value in structure.items())


def write_property(name: str, value: str) -> str:
    return f'<Property xmlns="{CORE}" name={quote_attribute(name)}>{value}</Property>'


def write_value(value: Value, tag: str = "Value") -> str:
    """An element in the core namespace, which must be the default one around it."""
    if value is None:
        return f'<{tag} xsi:nil="true"/>'
    try:
        scalar = write_scalar(value)
        if scalar is not None:
            return f'<{tag} xsi:type="{scalar[0]}">{escape_text(scalar[1])}</{tag}>'
    except ValueError as error:
        raise BadValue(tag, "a value XML can hold", str(error)) from None
    kind, content = _write_composite(value)
    return f'<{tag} xsi:type="{kind}">{content}</{tag}>'


def write_columns(columns: Sequence[Column]) -> str:
    return "".join(map(_write_column, columns))


def _write_composite(value: Value) -> tuple[str, str]:
    fixed = "Fixed" if isinstance(value, _FIXED) else ""
    if isinstance(value, Structure):
        properties = "".join(
            f"<Property name={quote_attribute(name)}>{write_value(inner)}</Property>"
            for name, inner in value.items()
        )
        return f"{fixed}Structure", properties
    if isinstance(value, values.Array):
        return f"{fixed}Array", "".join(map(write_value, value))
    if isinstance(value, values.Map):
        if any(key is None for key, _ in value):
            raise BadValue("Key", "a value", "None")
        pairs = (f"{write_value(key, 'Key')}{write_value(inner)}" for key, inner in value)
        return f"{fixed}Map", "".join(f"<pair>{pair}</pair>" for pair in pairs)
    if isinstance(value, values.ValueTable):
        return "ValueTable", _write_table(value)
    if isinstance(value, values.ValueTree):
        rows = "".join(map(_write_tree_row, value.rows))
        return "ValueTree", write_columns(value.columns) + rows
    if isinstance(value, values.TypeDescription):
        return "TypeDescription", _write_type_description(value)
    raise BadValue("Value", "a value of callmocks.onec.values", type(value).__name__)


def _write_table(table: values.ValueTable) -> str:
    names = (
        "".join(_write_text_element("column", name) for name in index) for index in table.indexes
    )
    indexes = "".join(f"<index>{each}</index>" for each in names)
    rows = "".join(f"<row>{''.join(map(write_value, row))}</row>" for row in table.rows)
    return write_columns(table.columns) + indexes + rows


def _write_tree_row(row: values.TreeRow) -> str:
    cells = "".join(map(write_value, row.values))
    return f"<row>{''.join(map(_write_tree_row, row.rows))}{cells}</row>"


def _write_column(column: Column) -> str:
    parts = [] if column.name is None else [_write_text_element("Name", column.name)]
    if column.type is not None:
        parts.append(f"<ValueType>{_write_type_description(column.type)}</ValueType>")
    if column.title is not None:
        parts.append(_write_text_element("Title", column.title))
    if column.width is not None:
        parts.append(_write_text_element("Width", str(column.width)))
    return f"<column>{''.join(parts)}</column>"


def _write_type_description(description: values.TypeDescription) -> str:
    parts = [_write_type_name("Type", name) for name in description.types]
    parts += [_write_type_name("TypeSet", name) for name in description.sets]
    parts += [_write_text_element("TypeId", name) for name in description.ids]
    if description.number is not None:
        number = description.number
        parts.append(
            f"<NumberQualifiers><Digits>{number.digits}</Digits>"
            f"<FractionDigits>{number.fraction}</FractionDigits>"
            f"<AllowedSign>{number.sign}</AllowedSign></NumberQualifiers>"
        )
    if description.string is not None:
        parts.append(_write_length_qualifiers("StringQualifiers", description.string))
    if description.date is not None:
        fractions = _write_text_element("DateFractions", description.date)
        parts.append(f"<DateQualifiers>{fractions}</DateQualifiers>")
    if description.binary is not None:
        parts.append(_write_length_qualifiers("BinaryDataQualifiers", description.binary))
    return "".join(parts)


def _write_type_name(tag: str, name: str) -> str:
    namespace, local = split_name(name)
    if namespace in (CORE, XS):
        return _write_text_element(tag, local if namespace == CORE else f"xs:{local}")
    if not namespace:
        raise BadValue(tag, "a name with a namespace", repr(name))
    return f"<{tag} xmlns:n={quote_attribute(namespace)}>n:{escape_text(local)}</{tag}>"


def _write_length_qualifiers(tag: str, text: values.Text) -> str:
    allowed = f"<AllowedLength>{text.allowed}</AllowedLength>"
    return f"<{tag}><Length>{text.length}</Length>{allowed}</{tag}>"


def _write_text_element(tag: str, text: str) -> str:
    return f"<{tag}>{escape_text(text)}</{tag}>"
