"""The peers: other mocks that serve the recorded answers, each in a file of its own.

A peer gets a stub for each case at ``/CASE``, matched by method and path alone: the cheapest rule
it has. Everything else is as the peer comes, its journal of requests included.
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
