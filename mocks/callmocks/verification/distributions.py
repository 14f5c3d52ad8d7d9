"""Samples, counts and shares: what they differ by, and as weights of a world."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def find_largest_gap(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Between the distribution functions of two ascending samples."""
    values = np.concatenate((one, other))
    below = [np.searchsorted(each, values, side="right") / len(each) for each in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def find_variation(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    totals = sum(one.values()), sum(other.values())
    names = one.keys() | other.keys()
    gaps = (abs(one.get(x, 0) / totals[0] - other.get(x, 0) / totals[1]) for x in names)
    return sum(gaps) / 2


def find_quantiles(seconds: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """In ms; equal seconds are spread over their second."""
    if not len(seconds):
        return np.zeros(count)
    first = np.searchsorted(seconds, seconds)
    last = np.searchsorted(seconds, seconds, side="right")
    within = (np.arange(len(seconds)) - first + 0.5) / (last - first)
    quantiles: NDArray[np.float64] = np.quantile(
        1000 * (seconds + within), np.linspace(0, 1, count)
    )
    return quantiles


def scale_counts(counts: NDArray[Any]) -> list[int]:
    """Of ten thousand; who has some keeps some."""
    scaled = np.ceil(counts * 10_000 / max(counts.sum(), 1))
    hours: list[int] = scaled.astype(np.int64).tolist()
    return hours


def scale_to_thousand(weights: Mapping[str, float]) -> dict[str, int]:
    total = sum(weights.values())
    return {name: round(1000 * weight / total) for name, weight in weights.items()}


def normalize_counts(counts: Mapping[str, int], names: Mapping[str, int]) -> dict[str, float]:
    total = max(sum(counts.get(name, 0) for name in names), 1)
    return {name: counts.get(name, 0) / total for name in names}
