"""What the generator gives, measured: the tables that `data/README.md` shows.

``python -m pipeline.ingest.synthetic`` writes them between the two markers of the README.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from pipeline.cohort.grading import astct_from_record
from pipeline.config import Outcome, SyntheticSource
from pipeline.ingest.synthetic.cohort import Generator, draw_cohort
from pipeline.ingest.synthetic.facts import Facts, read_facts

OUTCOMES = {
    name: Outcome(column="crs_grade", at_least=grade, label=label)
    for name, grade, label in (
        ("any", 1, "any CRS"),
        ("ge2", 2, "grade 2 or higher"),
        ("ge3", 3, "grade 3 or higher"),
    )
}
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_NORMAL_95 = ndtri(0.975)


def measure(data: Path, per_arm: int = 20_000, seed: int = 20260) -> dict[str, pd.DataFrame]:
    """Draw cohorts and compare them with the tables they are drawn from.

    Parameters
    ----------
    data : Path
        The folder of facts.
    per_arm : int
        Patients per therapy and disease, on average.
    seed : int

    Returns
    -------
    dict of str to DataFrame
        ``rates``, ``labs``, ``missing``, ``effects``, ``discrimination``, ``easix`` and
        ``recovery``.
    """
    facts = read_facts(data)
    patients = per_arm * len(facts.targets)
    source = SyntheticSource(kind="synthetic", patients=patients)
    cohort, truth, _ = draw_cohort(source, seed, OUTCOMES, data)
    plain = SyntheticSource(
        kind="synthetic", patients=patients, missing=0, frailty_sd=0, sites=1, years=(2024, 2024)
    )
    complete, _, _ = draw_cohort(plain, seed, {}, data)
    return {
        "rates": rates(cohort, truth, facts),
        "labs": labs(cohort, facts),
        "missing": missing(cohort, facts),
        "effects": effects(complete, Generator(plain, seed, {}, data)),
        "discrimination": discrimination(cohort, truth, facts),
        "easix": easix(cohort, facts),
        "recovery": recovery(cohort),
    }


def rates(cohort: pd.DataFrame, truth: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Compare observed rates and mean true risks with the targets, per arm, in per cent."""
    rows = []
    groups = cohort.groupby(["therapy", "disease"]).indices
    for target in facts.targets.to_dict("records"):
        chosen = groups[target["therapy"], target["disease"]]
        row = {"therapy": target["therapy"], "disease": target["disease"], "patients": len(chosen)}
        for name, column, grade in (("any", "any_pct", 1), ("ge3", "ge3_pct", 3)):
            rate = target[column] / 100
            row[f"{name}_target"] = target[column]
            row[f"{name}_observed"] = 100 * (cohort["crs_grade"].iloc[chosen] >= grade).mean()
            row[f"{name}_true_risk"] = 100 * truth[f"risk_{name}"].iloc[chosen].mean()
            margin = 100 * _NORMAL_95 * np.sqrt(rate * (1 - rate) / len(chosen))
            row[f"{name}_margin"] = margin
        rows.append(row)
    return pd.DataFrame(rows)


def deviations(rates: pd.DataFrame, what: str) -> list[pd.Series]:
    """Return distances from target, any and grade 3 or higher, in half-widths of the interval."""
    return [
        (rates[f"{name}_{what}"] - rates[f"{name}_target"]) / rates[f"{name}_margin"]
        for name in ("any", "ge3")
    ]


