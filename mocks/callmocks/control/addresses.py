"""Where the servers of this run can be reached."""

import msgspec


class Addresses(msgspec.Struct, frozen=True):
    """Full addresses as clients use them; None for a server that was not started.

    ``arm`` has no path (``http://127.0.0.1:8086``), ``cdr`` ends with ``/v2.0``, ``onec`` with
    ``/cus/ws/PartnerWebAPI2``.
    """

    arm: str | None = None
    cdr: str | None = None
    onec: str | None = None
    control: str | None = None
