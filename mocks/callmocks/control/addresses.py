"""Where the servers of this run can be reached."""

import msgspec

_ANYWHERE = ("://0.0.0.0:", "://[::]:")


class Addresses(msgspec.Struct, frozen=True):
    """Full addresses as clients use them; None for a server that was not started.

    ``arm`` has no path (``http://127.0.0.1:8086``), ``cdr`` ends with ``/v2.0``, ``onec`` with
    ``/cus/ws/PartnerWebAPI2``.
    """

    arm: str | None = None
    cdr: str | None = None
    onec: str | None = None
    control: str | None = None

    def for_client(self, host: str) -> "Addresses":
        """``host`` (a port may follow) is how the client reached control.

        It replaces the wildcard address of servers that listen on all interfaces.
        """
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        shown = {}
        for server, address in msgspec.structs.asdict(self).items():
            for anywhere in _ANYWHERE if address and name else ():
                address = address.replace(anywhere, f"://{name}:", 1)
            shown[server] = address
        return Addresses(**shown)
