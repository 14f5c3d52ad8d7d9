"""Tenants shared by replicas, processes that serve the same tenants, through Redis or Valkey.

::

    request ── exchange.state ── state.py ───────┐   sessions and counters: in Redis alone
                  │ stale: catch up, run again   ├── connection.py ── Redis
                  ▼                              │
    change ──── replica.py ───── store.py ───────┘   documents: one order of changes for all
                  │
                  ▼
                document_cache.py ── documents.py ── tenants in memory

Redis decides the order of changes: a change is written on condition that no other came first, and
applied in memory then; ``following_store.py`` follows what others wrote, and restores what Redis
lost. Everything but sessions and counters is read from memory; the first operation of a request
compares the version of memory with that of Redis.
"""
