"""Tenants shared by replicas through Redis or Valkey.

::

    request ── tenant.state ── state.py ─────────────┐   sessions and counters: asked each time
                                                     ├── link.py ── Redis
    admin request ── replica.py ── store.py ─────────┤   documents: one order of changes for all
                       │  ▲                          │
                       ▼  └── change heard of ───────┘
                 documents.py ── tenants in memory

Redis decides the order of changes: a change is written there on condition that nobody else's came
first, and only then made in memory. What is read at every request is read from memory.
"""
