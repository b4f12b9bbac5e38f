"""How close the procedure comes to the truth, on many drawn cohorts.

``python -m tests.evaluation.recovery --write tests/evaluation/README.md`` draws cohorts of the
default config with seeds of their own, runs the procedure by cross-validation and puts a table
between the marks of that file. Cohorts already done are kept in ``models/recovery/``, so that the
command goes on where it was stopped. The audit inside the folds is off: these cohorts are clean.
"""

import argparse
import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.therapies import read_therapies
from pipeline.config_file import read_config
from pipeline.evaluation.bootstrap import summary, weight_blocks
from pipeline.evaluation.calibration import calibration_slope
from pipeline.evaluation.discrimination import expected_concordance, within_folds
from pipeline.evaluation.procedure import Procedure
from pipeline.evaluation.resampling import assign_folds, out_of_fold
from pipeline.evaluation.truth import distance_to_truth, interval_coverage
from pipeline.features.planning import plan_features
from pipeline.features.therapy import therapy_facts
from pipeline.ingest.synthetic import draw_cohort
from tests.marks import write_between

ROOT = Path(__file__).parents[2]
# Patients, and how many cohorts of that size.
COHORTS = {60: 100, 100: 60, 200: 40, 500: 20, 1000: 100, 2000: 10, 10000: 2}
FIRST_SEED = 700_000
BOOTSTRAP = 500


def judge_cohort(patients: int, seed: int) -> dict:
    """Figures of one cohort per outcome, from out-of-fold risks and the true ones."""
    config = read_config(ROOT / "configs" / "default.yaml")
    config = config.model_copy(
        update={"predictors": config.predictors.model_copy(update={"drop_audited": []})}
    )
    source = config.source.model_copy(update={"patients": patients})
    cohort, truth, _ = draw_cohort(source, seed, config.outcomes, ROOT / "data")
    dictionary = read_dictionary(ROOT / "configs" / "variables.yaml").restricted_to(cohort)
    rates = read_therapies(ROOT / "data" / "therapies.csv")
    plan = plan_features(cohort, dictionary, config, therapy_facts(rates, config.therapy_prior))
    procedure = Procedure.of(cohort, dictionary, plan, config)
    reached = procedure.patients.Y.sum(axis=1).astype(int)
    folds = assign_folds(reached, 5, 1, seed)
    found = out_of_fold(procedure, folds, seed)
    pairs = within_folds(folds[0], pd.factorize(procedure.patients.therapies)[0])
    one = np.ones((1, patients))
    figures = {}
    for k, name in enumerate(config.outcomes):
        y, true = procedure.patients.Y[:, k], truth[f"risk_{name}"].to_numpy()
        risk, low, high, alone = (
            found[part][0, :, k] for part in ("model", "low", "high", "therapy_only")
        )
        slopes = np.concatenate(
            [calibration_slope(y, risk, w) for w in weight_blocks(patients, BOOTSTRAP, seed)]
        )
        slope = summary(slopes, 0.95)
        figures[name] = {
            "regret": float(distance_to_truth(true, risk[None], one)["regret"][0]),
            "regret_therapy_only": float(distance_to_truth(true, alone[None], one)["regret"][0]),
            # Expected under the true risks, free of the outcomes' own chance.
            "below_oracle": float(
                (expected_concordance(true, true, pairs, one)
                 - expected_concordance(true, risk, pairs, one))[0]
            ),
            "coverage": float(
                interval_coverage(true, low[None], high[None], one)["coverage"][0]
            ),
            "slope": slope["estimate"],
            "slope_holds_1": None if slope["low"] is None
            else bool(slope["low"] <= 1 <= slope["high"]),
        }  # fmt: skip
    return {"patients": patients, "seed": seed, "outcomes": figures}


def table(cohorts: list[dict]) -> str:
    """Markdown: a row per size and outcome."""
    rows = pd.DataFrame(
        [{"patients": c["patients"], "outcome": name, **figures}
         for c in cohorts for name, figures in c["outcomes"].items()]
    )  # fmt: skip
    lines = [
        "| patients | cohorts | outcome | regret, model | regret, therapy alone | model better by "
        "(standard error) | within-therapy AUROC below the oracle | 90 % interval covers "
        "| slope, mean | slope interval holds 1 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (patients, outcome), group in rows.groupby(["patients", "outcome"], sort=False):
        gain = 1000 * (group["regret_therapy_only"] - group["regret"])
        held = group["slope_holds_1"].dropna()
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        lines.append(
            f"| {patients:,} | {len(group)} | {outcome} | {1000 * group['regret'].mean():.1f} "
            f"| {1000 * group['regret_therapy_only'].mean():.1f} | {gain.mean():.1f} ({error:.1f}) "
            f"| {group['below_oracle'].mean():.3f} | {100 * group['coverage'].mean():.0f} % "
            f"| {group['slope'].mean():.2f} | {int(held.sum())} of {len(held)} |"
        )
    return "\n".join(lines)


def _kept(folder: Path, patients: int, seed: int) -> dict:
    file = folder / f"{patients}_{seed}.json"
    if not file.exists():
        file.write_text(json.dumps(judge_cohort(patients, seed)), encoding="utf-8")
    return json.loads(file.read_text(encoding="utf-8"))


def main() -> None:
    """Run the study, print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="file between whose marks the table goes")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(COHORTS))
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    folder = ROOT / "models" / "recovery"
    folder.mkdir(exist_ok=True)
    tasks = [
        joblib.delayed(_kept)(folder, n, FIRST_SEED + 1000 * at + i)
        for at, (n, count) in enumerate(COHORTS.items()) if n in arguments.sizes
        for i in range(count)
    ]  # fmt: skip
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        cohorts = joblib.Parallel(n_jobs=arguments.processes)(tasks)
    text = table(cohorts)
    print(text)
    if arguments.write:
        write_between(arguments.write, "recovery", text)


if __name__ == "__main__":
    main()
