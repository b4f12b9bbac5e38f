"""A run in miniature: risks with a known relation to the outcome, judged by the real evaluation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from pipeline.card.cohort import describe_cohort
from pipeline.card.facts import collect
from pipeline.card.plots import draw_plots
from pipeline.card.render import to_html, to_markdown
from pipeline.cohort.dictionary import Dictionary
from pipeline.config import Config, Outcome
from pipeline.config_file import read_config
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.gate import judge
from pipeline.evaluation.grouping import Grouping

CONFIGS = Path(__file__).parents[2] / "configs"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
DICTIONARY = [
    {"name": "patient_id", "label": "Patient", "role": "id", "timing": "baseline", "kind": "text"},
    {"name": "therapy", "label": "Therapy", "role": "treatment", "timing": "baseline",
     "kind": "categorical"},
    {"name": "ldh", "label": "Lactate dehydrogenase", "role": "lab", "timing": "baseline",
     "unit": "U/L", "loinc": ["2532-0"], "range": [1, 20000], "scale": "log", "trend": "up"},
    {"name": "platelets", "label": "Platelets", "role": "lab", "timing": "baseline",
     "unit": "10*9/L", "range": [0, 2000]},
    {"name": "bulky", "label": "Bulky disease", "role": "disease", "timing": "baseline",
     "kind": "binary"},
    {"name": "crs_grade", "label": "CRS grade", "role": "outcome", "timing": "post",
     "range": [0, 5]},
]  # fmt: skip


def draw_cohort(patients: int, seed: int = 7) -> pd.DataFrame:
    """Patients whose grade depends on therapy and LDH; some values are missing."""
    rng = np.random.default_rng(seed)
    ldh = rng.lognormal(5.6, 0.5, patients)
    therapy = rng.choice(["axicabtagene ciloleucel", "tisagenlecleucel"], patients)
    score = 1.2 * (np.log(ldh) - 5.6) + 0.8 * (therapy == "axicabtagene ciloleucel")
    grade = np.digitize(score + rng.logistic(size=patients), [-1.0, 0.8, 3.0])
    return pd.DataFrame(
        {
            "patient_id": [f"P{k:04d}" for k in range(patients)],
            "therapy": therapy,
            "ldh": np.where(rng.random(patients) < 0.15, np.nan, ldh),
            "platelets": rng.normal(180, 40, patients),
            "bulky": (rng.random(patients) < 0.3).astype(float),
            "crs_grade": grade.astype(float),
            "_score": score,
        }
    )


def out_of_fold(
    cohort: pd.DataFrame, outcomes: dict[str, Outcome], informative: bool
) -> pd.DataFrame:
    """A table as the resampling leaves it: two repeats, with comparators."""
    rng = np.random.default_rng(11)
    parts = []
    for name, outcome in outcomes.items():
        observed = (cohort["crs_grade"] >= outcome.at_least).astype(int).to_numpy()
        middle = np.log((observed.mean() + 0.01) / (1.01 - observed.mean()))
        for repeat in range(2):
            n = len(cohort)
            signal = cohort["_score"].to_numpy() - cohort["_score"].mean()
            noise = rng.normal(0, 0.3, (3, n))
            log_odds = middle + (signal if informative else 0 * signal) + noise[0] * informative
            parts.append(
                pd.DataFrame(
                    {
                        "patient_id": cohort["patient_id"],
                        "repeat": repeat,
                        "fold": np.arange(n) % 2,
                        "outcome": name,
                        "observed": observed,
                        "model": 1 / (1 + np.exp(-log_odds)),
                        "therapy_only": 1 / (1 + np.exp(-middle - 0.4 * noise[1])),
                        "easix": 1 / (1 + np.exp(-middle - 0.3 * signal - noise[2])),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def make_run(patients: int, *, synthetic: bool, fitted: bool) -> SimpleNamespace:
    """Facts as the stages would leave them, and the card made of them."""
    config = read_config(CONFIGS / "default.yaml")
    settings = config.evaluation.model_copy(update={"bootstrap": 100, "processes": 1, "folds": 2})
    config = config.model_copy(update={"evaluation": settings})
    whole = draw_cohort(patients)
    cohort = whole.drop(columns="_score")
    therapies = pd.Series(cohort["therapy"].to_numpy(), index=cohort["patient_id"])
    truth = None
    if synthetic:
        risks = {f"risk_{n}": np.full(patients, 0.3) + 0.2 * (whole["_score"] > 0)
                 for n in config.outcomes}  # fmt: skip
        truth = pd.DataFrame({"patient_id": cohort["patient_id"], **risks})
    bulky = cohort.set_index("patient_id")["bulky"].map({0.0: "no", 1.0: "yes"})
    groupings = [Grouping("bulky", "Bulky disease", ("no", "yes"), bulky)]
    evaluation = evaluate(
        out_of_fold(whole, config.outcomes, fitted), therapies, None, settings, 3, truth, groupings
    )
    stages = {
        "ingest": _ingest(patients, synthetic),
        "dictionary": DICTIONARY,
        "audit": _audit(patients),
        "features": _features(),
        "train": _train(config, cohort, fitted),
        "evaluation": evaluation,
        "explanation": _explanation() if fitted else None,
        "transport": _transport(config) if fitted else None,
        "learning": _learning(config) if fitted else None,
    }
    prior_alone = {
        h["outcome"]: h["why_not_fitted"] for h in stages["train"]["heads"] if not h["fitted"]
    }
    gate = judge(config.registry.gate, evaluation, stages["audit"], "ge2", prior_alone)
    described = describe_cohort(
        cohort, Dictionary.from_json(DICTIONARY), config.outcomes, "ge2", 10
    )
    run = SimpleNamespace(config=config, gate=gate, cohort=cohort, described=described, **stages)
    run.facts = facts_of(run)
    run.plots = {**draw_plots(run.facts), "importance_ge2": PNG, "waterfall_high": PNG}
    run.html = to_html(run.facts, run.plots)
    run.markdown = to_markdown(run.facts)
    return run


def facts_of(run: SimpleNamespace, **changed: Any) -> dict[str, Any]:
    """Collect a run's facts, with some of its files changed."""
    names = ("config", "ingest", "dictionary", "audit", "features", "train", "evaluation",
             "explanation", "gate")  # fmt: skip
    parts = [changed.get(name, getattr(run, name)) for name in names]
    provenance = {"command": "make run", "cohort_sha256": "ab" * 32, "python": "3.11.2",
                  "packages": {"numpy": "2.4.6"}}  # fmt: skip
    provenance = changed.get("provenance", provenance)
    formulas = [
        {"outcome": name, "constant": -1.25, "rate_weight": 1.0,
         "centre": 0.05, "trees": {"trees_any_ge2_ge3.txt": 0.3}, "follows": {"car_t": 1.25},
         "therapy_effects": {"therapy=tisagenlecleucel": -0.1234},
         "terms": [{"column": "ldh", "part": 1, "knots": [1, 2, 3], "slope": 0.98765}]}
        for name in run.config.outcomes
    ]  # fmt: skip
    return collect(
        *parts, provenance, cohort=changed.get("described", run.described),
        formulas=changed.get("formulas", formulas), versions=changed.get("versions"),
        transport=changed.get("transport", run.transport),
        learning=changed.get("learning", run.learning),
    )  # fmt: skip


