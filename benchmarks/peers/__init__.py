"""The peers: other mocks that serve the recorded answers, each in a file of its own.

As a constant stub a peer answers any POST at ``/CASE``: the cheapest rule it has. At the same job
it holds the twelve expectations of a case on the provider's own path (same_job.py), told apart by
the matchers that its documentation shows. Everything else is as the peer comes, its journal of
requests included.
"""

from __future__ import annotations

from benchmarks.peers import mockoon, mockserver, mountebank, openrpc, prism, soap, wiremock
from benchmarks.peers.base import Peer

PEERS: tuple[Peer, ...] = (
    wiremock.PEER,
    mockserver.PEER,
    mockoon.PEER,
    mountebank.PEER,
    prism.PEER,
    openrpc.PEER,
    soap.PEER,
)

__all__ = ["PEERS", "Peer"]
