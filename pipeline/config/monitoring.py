"""How a model in use is watched, recalibrated and promoted."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pipeline.config.section import Section


class Monitoring(Section):
    """What the monitor looks for, and the rules of its verdict."""

    period: str | None = "infusion_year"
    site: str | None = "site"
    minimum_group: int = Field(default=30, ge=10)
    false_discovery_rate: float = Field(default=0.05, gt=0, lt=1)
    psi: tuple[float, float] = (0.1, 0.25)
    missing_change: float = Field(default=0.1, gt=0, lt=1)
    unit_psi: float = Field(default=0.2, gt=0)
    unit_left: float = Field(default=0.25, gt=0, lt=1)
    unit_alpha: float = Field(default=0.01, gt=0, lt=1)
    recalibrate_alpha: float = Field(default=0.01, gt=0, lt=1)
    retrain_alpha: float = Field(default=0.002, gt=0, lt=1)
    intercept: float = Field(default=0.2, ge=0)
    slope: tuple[float, float] = (0.8, 1.25)
    widest_intercept: float = Field(default=0.5, gt=0)
    changed_effect: float = Field(default=0.5, ge=0)
    therapy_sd: float = Field(default=0.35, gt=0)
    effect_sd: float = Field(default=1.0, gt=0)
    unseen_therapy_share: float = Field(default=0.2, gt=0, le=1)
    abstain_share: float = Field(default=0.2, gt=0, le=1)

    @model_validator(mode="after")
    def _limits_are_in_order(self) -> Self:
        if not 0 < self.psi[0] <= self.psi[1]:
            raise ValueError("psi takes two limits, the one that notes and the one that marks")
        if not self.slope[0] < 1 < self.slope[1]:
            raise ValueError("slope takes limits on either side of 1")
        return self


class Updating(Section):
    """How a model is recalibrated on a site's patients. Standard deviations are in log-odds."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    minimum_events: int = Field(default=10, ge=1)
    intercept_sd: float = Field(default=1.0, gt=0)
    slope_sd: float = Field(default=0.3, gt=0)
    nested_sd: float = Field(default=0.3, gt=0)
    folds: int = Field(default=5, ge=2)


class Promotion(Section):
    """When a challenger takes the champion's place."""

    log_loss_margin: float = Field(default=0.005, ge=0)
    net_benefit_margin: float = Field(default=0.005, ge=0)
