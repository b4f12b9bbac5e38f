"""Therapy attributes, and the therapy prior: published CRS rates as log-odds.

Each product's rate is estimated in steps, from the general to the particular: its modality,
its modality and target, the product, the product in a disease. At each step the published
studies of that level are pooled by likelihood and shrunk towards the step before, so that a
product with little evidence leans on its relatives, and one without a published rate of its
own takes theirs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from pipeline.cohort.grading_systems import comparable
from pipeline.config import TherapyPrior

ATTRIBUTES = ("modality", "target", "costimulation", "step_up")

ANY_DISEASE = ""

# Of a log-odds of which nothing is known: 95 % of rates lie between 0.7 and 99.3 %.
_UNKNOWN_SD = 2.5


class Rate(BaseModel):
    """A published rate as the prior uses it.

    Attributes
    ----------
    log_odds, sd : float
        Centre and standard deviation on the logit scale.
    basis : str
        ``own`` where the product's own studies enter, or the pool of other products that
        it was taken from.
    evidence : str
        ``published`` where a confirmed study of the product is behind it, ``assumed`` where none
        is; ``pooled`` where it is that of other products; ``interpolated`` between grades.
    """

    model_config = ConfigDict(frozen=True)

    log_odds: float
    sd: float
    basis: str
    evidence: Literal["published", "assumed", "pooled", "interpolated"]


class TherapyFacts(BaseModel):
    """What the model knows of therapies: names, attributes and rates, as plain text.

    Attributes
    ----------
    aliases : dict
        Folded name or alias to the canonical name.
    attributes : dict
        Canonical name to its ``modality``, ``target``, ``costimulation``, ``step_up``.
    rates : dict
        Canonical name to disease ("" for any other) to grade ("1", "2", "3") to ``Rate``.
    """

    model_config = ConfigDict(frozen=True)

    aliases: dict[str, str]
    attributes: dict[str, dict[str, str]]
    rates: dict[str, dict[str, dict[str, Rate]]]

    def names(self, values: np.ndarray) -> np.ndarray:
        """Canonical names of therapies, shape (n,); None where unknown or missing."""
        codes, unique = pd.factorize(np.asarray(values, dtype=object))
        # Position -1, the missing value's code, is the None at the end.
        found = [self.aliases.get(str(value).strip().casefold()) for value in unique]
        return np.array([*found, None], dtype=object)[codes]

    def values(self, names: np.ndarray, source: str) -> np.ndarray:
        """Text of a therapy source: the product itself, or one of its attributes, shape (n,)."""
        if source == "therapy":
            return names
        attribute = source.removeprefix("therapy_")
        codes, unique = pd.factorize(names)
        found = [self.attributes[name][attribute] for name in unique]
        return np.array([*found, None], dtype=object)[codes]

    def rate(self, therapy: str, disease: str | None, grade: float) -> Rate | None:
        """Rate of reaching a grade, or None where no published rate bears on it."""
        by_disease = self.rates[therapy]
        by_grade = by_disease.get(disease or ANY_DISEASE, by_disease[ANY_DISEASE])
        return by_grade.get(f"{grade:g}")

    def prior(
        self, therapies: np.ndarray, diseases: np.ndarray | None, grades: list[float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Prior log-odds and their standard deviation, shape (n, outcomes).

        Parameters
        ----------
        therapies : ndarray of str, shape (n,)
            Canonical names, as ``names`` returns them; None gives NaN.
        diseases : ndarray of str or None, shape (n,)
        grades : list of float
            Lowest grade that counts as an event, per outcome.
        """
        keys = pd.MultiIndex.from_arrays(
            [
                pd.Series(therapies, dtype=object).fillna("").to_numpy(),
                pd.Series(diseases if diseases is not None else [""] * len(therapies), dtype=object)
                .fillna("")
                .to_numpy(),
            ]
        )
        codes, unique = keys.factorize()
        table = np.full((len(unique), len(grades), 2), np.nan)
        for row, (therapy, disease) in enumerate(unique):
            for column, grade in enumerate(grades):
                found = self.rate(therapy, disease, grade) if therapy else None
                if found is not None:
                    table[row, column] = found.log_odds, found.sd
        values = table[codes]
        return values[:, :, 0], values[:, :, 1]


def therapy_facts(therapies: pd.DataFrame, settings: TherapyPrior) -> TherapyFacts:
    """Estimate every product's rates from the published ones.

    Parameters
    ----------
    therapies : DataFrame
        As ``read_therapies`` returns it: one row per product and study.
    settings : TherapyPrior
        How far each kind of evidence is trusted.
    """
    studies = _studies(therapies, settings)
    rates: dict[str, dict[str, dict[str, Rate]]] = {}
    for name, rows in therapies.groupby("therapy", sort=True):
        product = rows.iloc[0]
        diseases = [ANY_DISEASE, *sorted({d for d in rows["disease"] if d})]
        rates[str(name)] = {
            disease: _rates_by_grade(product, disease, studies, settings) for disease in diseases
        }
    first = therapies.drop_duplicates("therapy").set_index("therapy")
    attributes = {
        str(name): {a: _text(first.loc[name, a]) for a in ATTRIBUTES} for name in first.index
    }
    return TherapyFacts(aliases=_aliases(therapies), attributes=attributes, rates=rates)


