from collections.abc import Callable
from functools import cache, partial
from typing import Any

import msgspec
from msgspec import structs


def omit_defaults(value: Any) -> Any:
    """A struct as JSON and TOML have it, at every level without what is default there."""
    return msgspec.to_builtins(_omit_defaults(value))


def _omit_defaults(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_omit_defaults(item) for item in value]
    if not isinstance(value, msgspec.Struct):
        return value
    return {
        key: _omit_defaults(item)
        for name, key, make_default in _list_fields(type(value))
        if (item := getattr(value, name)) != make_default()
    }


@cache
def _list_fields(struct: type[msgspec.Struct]) -> list[tuple[str, str, Callable[[], Any]]]:
    """Name, key and default; where there is no default, what equals no value."""
    found = []
    for field in structs.fields(struct):
        factory = field.default_factory
        if factory is msgspec.NODEFAULT:
            factory = partial(_get_default, field)
        found.append((field.name, field.encode_name, factory))
    return found


def _get_default(field: structs.FieldInfo) -> Any:
    return field.default
