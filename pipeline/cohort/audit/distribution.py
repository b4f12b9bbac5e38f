"""How a variable is spread by outcome: too unlike, or the wrong way round."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import norm

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.statistics import correlation, stratified_auroc

SMALLEST_CLASS = 10


def spread_by_outcome(material: Material) -> Iterator[Finding]:
    """A variable more spread out in one outcome class than in the other, beyond nature.

    Statistic: rank of the distance from the class's own centre, given therapy and site
    (after Brown and Forsythe), correlated with the residual outcome; normal p,
    Bonferroni-adjusted over columns and outcomes. Effect: ratio of the classes'
    interquartile ranges of what groups leave over. Part of a class in another unit widens
    it, filling narrows it.
    """
    settings, outcomes = material.settings, list(material.events)
    occurred = material.events.to_numpy(dtype=bool)
    smaller = np.minimum(occurred.sum(axis=0), (~occurred).sum(axis=0))
    tested = np.flatnonzero(smaller >= SMALLEST_CLASS)
    values, names = material.scores
    if not names or not len(tested):
        return
    clearest: dict[str, Finding] = {}
    for column in tested.tolist():
        event, outcome = occurred[:, column], str(outcomes[column])
        known = ~np.isnan(values)
        least = np.minimum(known[event].sum(axis=0), known[~event].sum(axis=0))
        judged = np.flatnonzero(least >= SMALLEST_CLASS)
        if not len(judged):
            continue
        distance, ratio = _distances(values[:, judged], event)
        found = correlation(material.adjusted(distance), material.scaled_events[:, [column]])
        # Ranks and scaled outcomes are bounded: a correlation of ten in either class is normal.
        p = 2 * len(names) * len(tested) * norm.sf(np.abs(found[:, 0]) * np.sqrt(len(event)))
        for k in np.flatnonzero(p <= settings.alpha_warning):
            name = names[judged[k]]
            wider = max(ratio[k], 1 / ratio[k])
            if wider < settings.spread_ratio[0]:
                continue
            grave = p[k] <= settings.alpha_error and wider >= settings.spread_ratio[1]
            if name in clearest and clearest[name].figure["p"] <= p[k]:
                continue
            clearest[name] = Finding(
                "spread_by_outcome",
                "error" if grave else "warning",
                f"'{name}' is spread {wider:.2g} times as wide in "
                f"{'events' if ratio[k] > 1 else 'patients without the event'} of "
                f"'{outcome}' as in the others, p {p[k]:.2g}{material.sampled}.",
                "Check whether part of these patients' values are in another unit, or were filled.",
                name,
                int(known[:, judged[k]].sum()),
                {"ratio": float(ratio[k]), "p": p[k], "outcome": outcome},
            )
    yield from clearest.values()


def against_trend(material: Material) -> Iterator[Finding]:
    """A variable whose relation to the outcome runs against the dictionary's trend.

    Statistic: AUROC within strata, its upper confidence bound (Hanley and McNeil,
    Bonferroni-adjusted) below `trend_auroc`. A unit changed in the events, exchanged
    classes or a column of another name do this; chance seldom does.
    """
    settings = material.settings
    variables = [v for v in material.predictors if v.trend and v.kind != "categorical"]
    tests = max(1, len(variables) * material.events.shape[1])
    bound = norm.isf(settings.alpha_warning / tests)
    pooled = np.zeros(len(material.sample), dtype=int)
    for variable in variables:
        ranks = material.adjusted_ranks(material.sample[variable.name].to_numpy(dtype=float))
        for outcome, event in material.events.items():
            auroc = stratified_auroc(ranks, event.to_numpy(), pooled)
            along = auroc.estimate if variable.trend == "up" else 1 - auroc.estimate
            if along + bound * auroc.standard_error(0.5) < settings.trend_auroc:
                yield Finding(
                    "against_trend",
                    "warning",
                    f"'{variable.name}' goes with '{outcome}' against the dictionary's trend: "
                    f"AUROC {along:.2f} in the expected direction{material.sampled}.",
                    "Check the column's unit, coding and mapping, above all in the events; "
                    "or correct 'trend' in the dictionary.",
                    variable.name,
                    int(material.sample[variable.name].notna().sum()),
                    {"auroc": along, "outcome": str(outcome)},
                )
                break


def _distances(values: np.ndarray, event: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks (0 to 1, missing in the middle) of distances from the class centre; IQR ratio."""
    centred = values.copy()
    width = []
    for label in (True, False):
        low, middle, high = np.nanquantile(values[event == label], [0.25, 0.5, 0.75], axis=0)
        centred[event == label] -= middle
        width.append(np.maximum(high - low, 1e-6))
    distance = np.abs(centred)
    order = np.argsort(np.argsort(distance, axis=0), axis=0).astype(float)  # NaN last
    known = ~np.isnan(distance)
    ranks = np.where(known, (order + 0.5) / np.maximum(known.sum(axis=0), 1), 0.5)
    return ranks, width[0] / width[1]
