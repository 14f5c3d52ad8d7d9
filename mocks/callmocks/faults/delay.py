from math import exp
from typing import Annotated, Literal

from msgspec import Meta

from callmocks.faults.base import Fault, FaultContext, Milliseconds
from callmocks.tenants.delivery import Delivery


class Delay(Fault, frozen=True):
    """The answer comes late by a fixed, uniform or lognormal time."""

    fault_name = "delay"
    breaks_contract = False

    ms: Annotated[
        Milliseconds,
        Meta(description="The delay; the middle of a uniform one, the median of a lognormal one."),
    ] = 1000.0
    distribution: Literal["fixed", "uniform", "lognormal"] = "fixed"
    spread_ms: Annotated[
        Milliseconds, Meta(description="Uniform: at most so much less or more.")
    ] = 0.0
    sigma: Annotated[
        float,
        Meta(ge=0, le=5, description="Lognormal: standard deviation of the delay's logarithm."),
    ] = 0.5

    def configure_delivery(self, context: FaultContext, delivery: Delivery) -> bool:
        ms = self.ms
        if self.distribution == "uniform":
            ms += self.spread_ms * (2 * context.random_unit() - 1)
        elif self.distribution == "lognormal":
            from statistics import NormalDist  # it brings fractions and decimals

            ms *= exp(self.sigma * NormalDist().inv_cdf(max(context.random_unit(), 2**-64)))
        delivery.delay += max(0.0, ms) / 1000
        return ms > 0
