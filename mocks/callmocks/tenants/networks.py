from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from callmocks.contract.quoting import quote_text
from callmocks.errors import SettingsError


class NetworkSet:
    """Addresses and networks, however many, in which an address is looked up at once."""

    def __init__(self, entries: Iterable[str]) -> None:
        """``SettingsError`` for what is neither."""
        # By version and length of the prefix: the prefixes that are in.
        self._prefixes: dict[tuple[int, int], set[int]] = {}
        for entry in entries:
            try:
                network = ipaddress.ip_network(entry, strict=False)
            except ValueError:
                text = f"{quote_text(entry)} is no address or network such as 10.0.0.0/8"
                raise SettingsError(text) from None
            length = network.prefixlen
            prefix = int(network.network_address) >> network.max_prefixlen - length
            self._prefixes.setdefault((network.version, length), set()).add(prefix)

    def __bool__(self) -> bool:
        return bool(self._prefixes)

    def __contains__(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        found = getattr(address, "ipv4_mapped", None) or address
        return any(
            found.version == version and int(found) >> found.max_prefixlen - length in prefixes
            for (version, length), prefixes in self._prefixes.items()
        )
