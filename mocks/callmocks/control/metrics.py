"""Metrics for Prometheus; each application has its own registry."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from callmocks.tenants.registry import Registry

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from callmocks.tenants.exchange import Exchange, Reply

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of durations, seconds."""
MAX_OPERATIONS = 100
"""Series for a provider's operations; clients write their names, the rest share ``other``."""
MAX_OPERATION_CHARS = 100
"""Longer than any of a contract."""


class Metrics:
    def __init__(self) -> None:
        self.exchanges: dict[tuple[str, str, int], int] = defaultdict(int)
        self.violations: dict[tuple[str, str], int] = defaultdict(int)
        self.faults: dict[tuple[str, str], int] = defaultdict(int)
        self.durations: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self.seconds: dict[str, float] = defaultdict(float)
        self._operations: dict[str, set[str]] = {}

    def count_exchange(self, exchange: Exchange, reply: Reply, seconds: float) -> None:
        provider = exchange.provider.name
        key = (provider, exchange.operation, reply.status)
        if key not in self.exchanges:
            key = (provider, self._operation_label(provider, exchange.operation), reply.status)
        self.exchanges[key] += 1
        self.durations[provider][bisect_left(BUCKETS, seconds)] += 1
        self.seconds[provider] += seconds
        for violation in exchange.violations:
            self.violations[provider, violation.side] += 1
        for name in exchange.faults:
            self.faults[provider, name] += 1

    def _operation_label(self, provider: str, operation: str) -> str:
        labels = self._operations.setdefault(provider, set())
        if operation not in labels and (
            len(labels) >= MAX_OPERATIONS or len(operation) > MAX_OPERATION_CHARS
        ):
            return "other"
        labels.add(operation)
        return operation


def observe_exchanges(registry: Registry) -> Metrics:
    metrics = Metrics()
    registry.observers.append(metrics.count_exchange)
    return metrics


class MetricsCollector:
    def __init__(self, registry: Registry, metrics: Metrics, dropped_lines: int) -> None:
        self._registry = registry
        self._metrics = metrics
        self._dropped_lines = dropped_lines

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        metrics = self._metrics
        counters: list[tuple[str, str, list[str], dict[Any, int]]] = [
            ("exchanges", "Requests answered", ["operation", "status"], metrics.exchanges),
            (
                "violations",
                "Violations of a contract; side answer is ours",
                ["side"],
                metrics.violations,
            ),
            ("faults", "Faults that changed an answer", ["fault"], metrics.faults),
        ]
        for name, text, labels, counts in counters:
            labels = ["provider", *labels]
            family = CounterMetricFamily(f"callmocks_{name}", text, labels=labels)
            for values, count in counts.items():
                family.add_metric([*map(str, values)], count)
            yield family
        yield self._duration_histogram()
        yield CounterMetricFamily(
            "callmocks_log_lines_dropped",
            "Lines of the log that nothing read from stderr",
            value=self._dropped_lines,
        )
        tenants = [*self._registry, self._registry.unmatched]
        yield GaugeMetricFamily("callmocks_tenants", "Tenants", value=len(self._registry))
        for name, text, value in (
            ("journal_entries", "Entries in journals", sum(len(t.journal) for t in tenants)),
            ("journal_bytes", "Bytes held by journals", sum(t.journal.bytes_used for t in tenants)),
            ("faults_on", "Faults switched on", sum(len(t.faults.list_active()) for t in tenants)),
        ):
            yield GaugeMetricFamily(f"callmocks_{name}", text, value=value)

    def _duration_histogram(self) -> Metric:
        from prometheus_client.core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "callmocks_answer_seconds", "Time to make an answer", labels=["provider"]
        )
        for provider, buckets in self._metrics.durations.items():
            total, cumulated = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
                total += count
                cumulated.append((bound, total))
            family.add_metric([provider], cumulated, self._metrics.seconds[provider])
        return family


def make_registry(registry: Registry, metrics: Metrics, dropped_lines: int) -> CollectorRegistry:
    from prometheus_client import (
        CollectorRegistry,
        GCCollector,
        PlatformCollector,
        ProcessCollector,
    )

    collectors = CollectorRegistry(auto_describe=False)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=collectors)
    collectors.register(MetricsCollector(registry, metrics, dropped_lines))
    return collectors