def labs(cohort: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Compare quartiles of the recorded values with their targets, per variable and disease.

    Age and body-mass index are left out: some products are given to children only.
    """
    diseases = facts.targets["disease"].drop_duplicates()
    rows = []
    for variable in facts.labs["variable"].drop_duplicates():
        if variable in ("age", "bmi"):
            continue
        for disease, target in zip(diseases, facts.quartiles(variable, diseases), strict=True):
            if np.isnan(target).any():
                continue
            values = cohort.loc[cohort["disease"] == disease, variable].dropna()
            observed = values.quantile([0.25, 0.5, 0.75]).to_numpy()
            deviation = 100 * np.abs(observed / target - 1).max()
            rows.append((variable, disease, len(values), *target, *observed, deviation))
    names = ["q25", "median", "q75"]
    columns = [
        "variable",
        "disease",
        "recorded",
        *names,
        *(f"observed_{n}" for n in names),
        "worst_pct",
    ]
    return pd.DataFrame(rows, columns=columns)


def missing(cohort: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Compare the share of missing values with its target, in per cent."""
    measured = facts.structure[facts.structure["missing_pct"] > 0]
    measured = measured[measured.index != "marrow_blasts"]  # not recorded outside its diseases
    observed = 100 * cohort[list(measured.index)].isna().mean()
    return pd.DataFrame(
        {
            "variable": measured.index,
            "target_pct": measured["missing_pct"].to_numpy(),
            "observed_pct": observed.to_numpy(),
        }
    )


def effects(complete: pd.DataFrame, generator: Generator) -> pd.DataFrame:
    """Refit the effects from a complete cohort without frailty, centres and drift.

    Laboratory values are turned into normal scores by their rank within the disease.
    """
    facts = generator.facts
    table = facts.effects
    columns = []
    for variable, contrast in zip(table["variable"], table["contrast"], strict=True):
        values = complete[variable]
        if contrast == "per SD":
            groups = values.groupby(complete["disease"])
            columns.append(ndtri((groups.rank() - 0.5) / groups.transform("size")))
        else:
            as_text = values.map(lambda v: f"{v:g}" if isinstance(v, float) else v)
            columns.append(as_text.isin(contrast.split(";")).astype(float))
    x = np.column_stack(columns)
    arms = pd.MultiIndex.from_frame(facts.targets[["therapy", "disease"]])
    arm = arms.get_indexer(pd.MultiIndex.from_frame(complete[["therapy", "disease"]]))
    cell = facts.targets["cell"].to_numpy()
    rows = []
    for kind, chosen in (("cell", cell[arm]), ("engager", ~cell[arm])):
        intercepts = (arm[chosen][:, None] == np.unique(arm[chosen])).astype(float)
        for name, grade in (("any", 1), ("ge3", 3)):
            stated = generator.source.effect_scale * table[f"{kind}_{name}"].to_numpy()
            # A therapy class that never gets a treatment has no effect of it to refit.
            present = x[chosen].std(axis=0) > 0
            design = np.hstack([x[chosen][:, present], intercepts])
            event = complete["crs_grade"].to_numpy()[chosen] >= grade
            refitted = np.full(len(table), np.nan)
            refitted[present] = _logistic(design, event)[: present.sum()]
            for position in np.flatnonzero(present):
                rows.append(
                    {
                        "variable": table["variable"].iloc[position],
                        "contrast": table["contrast"].iloc[position],
                        "therapies": kind,
                        "outcome": name,
                        "stated": stated[position],
                        "refitted": refitted[position],
                        "tolerance": table["tolerance"].iloc[position],
                    }
                )
    return pd.DataFrame(rows)


def discrimination(cohort: pd.DataFrame, truth: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """AUROC of the true risk: within products (weighted by events) and pooled over products.

    ``product_only`` is the AUROC of the arm's own rate: what knowing the product gives.
    """
    modality = facts.targets.drop_duplicates("therapy").set_index("therapy")["modality"]
    kind = cohort["therapy"].map(modality)
    groups = ["therapy", "disease"]
    rows = []
    for name, outcome in OUTCOMES.items():
        event = cohort["crs_grade"] >= outcome.at_least
        risk = truth[f"risk_{name}"]
        arm_rate = event.groupby([cohort[g] for g in groups]).transform("mean")
        for label, chosen in (
            ("CAR-T", kind == "car_t"),
            ("T-cell engagers", kind == "t_cell_engager"),
            ("both", kind.isin(["car_t", "t_cell_engager"])),
        ):
            within, events = [], []
            for rows_of_arm in cohort[chosen].groupby(groups).groups.values():
                within.append(roc_auc_score(event.loc[rows_of_arm], risk.loc[rows_of_arm]))
                events.append(event.loc[rows_of_arm].sum())
            rows.append(
                {
                    "outcome": name,
                    "therapies": label,
                    "within_product": float(np.average(within, weights=events)),
                    "pooled": roc_auc_score(event[chosen], risk[chosen]),
                    "product_only": roc_auc_score(event[chosen], arm_rate[chosen]),
                }
            )
    return pd.DataFrame(rows)


def easix(cohort: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Odds ratio per doubling of EASIX, which the generator never uses, within CAR-T products."""
    modality = facts.targets.drop_duplicates("therapy").set_index("therapy")["modality"]
    raw = cohort["ldh"] * cohort["creatinine"] / cohort["platelets"]
    doubling = np.log2(raw.to_numpy())
    car_t = (cohort["therapy"].map(modality) == "car_t") & raw.notna()
    rows = []
    for label, chosen in (
        ("CAR-T", car_t),
        *((f"CAR-T in {name}", car_t & (cohort["disease"] == name)) for name in ("LBCL", "B-ALL")),
    ):
        arms = pd.get_dummies(cohort.loc[chosen, "therapy"] + cohort.loc[chosen, "disease"])
        design = np.column_stack([doubling[chosen], arms.to_numpy(dtype=float)])
        for name in ("any", "ge3"):
            event = cohort.loc[chosen, "crs_grade"] >= OUTCOMES[name].at_least
            coefficients = _logistic(design, event.to_numpy())
            rows.append((label, name, float(np.exp(coefficients[0]))))
    return pd.DataFrame(rows, columns=["therapies", "outcome", "odds_ratio"])


def recovery(cohort: pd.DataFrame) -> pd.DataFrame:
    """Grade the record after infusion, whole and without its judgements, in per cent right."""
    other_causes = [f"post_{sign}_other_cause" for sign in ("fever", "hypotension", "hypoxia")]
    known = cohort["crs_grade"]
    rows = []
    for label, without in (
        ("all of the record", []),
        ("without attribution to other causes", other_causes),
        ("without the judgement that a fever was masked", ["post_fever_masked"]),
        ("without the cause of death", ["post_crs_death"]),
    ):
        graded = astct_from_record(cohort.drop(columns=without))
        shares = [graded == known, graded > known, graded < known]
        rows.append((label, *(float(100 * share.mean()) for share in shares)))
    return pd.DataFrame(rows, columns=["graded_from", "right", "too_high", "too_low"])


def _logistic(design: np.ndarray, event: np.ndarray) -> np.ndarray:
    model = LogisticRegression(C=1e6, fit_intercept=False, solver="newton-cholesky", max_iter=100)
    return np.asarray(model.fit(design, event).coef_[0])


def to_markdown(measured: dict[str, pd.DataFrame]) -> str:
    """Write the measured tables as Markdown, with one line of verdict each."""
    rates, labs = measured["rates"], measured["labs"]
    compared = 2 * len(rates)
    inside = sum(int((np.abs(off) <= 1).sum()) for off in deviations(rates, "observed"))
    surprise = binom.sf(compared - inside - 1, compared, 0.05)
    expected = max(float(np.abs(off).max()) for off in deviations(rates, "true_risk"))
    near = labs.sort_values("worst_pct").drop_duplicates("variable", keep="last")
    fitted = measured["effects"]
    off = np.abs(fitted["refitted"] - fitted["stated"])
    parts = [
        "### Rates (per cent)",
        f"{inside} of {compared} observed rates lie within the binomial 95 % interval of their "
        f"target. A perfect generator leaves {0.05 * compared:.1f} outside on average, and as many "
        f"as here or more with probability {surprise:.2f}. The mean true risk, which has hardly "
        f"any chance in it, shows the calibration itself: at most {expected:.2f} of the interval's "
        "half-width off.",
        _table(rates, 2),
        "### Laboratory values: worst deviation of a quartile (per cent), over diseases",
        _table(near[["variable", "disease", "recorded", "worst_pct"]].sort_values("worst_pct"), 1),
        "### Missing values (per cent)",
        _table(measured["missing"], 1),
        "### Effects (log-odds), stated and refitted",
        f"{int((off <= fitted['tolerance']).sum())} of {len(fitted)} within their tolerance.",
        _table(fitted, 3),
        "### Discrimination of the true risk (AUROC)",
        _table(measured["discrimination"], 3),
        "### EASIX, which is no input: odds ratio per doubling",
        _table(measured["easix"], 2),
        "### Grades recovered from the record (per cent of patients)",
        "Signs of other causes and masked fevers are in the record; only with the judgements on "
        "them can a grader tell.",
        _table(measured["recovery"], 2),
    ]
    return "\n\n".join(parts)


def write_readme(readme: Path, text: str) -> None:
    """Replace what stands between the README's two markers."""
    before, rest = readme.read_text(encoding="utf-8").split(_BEGIN)
    after = rest.split(_END)[1]
    readme.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def _table(frame: pd.DataFrame, decimals: int) -> str:
    cells = [
        [f"{value:.{decimals}f}" if isinstance(value, float) else str(value) for value in row]
        for row in frame.to_numpy(dtype=object)
    ]
    lines = [list(map(str, frame.columns)), ["---"] * frame.shape[1], *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
