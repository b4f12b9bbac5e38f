"""Clean cohorts: rounded, correlated, incomplete as real ones are, and free of faults.

Labs are log-normal with a common inflammation and marrow factor, levels shift by disease
and a little by site, rates differ by therapy, missingness depends on site, on the therapy
and, for ferritin and IL-6, weakly on how ill the patient looks.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cohort.dictionary import Dictionary, read_dictionary
from pipeline.config import Outcome, SyntheticSource
from pipeline.ingest.synthetic import draw_cohort

ROOT = Path(__file__).parents[3]
FULL = read_dictionary(ROOT / "configs" / "variables.yaml")
OUTCOMES = {
    "any": Outcome(column="crs_grade", at_least=1, label="CRS"),
    "ge2": Outcome(column="crs_grade", at_least=2, label="CRS of grade 2 or more"),
    "ge3": Outcome(column="crs_grade", at_least=3, label="CRS of grade 3 or more"),
}
# therapy: disease, logit of grade >= 1, >= 2, >= 3 when no lab says otherwise
THERAPIES = {
    "axicabtagene ciloleucel": ("LBCL", 2.4, 0.2, -2.6),
    "tisagenlecleucel": ("B-ALL", 0.9, -0.1, -1.3),
    "idecabtagene vicleucel": ("MM", 1.8, -0.6, -2.8),
    "teclistamab": ("MM", 0.9, -1.2, -4.5),
    "tarlatamab": ("SCLC", 0.2, -1.9, -4.2),
}
# lab: median, sd of log10, decimals, loading on inflammation, on marrow reserve, missing
LABS = {
    "ldh": (240, 0.20, 0, 0.4, 0.0, 0.05),
    "crp": (12, 0.55, 1, 0.8, 0.0, 0.12),
    "ferritin": (500, 0.50, 0, 0.6, -0.3, 0.25),
    "platelets": (130, 0.28, 0, -0.2, 0.7, 0.01),
    "hemoglobin": (10.2, 0.075, 1, -0.2, 0.6, 0.01),
    "anc": (2.6, 0.32, 2, 0.0, 0.7, 0.02),
    "alc": (0.6, 0.35, 2, 0.0, 0.3, 0.02),
    "creatinine": (0.85, 0.13, 2, 0.1, 0.0, 0.04),
    "albumin": (3.8, 0.055, 1, -0.5, 0.1, 0.05),
    "fibrinogen": (370, 0.15, 0, 0.6, 0.0, 0.24),
    "d_dimer": (0.9, 0.40, 2, 0.4, 0.0, 0.35),
    "il6": (6, 0.50, 1, 0.7, 0.0, 0.45),
    "ast": (22, 0.18, 0, 0.1, 0.0, 0.10),
    "alt": (20, 0.22, 0, 0.1, 0.0, 0.10),
    "sodium": (138, 0.010, 0, 0.0, 0.0, 0.05),
}
WEIGHTS = {"ldh": 0.25, "crp": 0.35, "ferritin": 0.2, "platelets": -0.2, "hemoglobin": -0.2}
BY_DISEASE = {
    "LBCL": {},
    "B-ALL": {"platelets": -0.25, "anc": -0.3, "hemoglobin": -0.08},
    "MM": {"crp": -0.3, "ldh": -0.05},
    "SCLC": {"platelets": 0.25, "ferritin": -0.3, "anc": 0.2},
}


def generated_cohort(patients: int, seed: int) -> tuple[pd.DataFrame, Dictionary]:
    """Draw a cohort from the shipped generator, with its default settings."""
    source = SyntheticSource(kind="synthetic", patients=patients)
    cohort = draw_cohort(source, seed, OUTCOMES, ROOT / "data")[0]
    return cohort, FULL.restricted_to(cohort)


def clean_cohort(patients: int, seed: int) -> tuple[pd.DataFrame, Dictionary]:
    """Draw a cohort without faults, and the dictionary of its columns."""
    rng = np.random.default_rng([seed, patients])
    names = list(THERAPIES)[: 1 if seed % 5 == 0 else len(THERAPIES)]
    therapy = rng.choice(names, patients)
    site = rng.integers(0, 1 if seed % 7 == 0 else min(8, 2 + patients // 60), patients)
    disease = np.array([THERAPIES[t][0] for t in therapy])
    inflammation, marrow = rng.standard_normal((2, patients))
    raw, risk = {}, np.zeros(patients)
    for lab, (median, sd, decimals, on_inflammation, on_marrow, _) in LABS.items():
        own = np.sqrt(1 - on_inflammation**2 - on_marrow**2)
        z = on_inflammation * inflammation + on_marrow * marrow
        z = z + own * rng.standard_normal(patients)
        risk += WEIGHTS.get(lab, 0) * z
        shift = np.array([BY_DISEASE[d].get(lab, 0) for d in disease])
        shift = shift + rng.normal(0, min(0.05, sd / 4), site.max() + 1)[site]
        value = np.round(median * 10 ** (sd * z + shift), decimals)
        # Assay limits: what lies below is reported as the limit.
        raw[lab] = np.maximum(value, {"crp": 0.3, "il6": 1.5}.get(lab, 10.0**-decimals))
    burden = np.clip(np.round(rng.beta(0.6, 1.2, patients) * 100), 0, 100)
    ecog = rng.choice([0, 1, 2, 3], patients, p=[0.35, 0.45, 0.17, 0.03])
    risk += 0.3 * (burden - 33) / 30 + 0.2 * (ecog >= 2)
    latent = risk + rng.normal(0, 1, patients) + rng.normal(0, 0.3, site.max() + 1)[site]
    latent += rng.logistic(size=patients)
    cuts = np.array([THERAPIES[t][1:] for t in therapy])
    grade = (latent[:, None] + cuts > 0).sum(axis=1).astype(float)
    young, old = rng.gamma(6, 3.5, patients), rng.normal(62, 9, patients)
    temperature = 36.7 + 0.3 * inflammation.clip(-1) + rng.normal(0, 0.25, patients)
    columns = {
        "patient_id": [f"P{i:06d}" for i in range(1, patients + 1)],
        "site": [f"centre {s + 1}" for s in site],
        "age": np.where(disease == "B-ALL", young, old).round().clip(1, 90),
        "sex": rng.choice(["female", "male"], patients),
        "ecog": ecog.astype(float),
        "disease": disease,
        "tumour_burden": burden,
        "bulky_disease": (rng.random(patients) < 0.3).astype(float),
        "therapy": therapy,
        "prior_lines": rng.poisson(2.5, patients).astype(float) + 1,
        "bridging": rng.choice(["none", "response", "no response"], patients),
        **raw,
        "temperature": temperature.round(1),
        "systolic_bp": np.round(rng.normal(122, 15, patients)),
        "crs_grade": grade,
        "grading_system": "ASTCT",
    }
    cohort = pd.DataFrame(columns)
    looks_ill = 0.5 * inflammation + 0.3 * risk
    for lab, (*_, missing) in LABS.items():
        base = np.log(missing / (1 - missing)) + rng.normal(0, 0.5, site.max() + 1)[site]
        base = base + 0.4 * (disease == "MM")
        if lab in ("ferritin", "il6"):
            base = base - 0.35 * looks_ill  # measured more often in those who look ill
        cohort.loc[rng.random(patients) < 1 / (1 + np.exp(-base)), lab] = np.nan
    return cohort, FULL.restricted_to(cohort)
