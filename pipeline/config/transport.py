"""How the procedure is tried where it was not trained, and on fewer patients."""

from __future__ import annotations

from pydantic import Field

from pipeline.config.section import Section


class Transport(Section):
    """How the procedure is tried on sites, therapies and years that it was not trained on.

    Attributes
    ----------
    site, therapy, year : str or None
        Columns that name the treating centre, the therapy (read where no therapy prior
        names it, and then also the stratum of all figures within therapy and of the therapy-only
        comparator) and the year. What is None, or is not in the cohort, is passed over.
    units : int
        At most so many sites, and so many therapies, are left out in turn: those with most
        patients in the smaller class of the primary outcome. The others stay in the training
        of all.
    minimum_events : int
        Patients of the smaller outcome class that a unit needs for figures of its own.
    latest_share : float
        The last years that hold at least this share of patients are the temporal test.
    """

    site: str | None = "site"
    therapy: str | None = "therapy"
    year: str | None = "infusion_year"
    units: int = Field(default=10, ge=2)
    minimum_events: int = Field(default=10, ge=2)
    latest_share: float = Field(default=0.2, gt=0, lt=1)


class Learning(Section):
    """Whether more patients would help.

    Attributes
    ----------
    sizes : int
        Training sizes of the learning curve, each half of the next; the largest is that of
        an evaluation fold.
    repeats : int
        Repeats of the evaluation's cross-validation that the curve uses, at most; each more
        narrows the intervals and costs as much time again.
    subsets : int
        Random subsets of each size that are drawn from each fold's training patients.
    worthwhile : float
        Log-loss that a doubling of the cohort must save to be worth it: by default a
        fifteenth of what the default run's model saves over the therapy alone.
    """

    sizes: int = Field(default=5, ge=2)
    repeats: int = Field(default=1, ge=1)
    subsets: int = Field(default=1, ge=1)
    worthwhile: float = Field(default=0.002, gt=0)
