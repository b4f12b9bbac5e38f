"""Too good to be true: variables and groups that give the outcome away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.special import gammaln
from scipy.stats import norm

from pipeline.cohort.audit.finding import Finding, shown_if_large
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.statistics import stratified_auroc

SMALLEST_CLASS = 10


def golden_feature(material: Material) -> Iterator[Finding]:
    """A single baseline variable that separates an outcome too well.

    Statistic: AUROC within strata, or over all pairs of the ranks that therapy, disease
    and site leave over (small cohorts of many therapies hold few pairs within strata),
    whichever has the higher lower confidence bound (Hanley and McNeil, Bonferroni-adjusted).
    Products alone differ from 10 to 95 % in their rate: that must not count. Known only
    afterwards, derived from the outcome, or filled in with its help: whichever it is, the
    model is worthless.
    """
    settings = material.settings
    tests = max(1, 2 * len(material.predictors) * material.events.shape[1])
    bound = norm.isf(settings.alpha_error / tests)
    pooled = np.zeros(len(material.sample), dtype=int)
    for variable in material.predictors:
        best: tuple[float, float, str] | None = None
        for outcome, event in material.events.items():
            occurred = event.to_numpy()
            scores = _as_score(material.sample[variable.name], variable.kind, occurred, material)
            for values, strata in (
                (scores, material.strata),
                (material.adjusted_ranks(scores), pooled),
            ):
                auroc = stratified_auroc(values, occurred, strata)
                estimate = auroc.estimate
                if variable.kind != "categorical":
                    estimate = max(estimate, 1 - estimate)
                error = auroc.standard_error(min(estimate, settings.golden_auroc))
                if best is None or estimate - bound * error > best[1]:
                    best = estimate, estimate - bound * error, str(outcome)
        if best and best[0] >= settings.golden_auroc and best[1] > settings.golden_floor:
            yield Finding(
                "golden_feature",
                "error",
                f"'{variable.name}' alone separates '{best[2]}' with an AUROC of {best[0]:.2f} "
                f"within therapies (lower bound {best[1]:.2f}){material.sampled}; "
                "no baseline variable is known to do that.",
                "Check whether it was recorded after infusion or derived from the outcome; "
                "if so correct its timing or leave it out.",
                variable.name,
                None,
                {"auroc": best[0], "lower_bound": best[1], "outcome": best[2]},
            )


def constant_within_class(material: Material) -> Iterator[Finding]:
    """A variable that holds one value throughout an outcome class, and varies elsewhere.

    Statistic: probability, given the strata, that a random set of patients of the class's
    size shares the value (hypergeometric, exact); Bonferroni-adjusted. Such a column was
    filled, or measured differently, by outcome.
    """
    settings, strata = material.settings, material.strata
    numeric = [v for v in material.numeric if material.sample[v.name].nunique() > 2]
    tests = max(1, 2 * len(numeric) * material.events.shape[1])
    for variable in numeric:
        values = material.sample[variable.name].to_numpy()
        known = ~np.isnan(values)
        for outcome, event in material.events.items():
            for label in (True, False):
                members = known & (event.to_numpy() == label)
                held = np.unique(values[members])
                if members.sum() < SMALLEST_CLASS or len(held) != 1:
                    continue
                same = known & (values == held[0])
                p = tests * np.exp(_log_probability_all_share(members, same, known, strata))
                if p <= settings.alpha_error:
                    yield Finding(
                        "constant_within_class",
                        "error",
                        f"'{variable.name}' never varies among patients "
                        f"{'with' if label else 'without'} '{outcome}', and varies in the others "
                        f"(p {p:.2g}){material.sampled}.",
                        "Find out how the value was recorded in either group; "
                        "leave the column out until then.",
                        variable.name,
                        shown_if_large(int(members.sum()), settings.minimum_cell),
                        {"p": p, "outcome": str(outcome)},
                    )


def group_equals_outcome(material: Material) -> Iterator[Finding]:
    """Sites, years or therapies in which all patients, or none, have the outcome.

    Statistic: probability that a group's patients all share their outcome, each at the
    rate of the same therapy elsewhere (for a therapy: of all others); Bonferroni-adjusted
    over groups. An error where this holds for a site, or where every group of a column is
    pure: the cohort was then put together by outcome. A therapy in which all have the
    outcome warns; one in which nobody has is a note, because published rates reach zero.
    """
    if material.primary not in material.events:
        return
    event = material.events[material.primary].to_numpy()
    for variable in material.dictionary:
        # A year is a number, and a group of patients all the same.
        grouping = variable.kind == "categorical" or variable.role == "site"
        if (
            not grouping
            or variable.timing != "baseline"
            or variable.role not in ("site", "treatment")
        ):
            continue
        labels = material.sample[variable.name]
        codes = pd.factorize(labels)[0]
        strata = material.strata if variable.role == "site" else np.zeros(len(event), dtype=int)
        pure, all_pure = _pure_groups(codes, event, strata, material.settings.alpha_error)
        some_with_all = bool(event[np.isin(codes, np.flatnonzero(pure))].any())
        if not pure.any():
            continue
        grave = variable.role == "site" or all_pure
        patients = int(np.isin(codes, np.flatnonzero(pure)).sum())
        yield Finding(
            "group_equals_outcome",
            "error" if grave else "warning" if some_with_all else "note",
            f"In {int(pure.sum())} of the groups of '{variable.name}' all patients, or none, have "
            f"'{material.primary}', beyond chance{material.sampled}.",
            "Check how the outcome was recorded in these groups, and whether patients were "
            "chosen by outcome; do not pool such groups.",
            variable.name,
            shown_if_large(patients, material.settings.minimum_cell),
            {"pure_groups": int(pure.sum()), "every_group_pure": all_pure},
        )


def _as_score(values: pd.Series, kind: str, event: np.ndarray, material: Material) -> np.ndarray:
    """A number per patient; for categories the event rate of their level, out of fold."""
    if kind != "categorical":
        return values.to_numpy(dtype=float)
    codes = pd.factorize(values)[0]
    fold = material.generator(3).permuted(np.arange(len(codes)) % 5)
    score = np.full(len(codes), np.nan)
    levels = codes.max(initial=0) + 1
    for out in range(5):
        fit = (fold != out) & (codes >= 0)
        events = np.bincount(codes[fit], weights=event[fit], minlength=levels)
        size = np.bincount(codes[fit], minlength=levels)
        rate = (events + event.mean()) / (size + 1)
        rows = (fold == out) & (codes >= 0)
        # Seen from one fold to the next the same rate differs a little: round it away.
        score[rows] = np.round(rate[codes[rows]], 1)
    return score


def _log_probability_all_share(
    members: np.ndarray, same: np.ndarray, known: np.ndarray, strata: np.ndarray
) -> float:
    """Log-probability that random members, as many per stratum, all share the value."""
    groups = strata.max(initial=0) + 1
    chosen, sharing, size = (
        np.bincount(strata[rows], minlength=groups) for rows in (members, same, known)
    )

    def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    return float((log_choose(sharing, chosen) - log_choose(size, chosen)).sum())


def _pure_groups(
    codes: np.ndarray, event: np.ndarray, strata: np.ndarray, alpha: float
) -> tuple[np.ndarray, bool]:
    """Return which groups are pure beyond chance, and whether every group is pure."""
    groups = codes.max(initial=0) + 1
    if groups < 2:
        return np.zeros(groups, dtype=bool), False
    size = np.bincount(codes[codes >= 0], minlength=groups)
    events = np.bincount(codes[codes >= 0], weights=event[codes >= 0], minlength=groups)
    pure = np.zeros(groups, dtype=bool)
    for group in np.flatnonzero(((events == 0) | (events == size)) & (size >= 5)):
        own, others = codes == group, (codes != group) & (codes >= 0)
        seen = np.bincount(strata[others], minlength=strata.max() + 1)
        hits = np.bincount(strata[others], weights=event[others], minlength=strata.max() + 1)
        # One event and one non-event at the overall rate keep small strata from certainty.
        overall = event.mean()
        rate = ((hits + 2 * overall) / (seen + 2))[strata[own & (seen[strata] > 0)]]
        chance = rate if events[group] else 1 - rate
        pure[group] = groups * np.exp(np.log(chance).sum()) <= alpha and chance.size > 0
    return pure, bool(((events == 0) | (events == size)).all())
