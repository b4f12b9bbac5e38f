"""What the audit counts as a fault."""

from __future__ import annotations

from pydantic import Field

from pipeline.config.section import Section


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
    crowding_odds_ratio : float
        The same for values near a class's median against those a little further away.
    spike_share : float
        Share of a column that one exact value may hold before it looks filled in.
    golden_auroc, golden_floor : float
        A single variable is too good with an AUROC within strata of at least the first
        and a lower confidence bound above the second. Baseline labs reach 0.55 to 0.70.
    spread_ratio : tuple of two floats
        Ratio of a variable's spread between the outcome's classes from which a significant
        difference warns and is an error. Effects of published size change it little.
    trend_auroc : float
        AUROC in the dictionary's direction below which an upper confidence bound warns.
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
    crowding_odds_ratio: float = Field(default=1.5, gt=1)
    spike_share: float = Field(default=0.08, gt=0, le=1)
    golden_auroc: float = Field(default=0.85, gt=0.5, le=1)
    golden_floor: float = Field(default=0.70, gt=0.5, lt=1)
    spread_ratio: tuple[float, float] = (1.3, 1.5)
    trend_auroc: float = Field(default=0.49, gt=0, le=0.5)
    near_identical_rho: float = Field(default=0.995, gt=0.9, le=1)
    duplicate_agreement: float = Field(default=0.8, gt=0.5, le=1)
    order_auroc: float = Field(default=0.6, gt=0.5, lt=1)
    expected_auroc: float = Field(default=0.70, gt=0.5, lt=1)
    shrinkage: float = Field(default=0.9, gt=0.5, lt=1)
    minimum_cell: int = Field(default=10, ge=1)
