"""Missing values: how many, and whether their absence gives the outcome away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.cohort.audit.finding import Finding, shown_if_large
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.statistics import max_statistic_p, stratified_auroc

# Cross-validation and ridge penalty of the joint pattern's score. Leaks that only their sum
# gives away are weak: shrunken as if by 150 more patients, the other columns add less noise.
FOLDS = 5
RIDGE = 150.0
# A figure of 1 would tell each patient's outcome: higher values are shown as this.
CAP = 0.95
# Columns with fewer missing (or present) values than both, or outcomes with fewer events,
# cannot be tested: their heavy tails would only cost the others their power.
RARE_SHARE, RARE_PATIENTS, FEWEST = 0.04, 20, 5


def missing_share(material: Material) -> Iterator[Finding]:
    """Share of missing values per baseline column, against ``missing_share``.

    A column that is mostly missing adds parameters and little information; one without
    any value adds nothing.
    """
    for variable in material.predictors:
        values = material.cohort[variable.name]
        missing, share = int(values.isna().sum()), float(values.isna().mean())
        if share == 1:
            yield Finding(
                "missing_share",
                "warning",
                f"'{variable.name}' has no value at all.",
                "Check the column's name, its recodings and the baseline window.",
                variable.name,
                missing,
                {"share": share},
            )
        elif share >= material.settings.missing_share:
            yield Finding(
                "missing_share",
                "warning",
                f"'{variable.name}' is missing in {share:.0%} of the patients.",
                "Obtain the values, or leave the column out under predictors.exclude.",
                variable.name,
                missing,
                {"share": share},
            )


def missingness_by_outcome(material: Material) -> Iterator[Finding]:
    """Association of each column's missingness with each outcome, given therapy and site.

    Statistic: correlation of the residual missingness indicator with the residual outcome;
    p by permutation, adjusted over the columns by the maximum, for each outcome by itself:
    outcomes are thresholds on one grade, and adjusting over them too would hide a leak in
    the smallest cohorts. Effect: AUROC of the indicator within strata. A model learns such
    an artefact as readily as biology, and it is not there when a new patient is scored.
    """
    indicators, names = _indicators(material)
    events = material.events
    occurred = events.to_numpy(dtype=bool)  # without an outcome of both classes: no column
    smaller = np.minimum(occurred.sum(axis=0), (~occurred).sum(axis=0))
    tested = np.flatnonzero(smaller >= FEWEST)
    if not names or not len(tested):
        return
    events, settings = events.iloc[:, tested], material.settings
    _, p = max_statistic_p(
        material.adjusted(indicators),
        material.scaled_events[:, tested],
        settings.permutations,
        material.generator(1),
    )
    warn, grave = settings.missingness_auroc
    for column, name in enumerate(names):
        if p[column].min() > settings.alpha_warning:
            continue
        aurocs = [
            stratified_auroc(indicators[:, column], event.to_numpy(), material.strata).estimate
            for _, event in events.items()
        ]
        # The clearest association; among equals, the largest effect.
        best = min(range(len(aurocs)), key=lambda t: (p[column, t], -abs(aurocs[t] - 0.5)))
        effect = max(aurocs[best], 1 - aurocs[best])
        if effect < warn:
            continue
        grave_p = p[column, best] <= settings.alpha_error
        outcome = str(events.columns[best])
        direction = "events" if aurocs[best] > 0.5 else "patients without the event"
        yield Finding(
            "missingness_by_outcome",
            "error" if grave_p and effect >= grave else "warning",
            f"'{name}' is missing more often in {direction} of '{outcome}' than therapy and site "
            f"explain: AUROC of its absence {_capped(effect)}, p {p[column, best]:.2g}"
            f"{material.sampled}.",
            "Find out when and for whom the value was measured; leave the column out "
            "if it was measured because of the outcome.",
            name,
            shown_if_large(int(material.cohort[name].isna().sum()), settings.minimum_cell),
            {
                "auroc": min(max(aurocs[best], 1 - CAP), CAP),
                "p": p[column, best],
                "outcome": outcome,
                "columns_tested": len(names),
            },
        )


def joint_missingness(material: Material) -> Iterator[Finding]:
    """Whether the missingness pattern as a whole predicts the primary outcome.

    Statistic: correlation of the residual outcome with its cross-validated ridge
    prediction from the residual indicators; p by permutation. The prediction is linear in
    the outcome, so each permutation costs one product. Effect: AUROC of the prediction
    within strata. Many weak leaks in single columns add up to one strong leak.
    """
    indicators, names = _indicators(material)
    if len(names) < 2 or material.primary not in material.events:
        return
    settings, rng = material.settings, material.generator(2)
    event = material.events[material.primary].to_numpy()
    outcome = material.scaled_events[:, [list(material.events).index(material.primary)]]
    indicators = material.adjusted(np.unique(indicators, axis=1))
    fold = rng.permuted(np.arange(len(event)) % FOLDS)
    score = _cross_validated(indicators, outcome, fold)
    permutations = min(settings.permutations, max(199, 20_000_000 // len(event)))
    shuffled = outcome[rng.permuted(np.tile(np.arange(len(event)), (permutations, 1)), axis=1).T, 0]
    observed = _correlation(score, outcome)[0]
    null = _correlation(_cross_validated(indicators, shuffled, fold), shuffled)
    p = (1 + int((null >= observed).sum())) / (1 + permutations)
    auroc = stratified_auroc(score[:, 0], event, material.strata).estimate
    warn, grave = settings.joint_missingness_auroc
    if p <= settings.alpha_warning and auroc >= warn:
        yield Finding(
            "joint_missingness",
            "error" if p <= settings.alpha_error and auroc >= grave else "warning",
            f"Which values are missing predicts '{material.primary}' with a cross-validated "
            f"AUROC of {auroc:.2f} within therapies, p {p:.2g}{material.sampled}.",
            "Find out why values are missing before any model is believed; "
            "the findings on single columns say where to begin.",
            None,
            len(names),
            {"auroc": auroc, "p": p, "columns": len(names)},
        )


def _indicators(material: Material) -> tuple[np.ndarray, list[str]]:
    """Missingness of the predictors as 0/1, without columns that are hardly ever missing."""
    names = [v.name for v in material.predictors]
    missing = material.sample[names].isna()
    rarer = np.minimum(missing.sum(), (~missing).sum())
    least = max(FEWEST, min(RARE_PATIENTS, RARE_SHARE * len(missing)))
    names = [name for name in names if rarer[name] >= least]
    return missing[names].to_numpy(dtype=float), names


def _capped(auroc: float) -> str:
    return f"{auroc:.2f}" if auroc <= CAP else f"above {CAP:.2f}"


def _cross_validated(features: np.ndarray, outcomes: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Ridge predictions of every outcome column for patients left out of the fit."""
    features = features / np.maximum(features.std(axis=0), 1e-9)
    gram, moment = features.T @ features, features.T @ outcomes
    predicted = np.empty_like(outcomes)
    for out in range(FOLDS):
        rows = fold == out
        held = features[rows]
        penalised = gram - held.T @ held + RIDGE * np.eye(gram.shape[0])
        predicted[rows] = held @ np.linalg.solve(penalised, moment - held.T @ outcomes[rows])
    return predicted


def _correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    left, right = left - left.mean(axis=0), right - right.mean(axis=0)
    scale = np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
    return (left * right).sum(axis=0) / np.maximum(scale, 1e-12)
