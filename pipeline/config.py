"""What a config may say: one YAML file is one run.

Every section is a small typed model that refuses unknown keys. The defaults stand here
once; ``configs/default.yaml`` shows each of them with a comment, and a test keeps the two
equal.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from pipeline.errors import did_you_mean


class Section(BaseModel):
    """A part of the config: typed, unchangeable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _cell_text(value: Any) -> Any:
    """Text of a cell as a config may write it: YAML reads 0 and -99 as numbers."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value) if isinstance(value, int | float) else value


CellText = Annotated[str, BeforeValidator(_cell_text)]


class ColumnSource(Section):
    """Where one cohort variable comes from in a wide table.

    In YAML either the column's name alone, or a mapping with these keys.
    """

    column: str
    unit: str | None = None
    day: str | None = None
    recode: dict[CellText, str | float | None] = Field(default_factory=dict)


class LongRows(Section):
    """How a long table (one row per patient and measurement) is read."""

    name: str
    value: str
    day: str | None = None
    unit: str | None = None


class LongSource(Section):
    """Which rows of a long table become one cohort variable."""

    rows: CellText
    unit: str | None = None
    recode: dict[CellText, str | float | None] = Field(default_factory=dict)


class Table(Section):
    """One file of a cohort: wide (``columns``) or long (``long`` and ``variables``)."""

    file: str
    key: str
    sheet: str | int = 0
    separator: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    missing: list[CellText] = Field(default_factory=lambda: ["", "NA", "NaN", "nan", "N/A", "."])
    columns: dict[str, ColumnSource] = Field(default_factory=dict)
    long: LongRows | None = None
    variables: dict[str, LongSource] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = dict(data)
            for part, field in (("columns", "column"), ("variables", "rows")):
                if isinstance(data.get(part), dict):
                    data[part] = {
                        k: {field: v} if isinstance(v, str | int) else v
                        for k, v in data[part].items()
                    }
        return data

    @model_validator(mode="after")
    def _wide_or_long(self) -> Self:
        if bool(self.long) != bool(self.variables):
            raise ValueError("a long table needs both 'long' and 'variables'")
        if bool(self.long) == bool(self.columns):
            raise ValueError("a table takes either 'columns', or 'long' and 'variables'")
        return self


CohortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class TableSource(Section):
    """A cohort read from files.

    ``public`` names a cohort of ``data/public_cohorts.yaml``: a table that is not where its
    ``file`` says is looked for, by its name, among those that ``python -m pipeline fetch``
    made of that cohort. ``obtain`` says where else the files come from.
    """

    kind: Literal["table"]
    tables: list[Table] = Field(min_length=1)
    constants: dict[str, str | float] = Field(default_factory=dict)
    public: CohortName | None = None
    obtain: str | None = None


class SyntheticSource(Section):
    """A cohort drawn by the generator, with known truth.

    ``therapies`` weighs the therapies of ``data/generator_targets.csv`` against each other
    (empty: all rows alike); ``effect_scale`` multiplies the effects of ``data/effects.csv``,
    ``missing`` the published shares of missing values; ``frailty_sd`` is the spread, in
    log-odds, of what no baseline variable shows.
    """

    kind: Literal["synthetic"]
    facts: str = "../data"
    patients: int = Field(default=2000, ge=40)
    sites: int = Field(default=8, ge=1)
    therapies: dict[str, float] = Field(default_factory=dict)
    years: tuple[int, int] = (2018, 2025)
    effect_scale: float = Field(default=0.8, ge=0)
    frailty_sd: float = Field(default=1.0, ge=0)
    missing: float = Field(default=1.0, ge=0, le=2)

    @model_validator(mode="after")
    def _years_in_order(self) -> Self:
        if self.years[0] > self.years[1]:
            raise ValueError("years must be [first, last] with first <= last")
        return self


class Window(Section):
    """Days relative to infusion within which a value counts as baseline, both included.

    Days are whole days: a value drawn on day 0.4 was drawn on day 0.
    """

    first_day: int = -30
    last_day: int = Field(default=0, le=0)


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


class Predictors(Section):
    """Which baseline variables and scores the model may use."""

    include: Literal["all"] | list[str] = "all"
    exclude: list[str] = Field(default_factory=list)
    scores: Literal["all"] | list[str] = "all"


class Trees(Section):
    """The small monotone LightGBM; leaves and number of trees by inner cross-validation."""

    leaves: list[int] = Field(default_factory=lambda: [2, 4, 8], min_length=1)
    trees: list[int] = Field(default_factory=lambda: [15, 30, 60, 120], min_length=1)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    bins: int = Field(default=63, ge=2, le=255)
    min_patients_per_leaf: int = Field(default=20, ge=1)
    l2: float = Field(default=5.0, ge=0)
    feature_fraction: float = Field(default=0.7, gt=0, le=1)
    bagging_fraction: float = Field(default=0.8, gt=0, le=1)


class Linear(Section):
    """A penalised logistic learner; the penalty by inner cross-validation.

    A penalty is weighed against the summed log-likelihood: for the ridge it is the precision
    of the scaled coefficients' normal prior, so that 100 stands for a prior sd of 0.1.
    ``knots`` are those of the restricted cubic splines, 0 for straight terms.
    """

    penalties: list[float] = Field(min_length=1)
    l1_ratio: float = Field(ge=0, le=1)
    knots: Literal[0, 3, 4, 5]


class Ridge(Linear):
    """Smooth curves of all columns, shrunk together."""

    penalties: list[float] = Field(default=[10, 30, 100, 300, 1000, 3000], min_length=1)
    l1_ratio: float = Field(default=0.0, ge=0, le=1)
    knots: Literal[0, 3, 4, 5] = 4


class ElasticNet(Linear):
    """Straight terms, some of them dropped."""

    penalties: list[float] = Field(default=[5, 10, 20, 40, 80, 160], min_length=1)
    l1_ratio: float = Field(default=0.5, ge=0, le=1)
    knots: Literal[0, 3, 4, 5] = 0


class Deviation(Section):
    """Prior beliefs about the recalibration ``a + b f`` of the learned deviations.

    ``borrowed`` are the weights of the deviations of outcomes nested with the head's own.
    """

    intercept_sd: float = Field(default=1.0, gt=0)
    slope_mean: float = Field(default=0.5, ge=0)
    slope_mean_without_prior: float = Field(default=1.0, ge=0)
    slope_sd: float = Field(default=0.4, gt=0)
    borrowed_mean: float = Field(default=0.35, ge=0)
    borrowed_sd: float = Field(default=0.2, gt=0)


class Model(Section):
    """How the risk model is fitted."""

    minimum_patients: int = Field(default=100, ge=1)
    minimum_events: int = Field(default=30, ge=1)
    inner_folds: int = Field(default=5, ge=2)
    tuning_patients: int = Field(default=20000, ge=200)
    one_standard_error: bool = False
    factors: int = Field(default=8, ge=1)
    therapy_sd: float = Field(default=0.25, gt=0)
    trees: Trees = Field(default_factory=Trees)
    ridge: Ridge = Field(default_factory=Ridge)
    elastic_net: ElasticNet = Field(default_factory=ElasticNet)
    deviation: Deviation = Field(default_factory=Deviation)
    interval_level: float = Field(default=0.90, gt=0, lt=1)
    coefficient_sd: float = Field(default=0.18, gt=0)


class Audit(Section):
    """What the audit counts as a fault. It reads the data; it never changes them.

    Attributes
    ----------
    alpha_error, alpha_warning : float
        Family-wise error rate of each statistical check at which it reports an error or a
        warning: over all columns, and for missing values by outcome for each outcome.
    permutations : int
        Random orders behind a permutation p-value; the smallest p is 1 / (this + 1).
    permutation_patients : int
        Above this many patients the statistical checks read a random sample of this size.
    strata : list of str
        Columns whose groups differ in outcome, missingness and level for good reasons.
        Associations are sought within them; absent columns are passed over.
    grading_column, grading_system : str
        The column that names the grading system, and the system the rates refer to.
    out_of_range_share : float
        Share of a column's values outside the plausible range from which it is an error.
    dropped_share : float
        Share of a source column's values outside the window, or undated, that warns.
    missing_share : float
        Share of missing values in a column that warns.
    missingness_auroc : tuple of two floats
        AUROC of a missingness indicator, within strata, from which a significant
        association warns and is an error. Sicker patients are measured more often: a
        weak association is ordinary care.
    joint_missingness_auroc : tuple of two floats
        The same for the cross-validated AUROC of the whole missingness pattern.
    repeated_odds_ratio : float
        Odds of an outcome class among patients that share one exact value, against
        patients with neighbouring values, from which repetition is class-wise filling.
    spike_share : float
        Share of a column that one exact value may hold before it looks filled in.
    golden_auroc, golden_floor : float
        A single variable is too good with an AUROC within strata of at least the first
        and a lower confidence bound above the second. Baseline labs reach 0.55 to 0.70.
    near_identical_rho : float
        Rank correlation from which two columns count as the same.
    duplicate_agreement : float
        Share of the values two patients have in common from which they are near-duplicates.
    order_auroc : float
        AUROC, within strata, of the row order or the patient number that warns.
    expected_auroc, shrinkage : float
        What Riley's minimum sample size assumes of the model, and asks of it.
    minimum_cell : int
        Counts that pair a variable with an outcome are shown from this many patients on.
    """

    alpha_error: float = Field(default=0.002, gt=0, lt=0.5)
    alpha_warning: float = Field(default=0.05, gt=0, lt=0.5)
    permutations: int = Field(default=1999, ge=199)
    permutation_patients: int = Field(default=20000, ge=200)
    strata: list[str] = Field(default_factory=lambda: ["therapy", "disease"])
    grading_column: str = "grading_system"
    grading_system: str = "ASTCT"
    out_of_range_share: float = Field(default=0.02, gt=0, le=1)
    dropped_share: float = Field(default=0.2, gt=0, le=1)
    missing_share: float = Field(default=0.5, gt=0, le=1)
    missingness_auroc: tuple[float, float] = (0.53, 0.62)
    joint_missingness_auroc: tuple[float, float] = (0.55, 0.67)
    repeated_odds_ratio: float = Field(default=3.0, gt=1)
    spike_share: float = Field(default=0.08, gt=0, le=1)
    golden_auroc: float = Field(default=0.85, gt=0.5, le=1)
    golden_floor: float = Field(default=0.70, gt=0.5, lt=1)
    near_identical_rho: float = Field(default=0.995, gt=0.9, le=1)
    duplicate_agreement: float = Field(default=0.8, gt=0.5, le=1)
    order_auroc: float = Field(default=0.6, gt=0.5, lt=1)
    expected_auroc: float = Field(default=0.70, gt=0.5, lt=1)
    shrinkage: float = Field(default=0.9, gt=0.5, lt=1)
    minimum_cell: int = Field(default=10, ge=1)


class Evaluation(Section):
    """How the risks are judged."""

    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=2, ge=1)
    group: str | None = None
    bootstrap: int = Field(default=1000, ge=100)
    interval_level: float = Field(default=0.95, gt=0, lt=1)
    thresholds: dict[str, list[Annotated[float, Field(gt=0, lt=1)]]] = Field(default_factory=dict)
    net_benefit: tuple[float, float] = (0.01, 0.60)
    therapy_only_sd: float = Field(default=0.25, gt=0)
    minimum_cell: int = Field(default=10, ge=1)
    processes: int = Field(default=2, ge=1)

    @model_validator(mode="after")
    def _net_benefit_is_a_range(self) -> Self:
        low, high = self.net_benefit
        if not 0 < low < high < 1:
            raise ValueError("net_benefit takes the lowest and highest threshold, between 0 and 1")
        return self


class Explanation(Section):
    """What is explained and drawn."""

    leading_variables: int = Field(default=6, ge=1)
    rows: int = Field(default=1000, ge=10)


class Card(Section):
    """What only people can know, printed on the model card as it stands here.

    What is "not stated" or "not assessed" is printed as not assessed.
    """

    title: str
    intended_use: str
    intended_users: str
    out_of_scope: list[str] = Field(default_factory=list)
    horizon: str
    population: str
    owner: str = "not stated"
    licence: str = "not stated"
    ethics: str = "not assessed"
    inequalities: str = "not stated"
    bias_mitigation: str = "not stated"
    risk_level: str = "not stated"
    funding: str = "not stated"
    interests: str = "not stated"
    protocol: str = "not stated"
    patient_involvement: str = "not stated"
    maintenance: str = "not stated"


class Gate(Section):
    """What a model must show before it may become champion."""

    minimum_events: int = Field(default=100, ge=0)
    calibration_slope: tuple[float, float] = (0.8, 1.25)
    calibration_intercept: tuple[float, float] = (-0.2, 0.2)
    better_than_therapy_only: bool = True


class Registry(Section):
    """Where the model is registered, and under which name."""

    model_name: str = "crs-risk"
    experiment: str = "crs-risk"
    store: str = "../models/mlflow.db"
    gate: Gate = Field(default_factory=Gate)


class Scoring(Section):
    """When a served model gives no risk."""

    leading_variables: int = Field(default=5, ge=1)
    minimum_leading_present: int = Field(default=2, ge=0)


class Config(Section):
    """One run. Paths are relative to the config file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    seed: int = Field(default=20260, ge=0)
    runs: str = "../models"
    dictionary: str = "variables.yaml"
    source: Annotated[SyntheticSource | TableSource, Field(discriminator="kind")]
    window: Window = Field(default_factory=Window)
    outcomes: dict[str, Outcome] = Field(min_length=1)
    primary_outcome: str
    therapy_prior: TherapyPrior | None = None
    predictors: Predictors = Field(default_factory=Predictors)
    model: Model = Field(default_factory=Model)
    audit: Audit = Field(default_factory=Audit)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    explanation: Explanation = Field(default_factory=Explanation)
    card: Card
    registry: Registry = Field(default_factory=Registry)
    scoring: Scoring = Field(default_factory=Scoring)
    file: Path = Field(exclude=True)

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.primary_outcome not in self.outcomes:
            hint = did_you_mean(self.primary_outcome, self.outcomes)
            raise ValueError(f"primary_outcome '{self.primary_outcome}' is no outcome{hint}")
        for name in self.outcomes:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
                raise ValueError(
                    f"outcomes: '{name}' names files and columns: take letters, digits, _ . or -"
                )
        for name in self.evaluation.thresholds:
            if name not in self.outcomes:
                hint = did_you_mean(name, self.outcomes)
                raise ValueError(f"evaluation.thresholds names '{name}', which is no outcome{hint}")
        return self

    def path(self, relative: str) -> Path:
        """Return a path of the config, which is written relative to the config's folder."""
        return (self.file.parent / relative).resolve()

    @property
    def run_folder(self) -> Path:
        """Where the run's stages leave their outputs."""
        return self.path(self.runs) / self.name