def _ingest(patients: int, synthetic: bool) -> dict[str, Any]:
    if synthetic:
        return {"kind": "synthetic", "patients": patients, "sites": 4, "statement": "Drawn."}
    counts = {"present": patients, "missing": 0, "outside_window": 17, "undated": 3,
              "censored_low": 0, "censored_high": 0, "recoded": 0}  # fmt: skip
    return {
        "kind": "table",
        "patients": patients,
        "files": [{"file": "trial.csv", "rows": patients, "columns": 9, "sha256": "cd" * 32}],
        "variables": {"ldh": {"source": "trial.csv: LDH", "unit": "U/L", "dated": True,
                              "canonical_unit": "U/L", "converted": False, **counts}},
        "unmatched_patients": 0,
        "constants": {},
    }  # fmt: skip


def _audit(patients: int) -> dict[str, Any]:
    few = {"check": "too_few_events", "severity": "warning", "column": "crs_grade",
           "message": "Too few events for 4 parameters.", "mend": "Gather more patients.",
           "count": 30, "figure": {}}  # fmt: skip
    rare = {"check": "missingness_by_outcome", "severity": "note", "column": "ldh",
            "message": "'ldh' is missing in 7 patients without the event.", "mend": "Look.",
            "count": 7, "figure": {}}  # fmt: skip
    summary = {"patients": patients, "variables": 6, "errors": 0, "warnings": 1, "notes": 1,
               "checks_run": ["too_few_events", "missingness_by_outcome"]}  # fmt: skip
    return {"findings": [few, rare], "summary": summary}


