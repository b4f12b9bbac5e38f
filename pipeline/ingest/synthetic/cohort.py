"""Synthetic cohorts: the parts put together, whole or block by block."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.config import Outcome, SyntheticSource
from pipeline.ingest.synthetic.baseline import Population, as_cohort
from pipeline.ingest.synthetic.design import draw_design
from pipeline.ingest.synthetic.facts import read_facts
from pipeline.ingest.synthetic.missingness import Missingness
from pipeline.ingest.synthetic.record import draw_record
from pipeline.ingest.synthetic.severity import Severity
from pipeline.ingest.synthetic.truth import true_risks

# A block has its own random stream, so that a cohort does not depend on how it is cut.
BLOCK = 10_000
_FIRST = [
    "patient_id", "site", "infusion_year", "age", "sex", "bmi", "ecog", "prior_infection",
    "autoimmune_history", "allergy_history", "disease", "marrow_blasts", "tumour_burden",
    "bulky_disease", "extramedullary_disease", "stage", "therapy", "prior_lines",
]  # fmt: skip


class Generator:
    """Draws the blocks of one cohort.

    Parameters
    ----------
    source : SyntheticSource
    seed : int
        Same source and seed: the same cohort, value for value.
    outcomes : dict of str to Outcome
        Their true risks are reported.
    data : Path
        The folder of facts.
    """

    def __init__(
        self, source: SyntheticSource, seed: int, outcomes: dict[str, Outcome], data: Path
    ) -> None:
        self.source, self.outcomes, self._seed = source, outcomes, seed
        self.facts = read_facts(data)
        rng = self._stream(0)
        self.population = Population(self.facts)
        self.design = draw_design(source, self.facts, rng)
        self.severity = Severity(source, self.population, self.design)
        self.missingness = Missingness(source, self.population, self.design, rng)

    def blocks(self) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Yield cohort and truth in blocks of 10,000 patients; the last may be shorter."""
        for number, start in enumerate(range(0, self.source.patients, BLOCK), start=1):
            patients = min(BLOCK, self.source.patients - start)
            yield self._block(number, start, patients)

    def _stream(self, *key: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=key))

    def _block(self, number: int, start: int, patients: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        # The course has a stream of its own: what is assumed of it leaves the baseline alone.
        rng, course = self._stream(number), self._stream(number, 1)
        population, targets = self.population, self.facts.targets
        site, arm, year = self.design.draw(rng, patients)
        scores = population.scores(rng, patients)
        levels = population.levels(scores, rng.random((patients, len(population.covariates))), arm)
        baseline = population.values(self.missingness.as_recorded(scores, arm), levels, arm)
        x = self.severity.predictors(scores, levels)
        grade = self.severity.draw(rng, x, arm, site, year)
        record = draw_record(course, self.facts, grade, arm, baseline)
        recorded = self.missingness.draw(rng, scores, site, arm)
        for name in baseline:
            column = population.column.get(name)
            if column is not None and baseline[name].dtype != object:
                recorded[:, column] &= ~np.isnan(baseline[name])
                baseline[name] = np.where(recorded[:, column], baseline[name], np.nan)
        # White cells come with the differential.
        baseline["wbc"] = np.where(np.isnan(baseline["anc"]), np.nan, baseline["wbc"])
        identity = pd.Series(np.arange(start + 1, start + patients + 1)).astype("str").str.zfill(7)
        names = {
            "patient_id": ("S" + identity).to_numpy(dtype=object),
            "site": self.design.sites[site],
            "infusion_year": year.astype(float),
            "disease": targets["disease"].to_numpy(dtype=object)[arm],
            "therapy": targets["therapy"].to_numpy(dtype=object)[arm],
        }
        columns = {**names, **baseline, **record}
        order = [*_FIRST, *(name for name in columns if name not in _FIRST)]
        cohort = as_cohort({name: columns[name] for name in order})
        risks = true_risks(
            self.severity, self.outcomes, scores, levels, recorded, self.missingness.tilt, arm
        )
        truth = pd.DataFrame({"patient_id": cohort["patient_id"]}).assign(
            **{f"risk_{name}": risk for name, risk in risks.items()}
        )
        return cohort, truth

    def report(self, therapies: dict[str, int]) -> dict[str, Any]:
        """Return what a reader should know about the cohort, as plain JSON values."""
        return {
            "kind": "synthetic",
            "patients": self.source.patients,
            "sites": self.source.sites,
            "therapies": therapies,
            "seed": self._seed,
            "effect_scale": self.source.effect_scale,
            "frailty_sd": self.source.frailty_sd,
            "statement": (
                "Synthetic patients, drawn from published aggregate figures and assumptions "
                "(data/README.md). Performance on them measures recovery of the generator's own "
                "assumptions, not clinical accuracy."
            ),
        }


def draw_cohort(
    source: SyntheticSource, seed: int, outcomes: dict[str, Outcome], data: Path
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Draw a synthetic cohort with its truth.

    Parameters
    ----------
    source : SyntheticSource
    seed : int
    outcomes : dict of str to Outcome
    data : Path
        The folder of facts (`data/`).

    Returns
    -------
    cohort : DataFrame
        Dictionary columns in canonical units, with the record after infusion.
    truth : DataFrame
        ``patient_id`` and ``risk_<outcome>`` for each outcome on ``crs_grade``: the risk
        given the recorded baseline. For evaluation only.
    report : dict
        Plain JSON values.

    Raises
    ------
    InputError
        If a table of facts is damaged or the config names an unknown therapy.
    """
    generator = Generator(source, seed, outcomes, data)
    blocks = list(generator.blocks())
    cohort = pd.concat([block[0] for block in blocks], ignore_index=True)
    truth = pd.concat([block[1] for block in blocks], ignore_index=True)
    counts = cohort["therapy"].value_counts()
    return cohort, truth, generator.report({str(k): int(v) for k, v in sorted(counts.items())})
