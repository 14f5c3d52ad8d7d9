from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from callmocks.errors import AdminError, CallmocksError
from callmocks.testing.hidden_frames import hide_frame
from callmocks.testing.unmet_faults import keep_unmet_fault

if TYPE_CHECKING:
    from callmocks.testing.tenant import TenantHandle

__tracebackhide__ = hide_frame


class FaultHandle:
    """An active fault. As a context manager it is removed at the end of the block."""

    def __init__(self, tenant: TenantHandle, view: Mapping[str, Any]) -> None:
        self.id: str = view["id"]
        self.kind: str = view["fault"]
        self._tenant = tenant

    def __repr__(self) -> str:
        return f"<fault {self.id} {self.kind}>"

    @property
    def applied(self) -> int:
        active = self._tenant.request("GET", "faults")["faults"]
        counts: list[int] = [view["applied"] for view in active if view["id"] == self.id]
        if not counts:
            raise CallmocksError(f"fault {self.id} ({self.kind}) is not on any more")
        return counts[0]

    def remove(self) -> None:
        """Disable it; nothing happens when it is disabled already."""
        try:
            self._tenant.request("DELETE", f"faults/{self.id}")
        except AdminError as error:
            if error.status != 404:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error is None:
            keep_unmet_fault(self._tenant.control, self._tenant.name, self.id)
        self.remove()