def _features() -> dict[str, Any]:
    names = ["therapy", "ldh", "platelets", "bulky"]
    labels = {v["name"]: v["label"] for v in DICTIONARY} | {"easix": "EASIX"}
    return {
        "variables": [v for v in DICTIONARY if v["name"] in names],
        "scores": [{"name": "easix", "variables": ["ldh", "platelets"], "factors": [1, 1]}],
        "columns": [{"name": n, "source": n} for n in ["ldh", "platelets", "bulky", "easix"]],
        "labels": labels,
        "left_out": {"crs_grade": "not a baseline predictor by the dictionary"},
        "facts": {"rates": {"axicabtagene ciloleucel": {}, "tisagenlecleucel": {}}},
    }


def _train(config: Config, cohort: pd.DataFrame, fitted: bool) -> dict[str, Any]:
    heads = []
    for name, outcome in config.outcomes.items():
        head = {
            "outcome": name,
            "label": outcome.label,
            "patients": len(cohort),
            "events": int((cohort["crs_grade"] >= outcome.at_least).sum()),
            "fitted": fitted,
            "why_not_fitted": None if fitted else "too few patients: the risk is the prior alone",
            "prior": "published",
            "a": -0.0312,
            "b": {"trees": 0.4, "ridge": 0.2, "elastic_net": 0.0},
            "follows": {"car_t": 1.25},
        }
        if fitted:
            head |= {"leaves": 4, "trees": 50, "ridge_penalty": 100.0,
                     "elastic_net_penalty": 20.0, "elastic_net_terms": 3}  # fmt: skip
        else:
            head |= {"b": dict.fromkeys(head["b"], 0.0), "follows": {}}
        heads.append(head)
    scoring = {"leading": ["ldh"] if fitted else [], "minimum_present": 1, "seen": None}
    return {"heads": heads, "scoring": scoring}


def _explanation() -> dict[str, Any]:
    pictures = [
        {"name": name, "file": f"{name}.png", "svg": None, "outcome": "ge2", "title": title,
         "alt": f"{title}, in words.", "table": "importance.parquet", "patient_level": single}
        for name, title, single in (
            ("importance_ge2", "What moves the risk", False),
            ("waterfall_high", "A patient of high risk", True),
        )
    ]  # fmt: skip
    importance = [{"outcome": "ge2", "source": "ldh", "label": "Lactate dehydrogenase",
                   "mean_abs": 0.4321, "low": 0.41, "high": 0.45, "share": 1.0}]  # fmt: skip
    return {"patients": 600, "largest_gap": 1e-15, "pictures": pictures, "importance": importance}


_TRANSPORTED = ("auroc", "auroc_within_therapy", "calibration_intercept", "calibration_slope",
                "observed_expected", "log_loss")  # fmt: skip


