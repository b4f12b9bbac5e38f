"""What is predicted, from what, and how the risk model is fitted."""

from __future__ import annotations

from typing import Literal, cast, get_args

from pydantic import Field

from pipeline.config.section import Section


class Outcome(Section):
    """A binary outcome: ``column`` reaches ``at_least``."""

    column: str
    at_least: float = 1
    label: str


class TherapyPrior(Section):
    """Published rates of the therapies, and how far each kind of evidence is trusted.

    The rates are rates of reaching a grade of ``outcome``; outcomes of other columns start
    from their own base rate. Standard deviations are on the logit scale.
    """

    table: str
    outcome: str = "crs_grade"
    therapy: str = "therapy"
    disease: str | None = "disease"
    study_sd: float = Field(default=0.25, gt=0)
    assumed_sd: float = Field(default=0.25, ge=0)
    other_grading_sd: float = Field(default=0.5, ge=0)
    patients_when_unknown: int = Field(default=50, ge=1)
    pool_sd: float = Field(default=0.8, gt=0)


ColumnCheck = Literal[
    "missingness_by_outcome",
    "filled_by_class",
    "golden_feature",
    "constant_within_class",
    "copied_follow_up",
    "near_identical",
    "constant",
]


class Predictors(Section):
    """Which baseline variables and scores the model may use.

    Attributes
    ----------
    include, exclude, scores
        Names, or ``all``.
    drop_audited : list of str
        Checks of the audit for whose error a variable, and the scores computed from it, are
        dropped before fitting: found anew on the training patients of each fold, or a leak
        would be judged with the help of the patients it is judged on. Copies of a column
        and constants are dropped too, which are no errors.
    """

    include: Literal["all"] | list[str] = "all"
    exclude: list[str] = Field(default_factory=list)
    scores: Literal["all"] | list[str] = "all"
    drop_audited: list[ColumnCheck] = Field(
        default_factory=lambda: cast(list[ColumnCheck], list(get_args(ColumnCheck)))
    )

    def admit(self, name: str) -> bool:
        """Whether a variable, if it was known before infusion, may be a predictor."""
        return name not in self.exclude and (self.include == "all" or name in self.include)


class Trees(Section):
    """The small monotone LightGBM; leaves and number of trees by inner cross-validation."""

    leaves: list[int] = Field(default_factory=lambda: [2, 4, 8], min_length=1)
    trees: list[int] = Field(default_factory=lambda: [15, 30, 60, 120], min_length=1)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    bins: int = Field(default=63, ge=2, le=255)
    min_patients_per_leaf: int = Field(default=20, ge=1)
    min_share_per_leaf: float = Field(default=0.05, gt=0, lt=0.5)
    l2: float = Field(default=5.0, ge=0)
    feature_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)


class Linear(Section):
    """A penalised logistic learner; the penalty by inner cross-validation.

    A penalty is weighed against the summed log-likelihood: for the ridge it is the precision
    of the scaled coefficients' normal prior, so that 100 stands for a prior sd of 0.1.
    ``knots`` are those of the restricted cubic splines, 0 for straight terms. A straight term
    of a column whose direction is known bears ``known_direction`` of the penalty, a curved term
    ``curvature`` times it.
    """

    penalties: list[float] = Field(min_length=1)
    l1_ratio: float = Field(ge=0, le=1)
    knots: Literal[0, 3, 4, 5]
    known_direction: float = Field(default=0.5, gt=0)
    curvature: float = Field(default=10.0, gt=0)


class Ridge(Linear):
    """Smooth curves of all columns, shrunk together."""

    penalties: list[float] = Field(default=[1, 3, 10, 30, 100, 300, 1000, 3000], min_length=1)
    l1_ratio: float = Field(default=0.0, ge=0, le=1)
    knots: Literal[0, 3, 4, 5] = 4


class ElasticNet(Linear):
    """Straight terms, some of them dropped."""

    penalties: list[float] = Field(default=[1, 2.5, 5, 10, 20, 40, 80, 160], min_length=1)
    l1_ratio: float = Field(default=0.5, ge=0, le=1)
    knots: Literal[0, 3, 4, 5] = 0


class Deviation(Section):
    """Prior beliefs about ``a``, ``b`` and ``m`` in ``logit(risk) = prior + u + a + m sum(b f)``.

    The three learners' weights ``b`` are believed alike; ``weight_mean`` is their sum. ``m``
    is how far a therapy's modality follows the common deviation, 1 where nothing is known.
    """

    intercept_sd: float = Field(default=1.0, gt=0)
    weight_mean: float = Field(default=1.0, ge=0)
    weight_sd: float = Field(default=0.2, gt=0)
    modality_sd: float = Field(default=0.3, gt=0)


class Model(Section):
    """How the risk model is fitted."""

    minimum_patients: int = Field(default=100, ge=1)
    minimum_events: int = Field(default=30, ge=1)
    inner_folds: int = Field(default=5, ge=2)
    tuning_patients: int = Field(default=20000, ge=200)
    factors: int = Field(default=8, ge=1)
    therapy_sd: float = Field(default=0.25, gt=0)
    trees: Trees = Field(default_factory=Trees)
    ridge: Ridge = Field(default_factory=Ridge)
    elastic_net: ElasticNet = Field(default_factory=ElasticNet)
    deviation: Deviation = Field(default_factory=Deviation)
    interval_level: float = Field(default=0.90, gt=0, lt=1)
    coefficient_sd: float = Field(default=0.07, gt=0)
    coefficient_sd_unfitted: float = Field(default=0.18, gt=0)
