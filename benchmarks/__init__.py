"""Benchmarks: against peers and bare aiohttp, growth, memory. See docs/performance.md."""
