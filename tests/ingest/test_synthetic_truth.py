"""The true risk agrees with the stated model, and with textbook conditioning and integration."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, logit, ndtri
from scipy.stats import norm, truncnorm

from pipeline.config import Outcome, SyntheticSource
from pipeline.ingest.synthetic import draw_cohort
from pipeline.ingest.synthetic.cohort import Generator
from pipeline.ingest.synthetic.severity import expected_risk
from pipeline.ingest.synthetic.truth import true_risks

DATA = Path(__file__).parents[2] / "data"
ANY = {"any": Outcome(column="crs_grade", at_least=1, label="any CRS")}
AXI_LBCL = 0  # first row of the targets


@pytest.mark.parametrize(
    ("mean", "variance"), [(0.0, 1.0), (-3.0, 1.3), (2.0, 0.0), (-6.0, 2.0), (1.0, 4.0)]
)
def test_quadrature_agrees_with_adaptive_integration(mean, variance):
    sd = np.sqrt(variance)
    exact = (
        quad(lambda z: expit(mean + sd * z) * norm.pdf(z), -9, 9, epsabs=1e-12)[0]
        if variance
        else expit(mean)
    )
    assert expected_risk(np.array(mean), np.array(variance)) == pytest.approx(exact, rel=2e-4)


def test_without_frailty_and_missing_values_truth_is_the_stated_logistic_model():
    plain = SyntheticSource(
        kind="synthetic",
        patients=20_000,
        missing=0,
        frailty_sd=0,
        sites=1,
        years=(2024, 2024),
        effect_scale=1.0,
        therapies={"idecabtagene vicleucel": 1},
    )
    cohort, truth, _ = draw_cohort(plain, 3, ANY, DATA)
    stated = {
        "crp": 0.25,
        "ldh": 0.15,
        "ferritin": 0.10,
        "platelets": -0.12,
        "hemoglobin": -0.12,
        "anc": -0.10,
        "d_dimer": 0.15,
        "albumin": -0.08,
        "il6": 0.15,
    }
    scores = [ndtri((cohort[name].rank() - 0.5) / len(cohort)) for name in stated]
    burden = ndtri(np.clip(cohort["tumour_burden"], 0.05, 99.95) / 100)
    contrasts = [
        (cohort["ecog"] >= 2).astype(float),
        (cohort["bridging"] != "response").astype(float),
        cohort["prophylactic_steroid"],
    ]
    design = np.column_stack([*scores, burden, *contrasts, np.ones(len(cohort))])
    fitted, *_ = np.linalg.lstsq(design, logit(truth["risk_any"]), rcond=None)
    expected = [*stated.values(), 0.45, 0.20, 0.30, -0.80]
    assert np.allclose(fitted[:-1], expected, atol=0.015)


def conditional_risk(generator, scores, levels, recorded):
    """Return the risk by the full covariance matrix and adaptive integration, one patient."""
    population, severity = generator.population, generator.severity
    effects, structure = generator.facts.effects, generator.facts.structure
    loadings = population.loadings
    covariance = loadings @ loadings.T + np.diag(1 - (loadings**2).sum(axis=1))
    coefficient = np.zeros(len(structure))
    fixed = severity.intercepts[AXI_LBCL, 0] + severity.nuisance_mean[AXI_LBCL, 0]
    for row, effect in effects.iterrows():
        beta = severity.coefficients[1, row, 0]
        if effect["contrast"] == "per SD":
            coefficient[list(structure.index).index(effect["variable"])] = beta
        else:
            names = population.covariates[effect["variable"]].levels
            fixed += beta * (names[levels[effect["variable"]]] in effect["contrast"].split(";"))
    reading, noise = scores.copy(), np.zeros(len(structure))
    known = recorded.copy()
    for name, position in levels.items():
        if name not in structure.index:
            continue
        column = list(structure.index).index(name)
        bounds = ndtri(np.r_[0, population.covariates[name].cumulative[AXI_LBCL]])
        bounds[-1] = np.inf
        known[column] = not np.isnan(bounds).any()
        if known[column]:
            share = np.diff(norm.cdf(bounds))
            means = np.array([truncnorm.mean(a, b) if b > a else 0.0 for a, b in pairwise(bounds)])
            informative = (share * means**2).sum()
            reading[column] = means[position] / informative
            noise[column] = 1 / informative - 1
    given, hidden = np.flatnonzero(known), np.flatnonzero(~known)
    inner = covariance[np.ix_(given, given)] + np.diag(noise[given])
    weights = np.linalg.solve(inner, covariance[np.ix_(given, hidden)]).T
    mean = (
        fixed + coefficient[given] @ scores[given] + coefficient[hidden] @ weights @ reading[given]
    )
    spread = covariance[np.ix_(hidden, hidden)] - weights @ covariance[np.ix_(given, hidden)]
    variance = coefficient[hidden] @ spread @ coefficient[hidden]
    sd = np.sqrt(variance + severity.nuisance_variance[AXI_LBCL, 0])
    return quad(lambda z: expit(mean + sd * z) * norm.pdf(z), -9, 9)[0]


def test_missing_labs_are_integrated_out_as_the_textbook_does():
    source = SyntheticSource(kind="synthetic", patients=40)
    generator = Generator(source, 1, ANY, DATA)
    population = generator.population
    rng = np.random.default_rng(8)
    patients = 25
    arm = np.full(patients, AXI_LBCL)
    scores = population.scores(rng, patients)
    levels = population.levels(scores, rng.random((patients, len(population.covariates))), arm)
    recorded = rng.random(scores.shape) < rng.random((patients, 1))  # from hardly any to all
    no_tilt = np.zeros(scores.shape[1])
    risks = true_risks(generator.severity, ANY, scores, levels, recorded, no_tilt, arm)["any"]
    for patient in range(patients):
        exact = conditional_risk(
            generator,
            scores[patient],
            {name: position[patient] for name, position in levels.items()},
            recorded[patient],
        )
        assert risks[patient] == pytest.approx(exact, abs=2e-5)


def test_the_true_risk_is_the_share_of_the_same_patient_drawn_over_and_over():
    """Monte Carlo: one baseline, many frailties, centres and calendar years, every grade."""
    outcomes = {
        f"ge{grade}": Outcome(column="crs_grade", at_least=grade, label=f"grade {grade}")
        for grade in range(1, 6)
    }
    generator = Generator(SyntheticSource(kind="synthetic", patients=40), 1, outcomes, DATA)
    population, severity, design = generator.population, generator.severity, generator.design
    rng = np.random.default_rng(5)
    patients, draws = 27, 40_000
    arm = np.arange(patients)  # each arm once
    scores = population.scores(rng, patients)
    levels = population.levels(scores, rng.random((patients, len(population.covariates))), arm)
    recorded = np.ones(scores.shape, dtype=bool)
    tilt = generator.missingness.tilt
    risks = true_risks(severity, outcomes, scores, levels, recorded, tilt, arm)
    x = severity.predictors(scores, levels)
    z = []
    for one in range(patients):
        share = design.share[:, one] / design.share[:, one].sum()
        site = rng.choice(len(share), size=draws, p=share)
        year = rng.choice(design.years, size=draws)
        repeated = np.repeat(x[one : one + 1], draws, axis=0)
        grade = severity.draw(rng, repeated, np.full(draws, one), site, year)
        for name, outcome in outcomes.items():
            risk = risks[name][one]
            margin = np.sqrt(risk * (1 - risk) / draws)
            z.append(abs((grade >= outcome.at_least).mean() - risk) / margin)
    assert max(z) < norm.ppf(1 - 0.0005 / len(z))


def test_a_value_missing_where_low_lowers_the_expected_value():
    source = SyntheticSource(kind="synthetic", patients=40)
    generator = Generator(source, 1, ANY, DATA)
    ferritin = generator.population.column["ferritin"]
    assert generator.missingness.tilt[ferritin] > 0
    assert generator.missingness.tilt[generator.population.column["ldh"]] == 0
    rng = np.random.default_rng(8)
    arm = np.zeros(10, dtype=int)
    scores = generator.population.scores(rng, 10)
    uniforms = rng.random((10, len(generator.population.covariates)))
    levels = generator.population.levels(scores, uniforms, arm)
    recorded = np.ones(scores.shape, dtype=bool)
    recorded[:, ferritin] = False
    risk = {}
    for name, tilt in (("random", 0.0), ("when low", 1.0)):
        at = tilt * generator.missingness.tilt
        risk[name] = true_risks(generator.severity, ANY, scores, levels, recorded, at, arm)["any"]
    assert (risk["when low"] < risk["random"]).all()
