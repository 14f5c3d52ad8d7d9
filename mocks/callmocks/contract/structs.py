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
        field.encode_name: _omit_defaults(item)
        for field in structs.fields(value)
        if (item := getattr(value, field.name)) != _get_default(field)
    }


def _get_default(field: structs.FieldInfo) -> Any:
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()