def _studies(therapies: pd.DataFrame, settings: TherapyPrior) -> pd.DataFrame:
    """One row per usable study and grade: patients and events that it counts for.

    A study counts for fewer patients than it had, because its rate also differs from the
    next study's by ``study_sd`` (and more where it is assumed or graded otherwise): for so
    many that its binomial variance on the logit scale is the sum of both. A study without
    events keeps nearly all its weight: 0 of 97 says much about a rate of 5 %.
    """
    usable = therapies[therapies["use"] == "rate"]
    parts = []
    for grade, column in (("1", "any_pct"), ("3", "ge3_pct")):
        part = usable[usable[column].notna()].copy()
        # A row may be published, but this rate of it only recalled.
        recalled = (
            part["assumed_fields"]
            .fillna("")
            .str.split(";")
            .map(lambda fields, name=column: name in fields)
        )
        part["evidence"] = part["evidence"].where(~recalled, "assumed")
        n = part["patients"].fillna(settings.patients_when_unknown).to_numpy(float)
        rate = part[column].to_numpy(float) / 100
        # An assumption that names no study has no sample. To count it for a few patients would
        # make "0.1 %" mean "none of fifty", which speaks as well for 1 %.
        assumed = (part["evidence"] == "assumed").to_numpy()
        no_sample = assumed & part["patients"].isna().to_numpy() & (rate > 0) & (rate < 1)
        p = np.where(no_sample, rate, (rate * n + 0.5) / (n + 1))
        spread = np.full(len(part), settings.study_sd**2)
        spread += np.where(assumed, settings.assumed_sd**2, 0)
        near_astct = part["grading_system"].map(lambda system: comparable(system, "ASTCT"))
        spread += np.where(near_astct, 0, settings.other_grading_sd**2)
        counted = 1 / (np.where(no_sample, 0.0, 1 / n) + spread * p * (1 - p))
        part["grade"], part["counted"], part["events"] = grade, counted, rate * counted
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _rates_by_grade(
    product: pd.Series, disease: str, studies: pd.DataFrame, settings: TherapyPrior
) -> dict[str, Rate]:
    found = {}
    for grade in ("1", "3"):
        rate = _pooled(product, disease, studies[studies["grade"] == grade], settings)
        if rate is not None:
            found[grade] = rate
    if len(found) == 2:
        # Grade >= 2 is seldom published: half way between on the logit scale, an assumption.
        low, high = found["1"], found["3"]
        found["2"] = Rate(
            log_odds=(low.log_odds + high.log_odds) / 2,
            sd=float(np.hypot(np.hypot(low.sd, high.sd) / 2, settings.study_sd)),
            basis=low.basis if low.basis == high.basis else f"{low.basis}; {high.basis}",
            evidence="interpolated",
        )
    return dict(sorted(found.items()))


def _pooled(
    product: pd.Series, disease: str, studies: pd.DataFrame, settings: TherapyPrior
) -> Rate | None:
    own = studies["therapy"] == product["therapy"]
    # Each study is counted at one step only: a pool holds the other products.
    relatives = ~own & (studies["modality"] == product["modality"])
    target = relatives & (studies["target"] == product["target"])
    modality = relatives & ~target
    elsewhere = own & (studies["disease"] != disease) if disease else own
    steps = [
        (f"pooled over {_words(product['modality'])}", modality),
        (f"pooled over {_words(product['modality'])} against {product['target']}", target),
        ("own", elsewhere),
        (f"own, in {disease}", own & ~elsewhere),
    ]
    estimate: Rate | None = None
    for basis, rows in steps:
        # One other product is no pool: nothing would tell how products of the kind differ.
        enough = rows.any() if basis.startswith("own") else len(set(studies["therapy"][rows])) > 1
        if enough:
            estimate = _shrunk(studies[rows], estimate, basis, settings.pool_sd)
    return estimate


def _shrunk(rows: pd.DataFrame, parent: Rate | None, basis: str, pool_sd: float) -> Rate:
    """Pool studies by their binomial likelihood, with the more general estimate as prior."""
    centre, sd = (parent.log_odds, pool_sd) if parent else (0.0, _UNKNOWN_SD)
    mean, error = _most_likely(rows["events"].sum(), rows["counted"].sum(), centre, sd)
    # A pool says how products of the kind behave on average; one product differs by pool_sd.
    own = basis.startswith("own")
    spread = 0.0 if own else pool_sd
    stated: Literal["published", "assumed"] = (
        "published" if (rows["evidence"] == "published").any() else "assumed"
    )
    return Rate(
        log_odds=mean,
        sd=float(np.hypot(error, spread)),
        basis=basis,
        evidence=stated if own else "pooled",
    )


def _most_likely(events: float, n: float, centre: float, sd: float) -> tuple[float, float]:
    """Posterior mode of a log-odds and its standard deviation: binomial times normal."""
    theta = centre
    for _ in range(100):
        rate = 1 / (1 + np.exp(-theta))
        curvature = n * rate * (1 - rate) + sd**-2.0
        step = (events - n * rate - (theta - centre) / sd**2) / curvature
        theta += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-12:
            break
    return float(theta), float(curvature**-0.5)


def _aliases(therapies: pd.DataFrame) -> dict[str, str]:
    names = therapies[["therapy", "aliases"]].drop_duplicates()
    table: dict[str, str] = {}
    for therapy, aliases in names.itertuples(index=False):
        for alias in [therapy, *str(aliases or "").split(";")]:
            if alias.strip():
                table[alias.strip().casefold()] = therapy
    return dict(sorted(table.items()))


def _words(modality: str) -> str:
    return modality.replace("_", " ").replace("car t", "CAR-T")


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)
