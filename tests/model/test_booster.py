"""LightGBM's C library gives the numbers of its Python package, and imports none of it."""

import subprocess
import sys

import lightgbm
import numpy as np
import pytest

from pipeline.model.booster import Booster


@pytest.fixture(scope="module")
def text():
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(300, 4))
    Z[rng.random(Z.shape) < 0.2] = np.nan
    y = (np.nan_to_num(Z[:, 0]) + rng.logistic(size=300) > 0).astype(float)
    parameters = {"objective": "binary", "num_leaves": 6, "verbosity": -1, "num_threads": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(Z, label=y), 30).model_to_string()


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(2)
    Z = rng.normal(scale=3, size=(200, 4))
    Z[rng.random(Z.shape) < 0.3] = np.nan
    Z[0] = np.nan
    Z[1] = np.inf
    Z[2] = 0.0
    return Z


def arrangements(Z):
    wide = np.zeros((2 * len(Z), 2 * Z.shape[1]))
    wide[::2, ::2] = Z
    return {
        "as it is": Z,
        "one row": Z[:1],
        "column-major": np.asfortranarray(Z),
        "every other cell of a larger matrix": wide[::2, ::2],
        "backwards": Z[::-1],
    }


@pytest.mark.parametrize("arrangement", list(arrangements(np.zeros((1, 1)))))
def test_equals_the_python_package_to_the_last_bit(text, patients, arrangement):
    Z = arrangements(patients)[arrangement]
    package = lightgbm.Booster(model_str=text)
    ours = Booster(text)
    np.testing.assert_array_equal(ours.margin(Z), package.predict(Z, raw_score=True))
    np.testing.assert_array_equal(ours.contributions(Z), package.predict(Z, pred_contrib=True))


def test_single_precision_and_whole_numbers_are_read_as_doubles(text):
    Z = np.array([[1, 2, 3, 4], [0, -1, 0, 5]])
    expected = Booster(text).margin(Z.astype(float))
    np.testing.assert_array_equal(Booster(text).margin(Z), expected)
    np.testing.assert_array_equal(Booster(text).margin(Z.astype(np.float32)), expected)


def test_no_patients_give_no_scores(text):
    assert Booster(text).margin(np.empty((0, 4))).shape == (0,)
    assert Booster(text).contributions(np.empty((0, 4))).shape == (0, 5)


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (4,)])
def test_a_matrix_of_another_width_is_refused(text, shape):
    # LightGBM itself would read beyond the matrix.
    with pytest.raises(ValueError, match="expected a matrix with 4 columns"):
        Booster(text).margin(np.zeros(shape))


def test_text_that_is_no_model_is_refused():
    with pytest.raises(RuntimeError, match="LightGBM"):
        Booster("no trees grow here")


def test_a_model_is_loaded_once(text):
    assert Booster.of(text) is Booster.of("".join(text))


def test_scoring_imports_no_heavy_library(written, cohort):
    folder, _ = written
    cohort.head(5).to_json(folder.parent / "patients.json", orient="records")
    program = f"""
import sys
import pandas as pd
from pipeline.serving.scorer import load
found = load({str(folder)!r}).predict(pd.read_json({str(folder.parent / "patients.json")!r}))
assert (found["status"] == "ok").any()
heavy = ("sklearn", "shap", "matplotlib", "glum", "lightgbm", "mlflow", "scipy")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
