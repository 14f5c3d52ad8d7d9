"""How requests differ, by their keys."""

from callmocks.contract.quoting import shorten_text
from callmocks.provider.base import RequestKey

MAX_DIFFERENCES = 3  # that an error lists
MAX_SHOWN_CHARS = 60


def count_differences(requested: RequestKey, recorded: RequestKey) -> int:
    names = {*requested, *recorded}
    return sum(requested.get(name) != recorded.get(name) for name in names)


def list_differences(requested: RequestKey, recorded: RequestKey) -> list[str]:
    """``limit: 5, recorded 10`` for each parameter that differs."""
    return [
        f"{name}: {_format_value(requested.get(name))}, "
        f"recorded {_format_value(recorded.get(name))}"
        for name in dict.fromkeys([*requested, *recorded])
        if requested.get(name) != recorded.get(name)
    ]


def join_differences(differences: list[str]) -> str:
    listed = "; ".join(differences[:MAX_DIFFERENCES])
    if len(differences) > MAX_DIFFERENCES:
        listed += f" and {len(differences) - MAX_DIFFERENCES} more"
    return listed


def hashable_key(request_key: RequestKey) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(request_key.items()))


def _format_value(value: str | None) -> str:
    if value is None:
        return "none"
    return shorten_text(value, MAX_SHOWN_CHARS)
