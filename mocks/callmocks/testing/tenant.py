from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, Self, TypeVar
from urllib.parse import quote

from callmocks.contract.cached_property import cached_property
from callmocks.contract.expectations import Expectation, Verdict
from callmocks.contract.journal import JournalEntry
from callmocks.contract.json_model import from_json, to_json
from callmocks.errors import AdminError, CallmocksError
from callmocks.testing.admin_client import AdminClient
from callmocks.testing.expectations import format_failure
from callmocks.testing.hidden_frames import hide_frame
from callmocks.testing.journal import format_transcript
from callmocks.testing.operations import TenantOperations
from callmocks.testing.providers import Arm, Cdr, Onec, ProviderHandle
from callmocks.testing.unmet_faults import warn_of_unmet_faults

__tracebackhide__ = hide_frame
P = TypeVar("P", bound=ProviderHandle)

_TRANSCRIPT_LENGTH = 20
_MAX_FOREIGN = 5
_BODY_CHARS = 1000  # of each message in a transcript


class TenantHandle(TenantOperations):
    """A tenant: credentials, history, clock, faults and journal of its own.

    As a context manager it is deleted at the end of the block, with a warning of faults that were
    to be applied so many ``times`` and were not.
    """

    def __init__(self, control: AdminClient, view: dict[str, Any]) -> None:
        self.control = control
        self.name: str = view["name"]  # also its ARM domain and, unless set otherwise, its logins
        self.seed: int = view["seed"]  # tenants of equal seed, world and size hold equal calls
        self._view = view
        if "nobody_seq" in view:
            self._unmatched_before: int = view["nobody_seq"]
        else:  # it was there before
            newest = self._read_journal("nobody", {"limit": 1})
            self._unmatched_before = newest[-1].seq if newest else 0

    def __repr__(self) -> str:
        return f"<callmocks tenant {self.name!r} at {self.control.url}>"

    @cached_property
    def arm(self) -> Arm:
        return self._make_provider(Arm)

    @cached_property
    def cdr(self) -> Cdr:
        return self._make_provider(Cdr)

    @cached_property
    def onec(self) -> Onec:
        return self._make_provider(Onec)

    def assume(self, assumption: str, choice: str) -> None:
        self.request("PUT", f"assumptions/{quote(assumption, safe='')}", {"choice": choice})

    def clear_faults(self) -> None:
        self.request("DELETE", "faults")

    def reset(self) -> None:
        """Back to the initial state: clock, choices, faults, sessions, limits, journal, pins."""
        self.request("POST", "reset")

    def snapshot(self, name: str = "snapshot") -> None:
        """Keep what the tenant holds, under a name, in place of what had that name."""
        self.request("PUT", f"snapshots/{quote(name, safe='')}")

    def restore(self, name: str = "snapshot") -> None:
        """Bring back what was kept: calls, faults, choices, clock, sessions, quotas.

        The journal stays as it is. ``AdminError`` when there is no snapshot of that name.
        """
        self.request("POST", f"snapshots/{quote(name, safe='')}")

    def delete(self) -> None:
        """Nothing happens when it is deleted already."""
        self.control.tenants_with_counted_faults.discard(self.name)
        self.control.faults_unmet_in_blocks.pop(self.name, None)
        try:
            self.control.delete(self._api_path())
        except AdminError as error:
            if error.status != 404:
                raise

    def exchanges(
        self,
        operation: str | None = None,
        *,
        provider: str | None = None,
        unlisted: bool = False,
    ) -> list[JournalEntry]:
        """The tenant's requests and their answers, oldest first; the last 1000 are kept.

        ``AdminError`` for an operation that the contract does not have, unless ``unlisted``.
        """
        if operation is not None and not unlisted:
            self.check_expectation(Expectation(provider, operation))
        query = {"operation": operation, "provider": provider}
        return self._read_journal(self.name, query)

    def forget_exchanges(self) -> None:
        """Empty the journal, so that asserts see later requests alone."""
        self.request("DELETE", "journal")

    def transcript(self, most: int = _TRANSCRIPT_LENGTH, body: int | None = _BODY_CHARS) -> str:
        """The last exchanges as text, with ``body`` characters of each message (None: all)."""
        text = format_transcript(self.exchanges(), most, body)
        parts = [text or "Nobody sent a request as this tenant.", self._describe_unmatched()]
        return "\n\n".join(filter(None, parts))

    def verify(self, *expected: Expectation, in_order: bool = False) -> None:
        """``AssertionError`` unless the requests came that ``expect`` of the handles describes.

        ``in_order``: one after the other, whatever else came between them.
        """
        for each in expected or (None,):
            if not isinstance(each, Expectation):
                given = "nothing" if each is None else repr(each)
                raise AdminError(
                    f"verify takes what cdr.expect(…) and its like return, not {given}"
                )
        body = {"expect": [to_json(each) for each in expected], "in_order": in_order}
        answer = self.request("POST", "journal/verify", body)
        verdicts = [from_json(Verdict, raw) for raw in answer["results"]]
        texts = [
            self._format_failure(each, verdict, answer["dropped"])
            for each, verdict in zip(expected, verdicts, strict=True)
            if not verdict.ok
        ]
        if texts:
            raise AssertionError("\n\n".join(texts))

    def check_expectation(self, expected: Expectation) -> None:
        """``AdminError`` when it names what the contract does not have."""
        question = {"expect": [to_json(expected)], "after": sys.maxsize}  # compare no request
        self.request("POST", "journal/verify", question)

    def describe_other_requests(self, provider: str, operation: str | None) -> str:
        """Requests that came instead of this tenant's: as another one's, or as nobody's."""
        expected = Expectation(provider, operation, unlisted=True)
        answer = self.request("POST", "journal/verify", {"expect": [to_json(expected)]})
        verdict = from_json(Verdict, answer["results"][0])
        hints = [*_describe_foreign(verdict), self._describe_unmatched(provider)]
        return "\n".join(filter(None, hints))

    def request(self, method: str, path: str, body: object = None) -> Any:
        return self.control.request(method, f"{self._api_path()}/{path}", body)

    def _format_failure(self, expected: Expectation, verdict: Verdict, dropped: int) -> str:
        exchanges = self.exchanges(provider=expected.provider)
        hints = [] if verdict.found else [self._describe_unmatched(expected.provider)]
        hints += _describe_foreign(verdict)
        if dropped:
            hints.append(f"The journal has dropped {dropped} older exchanges.")
        return format_failure(expected, verdict, exchanges, "\n\n".join(filter(None, hints)))

    def _describe_unmatched(self, provider: str | None = None) -> str:
        """A hint at requests that belong to no tenant: wrong credentials are common."""
        query = {"after": self._unmatched_before, "provider": provider}
        found = self._read_journal("nobody", query)
        if not found:
            return ""
        came = "A request" if len(found) == 1 else f"{len(found)} requests"
        last = f"the last was {' '.join([found[-1].title, *found[-1].notes])}"
        return f"{came} came with an address, credentials or a domain that are nobody's; {last}."

    def _read_journal(self, name: str, query: dict[str, Any]) -> list[JournalEntry]:
        entries: list[JournalEntry] = []
        while True:
            answer = self.control.get(f"/api/tenants/{name}/journal", query)
            entries += [from_json(JournalEntry, raw) for raw in answer["entries"]]
            if "next" not in answer:
                return entries
            query = query | {"after": answer["next"]}

    def _make_provider(self, handle: type[P]) -> P:
        access = self._view[handle.name]
        if access["url"] is None:
            raise CallmocksError(f"the suite at {self.control.url} does not serve {handle.name}")
        return handle(self, access)

    def _get_tenant(self) -> TenantHandle:
        return self

    def _api_path(self) -> str:
        return f"/api/tenants/{self.name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        try:
            if error is None:
                with suppress(CallmocksError):  # it is deleted already
                    warn_of_unmet_faults(self.control, self.name, stacklevel=2)
        finally:
            self.delete()


def _describe_foreign(verdict: Verdict) -> list[str]:
    lines = []
    for foreign in verdict.foreign[:_MAX_FOREIGN]:
        came = "Such a request" if foreign.found == 1 else f"{foreign.found} such requests"
        last = f"the last as #{foreign.seq} there"
        lines.append(f"{came} came as tenant {foreign.tenant}, {last}.")
    return lines
