"""What must not change a risk does not change it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from pipeline.cohort.units import linear_map, to_canonical
from pipeline.features.matrix import build_matrix, prior_log_odds, values_of
from pipeline.model.head import choose_prior
from pipeline.model.imputation import fit_imputer
from pipeline.model.interval import fit_uncertainty
from pipeline.model.linear import fit_linear, is_coded
from pipeline.model.patients import observed_outcomes
from pipeline.model.predict import predict


def figures(artifact, frame):
    found = predict(artifact, values_of(frame, artifact.plan))
    return np.stack([found.risk, found.low, found.high, found.prior])


@pytest.fixture(scope="module")
def expected(artifact, cohort):
    return figures(artifact, cohort)


def test_order_of_columns(artifact, cohort, expected):
    shuffled = cohort[list(np.random.default_rng(0).permutation(cohort.columns))]
    np.testing.assert_array_equal(figures(artifact, shuffled), expected)


def test_further_columns(artifact, cohort, expected):
    more = cohort.assign(zodiac="lion", ldh_after=1e9, age_2=np.nan)
    np.testing.assert_array_equal(figures(artifact, more), expected)


def test_outcomes_and_what_else_came_later(artifact, cohort, expected):
    later = cohort.drop(columns=[c for c in cohort if c.startswith(("post_", "crs_"))])
    assert later.shape[1] < cohort.shape[1]
    np.testing.assert_array_equal(figures(artifact, later), expected)


def test_order_of_patients(artifact, cohort, expected):
    order = np.random.default_rng(1).permutation(len(cohort))
    shuffled = figures(artifact, cohort.iloc[order])
    np.testing.assert_allclose(shuffled, expected[:, order], rtol=1e-12)


def test_company(artifact, cohort, expected):
    alone = np.concatenate([figures(artifact, cohort.iloc[[i]]) for i in range(15)], axis=1)
    np.testing.assert_allclose(alone, expected[:, :15], rtol=1e-10)


def test_names_of_patients_and_centres(artifact, cohort, expected):
    renamed = cohort.assign(patient_id="X", site="elsewhere")
    np.testing.assert_array_equal(figures(artifact, renamed), expected)


def test_brand_or_generic_name(artifact, cohort):
    brand = cohort.assign(therapy="YESCARTA ")
    generic = cohort.assign(therapy="axicabtagene ciloleucel")
    np.testing.assert_array_equal(figures(artifact, brand), figures(artifact, generic))


def test_units_there_and_back(artifact, cohort, expected, default):
    # Every measurement in every unit that the dictionary accepts, and back.
    converted = 0
    for pick in (0, -1):
        frame = cohort.copy()
        for variable in artifact.dictionary:
            if variable.kind != "numeric" or not variable.accepts:
                continue
            unit = variable.accepts[pick]
            factor, offset = linear_map(unit, variable.unit, variable.molar_mass)
            foreign = (frame[variable.name].to_numpy() - offset) / factor
            frame[variable.name] = to_canonical(foreign, variable, unit)
            converted += 1
        np.testing.assert_allclose(figures(artifact, frame), expected, rtol=1e-9)
    assert converted > 20
    assert default.dictionary["crp"].accepts


def test_learners_do_not_depend_on_the_order_of_training_patients(artifact, cohort, default):
    # The folds do, and with them what is chosen and how far it is trusted; what is fitted to
    # all patients with a given setting does not, nor does the spread.
    plan = artifact.plan
    values = values_of(cohort, plan)
    Z, (published, _) = build_matrix(values, plan), prior_log_odds(values, plan)
    y = observed_outcomes(cohort, default.config.outcomes)[:, 1]
    order = np.random.default_rng(2).permutation(len(Z))

    def fit(rows):
        filled = fit_imputer(Z[rows], 8, 0).fill(Z[rows])
        coded = is_coded(Z[rows])
        offset = choose_prior(y[rows], published[rows, 1]).log_odds(published[rows, 1])
        found = []
        for learner, penalty in (("ridge", 100.0), ("elastic_net", 20.0)):
            settings = getattr(default.config.model, learner)
            settings = settings.model_copy(update={"penalties": [penalty]})
            fitted = fit_linear(
                filled,
                coded,
                [0] * Z.shape[1],
                y[rows, None],
                offset[:, None],
                np.ones(1),
                settings,
            )
            found.append(fitted.margin(filled))
        belief = np.full(Z.shape[1], 0.18)
        found.append(fit_uncertainty(filled, coded, np.full(len(rows), 0.3), belief).sd(filled))
        return np.array(found)

    straight = fit(np.arange(len(Z)))
    np.testing.assert_allclose(fit(order), straight[:, order], atol=2e-3)


def test_irrelevant_columns_of_the_training_table(artifact, cohort, default):
    # Columns that no dictionary entry makes a predictor leave the fitted model as it is.
    changed = cohort.assign(
        patient_id=[f"other-{i}" for i in range(len(cohort))],
        **{c: cohort[c].sample(frac=1, random_state=1).to_numpy()
           for c in cohort if c.startswith("post_")},
    )  # fmt: skip
    again = default.train(changed)
    # Threads add sums up in another order: the same but for the last bits.
    assert again.model.heads[0].a == pytest.approx(artifact.model.heads[0].a, abs=1e-12)
    np.testing.assert_allclose(
        figures(again, cohort), figures(artifact, cohort), rtol=0, atol=1e-12
    )


def test_names_of_outcomes(artifact, cohort, default):
    # A head is known by its place; its name decides nothing.
    heads = tuple(
        dataclasses.replace(h, outcome=f"o{k}") for k, h in enumerate(artifact.model.heads)
    )
    renamed = dataclasses.replace(artifact, model=dataclasses.replace(artifact.model, heads=heads))
    np.testing.assert_array_equal(figures(renamed, cohort), figures(artifact, cohort))


def test_missing_values_by_any_name(artifact, cohort, expected):
    nullable = cohort.convert_dtypes()
    plain = cohort.astype(object).where(cohort.notna(), None)
    assert isinstance(nullable["ldh"].dtype, pd.Float64Dtype | pd.Int64Dtype)
    np.testing.assert_array_equal(figures(artifact, nullable), expected)
    np.testing.assert_array_equal(figures(artifact, plain), expected)
