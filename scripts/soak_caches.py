"""``callmocks``, which answers each SIGUSR1 by a line on stdout: the bytes its caches hold.

``scripts/soak`` runs it to tell caches that fill from memory that leaks.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from callmocks.arm import pages
from callmocks.cli import main
from callmocks.history.cache import DayCache


def count_cached_bytes() -> int:
    """Of generated days, rendered rows of ARM and the pages joined of them."""
    total = sum(each.bytes_used for each in gc.get_objects() if isinstance(each, DayCache))
    rows = list(pages._row_cache._rows.values())
    for page, _, _ in list(pages._page_cache._pages.values()):
        rows += page.rows
        total += sum(sys.getsizeof(each) for each in vars(page).values() if type(each) is bytes)
    for row in {id(row): row for row in rows}.values():
        total += sum(map(sys.getsizeof, (row, row.json, row.xml)))
    return total


def print_cached_bytes(*_: object) -> None:
    os.write(sys.stdout.fileno(), b"%d\n" % count_cached_bytes())


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, print_cached_bytes)
    main()