def _transport(config: Config) -> dict[str, Any]:
    """As the transport stage leaves it: three centres, one too small; one therapy; two years."""

    def figures(shift: float, *, summary: bool = False) -> dict[str, Any]:
        further = {"prediction_low": 0.41, "prediction_high": 0.93, "tau": 0.2, "units": 3}
        return {
            key: {"estimate": 0.6 + shift + 0.01 * k, "low": 0.5 + shift, "high": 0.75 + shift}
            | (further if summary else {})
            for k, key in enumerate(_TRANSPORTED)
        }

    def judged(shift: float) -> dict[str, Any]:
        loss = {"estimate": -0.02 + shift, "low": -0.05 + shift, "high": 0.01 + shift}
        return {"figures": figures(shift), "differences": {"therapy_only": {"log_loss": loss}}}

    gap = {"estimate": -0.0123, "low": -0.03, "high": 0.01, "prediction_low": -0.07,
           "prediction_high": 0.05, "tau": 0.01, "units": 3}  # fmt: skip
    units = [
        {"unit": f"centre {k}", "n": 100 + k, "events": 30 + k} | judged(0.0321 * k)
        for k in range(3)
    ]
    small = {"unit": "centre 9", "n": None, "events": None, "reason": "fewer than 10 patients"}
    sites = {
        "not_left_out": [
            {"unit": "centre 7", "n": 44, "reason": "having few events"},
            {"unit": "centre 8", "n": None, "reason": "having few events"},
        ],
        "outcomes": {
            name: {
                "units": [*units, small],
                "summary": figures(0.0777, summary=True),
                "summary_differences": {"therapy_only": {"log_loss": gap}},
            }
            for name in config.outcomes
        },
    }
    return {
        "definition": {
            "procedure": "the entire procedure is refitted without the unit's patients",
            "units": "the largest 15 at most",
            "intervals": "95%, normal approximation",
            "summary": "random effects",
            "without_prior": "from the base rate",
            "interval_level": 0.95,
        },
        "sites": sites,
        "therapies": {"reason": "all patients are of one therapy"},
        "temporal": {
            "train_years": [2018, 2021],
            "test_years": [2022, 2022],
            "train_n": 480,
            "n": 120,
            "outcomes": {name: {"events": 33} | judged(0.0456) for name in config.outcomes},
        },
    }


def _learning(config: Config) -> dict[str, Any]:
    """As the learning stage leaves it: three sizes, and an outcome without a curve."""

    def figure(estimate: float) -> dict[str, float]:
        return {"estimate": estimate, "low": estimate - 0.03, "high": estimate + 0.02}

    riley = {"patients_needed": 1234, "events_needed": 432, "criteria": {}, "met": False,
             "events_per_parameter": 3.2, "expected_auroc": 0.7, "shrinkage": 0.9}  # fmt: skip
    curve = {
        "n": 600,
        "events": 200,
        "riley": riley,
        "points": [
            {"n": n, "fitted_share": 1.0, "log_loss": figure(0.61 - 0.02 * k),
             "auroc": figure(0.66 + 0.01 * k), "auroc_within_therapy": figure(0.6 + 0.01 * k)}
            for k, n in enumerate((120, 240, 480))
        ],
        "last_doubling": {"from": 240, "to": 480, "log_loss": figure(0.0234),
                          "auroc": figure(0.0345), "auroc_within_therapy": figure(0.0456)},
        "law": {"reason": "only 2 training sizes had enough events"},
        "sentence": "Going from 240 to 480 training patients saved 0.0234 in log-loss.",
    }  # fmt: skip
    rare = {"n": 600, "events": None, "riley": None, "reason": "fewer than 10 events"}
    return {
        "definition": {"curve": "the procedure on fewer patients", "intervals": "95% bootstrap",
                       "law": "a power law", "riley": "smallest cohort"},
        "parameters": 17,
        "sizes": [120, 240, 480],
        "outcomes": {name: rare if name == "ge3" else curve for name in config.outcomes},
    }  # fmt: skip
