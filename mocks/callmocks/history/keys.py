"""Keys name what is generated: equal keys, equal people and calls."""

from callmocks.history.generator import derive_key
from callmocks.history.world import World

# Raised whenever the same seed would give other calls; see CHANGELOG.md.
DATA_VERSION = 2


def history_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a history: seed, world (with its calls a day), data version."""
    return derive_key("history", DATA_VERSION, seed, world.fingerprint.hex())


def directory_key(seed: int, world: World) -> bytes:
    """Sixteen bytes that name a directory: seed and people, however many calls they have."""
    return derive_key("cast", DATA_VERSION, seed, world.people_fingerprint.hex())
