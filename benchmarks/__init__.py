"""Benchmarks: against peers and the ceiling, growth, memory. See docs/performance.md."""
