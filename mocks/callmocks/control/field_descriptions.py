"""What a struct says about its fields: the docstring below a field, read from the source once."""

import ast
import inspect
from functools import cache
from textwrap import dedent
from typing import Any

import msgspec

from callmocks.control.json_struct import json_struct


@cache
def read_field_descriptions(model: type[msgspec.Struct]) -> dict[str, str]:
    """Explanations by field, those of inherited fields included."""
    texts: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if not issubclass(base, msgspec.Struct) or base is msgspec.Struct:
            continue
        if base.__module__ == json_struct.__module__:  # its fields are described already
            continue
        body = ast.parse(dedent(inspect.getsource(base))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found = _docstring_text(text)
                if found:
                    texts[field.target.id] = found
    return texts


def _docstring_text(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        value = node.value.value
        return inspect.cleandoc(value) if isinstance(value, str) else ""
    return ""


def add_field_descriptions(schema: dict[str, Any], model: type[msgspec.Struct]) -> None:
    """Give each property of a struct's JSON schema its description, as its last member."""
    texts = read_field_descriptions(model)
    for name, field in schema.get("properties", {}).items():
        if text := field.pop("description", texts.get(name)):
            field["description"] = text
