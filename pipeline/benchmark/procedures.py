"""The compared procedures: each is fitted on training patients and gives risks of others.

Every one gets the same columns (`Cohort.features`), prepares them inside the training fold,
and runs on one thread with its library's defaults unless a comment says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

from pipeline.benchmark.cohort import Cohort
from pipeline.benchmark.settings import Benchmark
from pipeline.evaluation.comparators import base_rate as rate_of
from pipeline.evaluation.comparators import therapy_only as therapy_alone
from pipeline.model.fitting import fit_risk_model

Predict = Callable[[Cohort], np.ndarray]
Fit = Callable[[Cohort, np.ndarray, Benchmark, int], Predict]
Classifier = Callable[[pd.DataFrame, Benchmark, int], Any]


def ours(train: Cohort, everyone: np.ndarray, settings: Benchmark, seed: int) -> Predict:
    """The project's own procedure, as its evaluation fits it."""
    model = fit_risk_model(train.patients, train.settings, seed, whole=everyone)

    def predict(test: Cohort) -> np.ndarray:
        p, level = test.patients, train.settings.interval_level
        return model.predict(p.Z, p.published, p.published_sd, p.arms, level).risk

    return predict


def base_rate(train: Cohort, everyone: np.ndarray, settings: Benchmark, seed: int) -> Predict:
    """The training patients' rate, for everybody."""
    rates = [rate_of(y) for y in train.patients.Y.T]
    return lambda test: np.tile(rates, (len(test), 1))


def therapy_only(train: Cohort, everyone: np.ndarray, settings: Benchmark, seed: int) -> Predict:
    """The therapy's published rate, corrected by the training patients' own."""

    def predict(test: Cohort) -> np.ndarray:
        known, new = train.patients, test.patients
        assert known.therapies is not None  # it is not run without a therapy prior
        assert new.therapies is not None
        return np.column_stack(
            [
                therapy_alone(
                    known.Y[:, k], known.published[:, k], known.therapies,
                    new.published[:, k], new.therapies, train.therapy_only_sd,
                )
                for k in range(known.Y.shape[1])
            ]
        )  # fmt: skip

    return predict


def _lightgbm(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_jobs=1, random_state=seed, verbose=-1)


def _calibrated(method: str) -> Classifier:
    def make(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.model_selection import StratifiedKFold

        booster = _lightgbm(frame, settings, seed)
        # Shuffled, unlike the class's own default, which fails on tables in order of survival.
        folds = StratifiedKFold(settings.calibration_folds, shuffle=True, random_state=seed)
        return CalibratedClassifierCV(booster, method=method, cv=folds)

    return make


def _hist_gradient_boosting(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)


def _xgboost(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_jobs=1, random_state=seed, enable_categorical=True)


def _catboost(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    from catboost import CatBoostClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    booster = CatBoostClassifier(
        thread_count=1, random_seed=seed, verbose=False, allow_writing_files=False,
        cat_features=_categories(frame),
    )  # fmt: skip
    return make_pipeline(FunctionTransformer(_missing_as_level), booster)


def _random_forest(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline

    # Better for probabilities than the default: more trees, and leaves of at least 5 patients.
    forest = RandomForestClassifier(
        n_estimators=500, min_samples_leaf=5, n_jobs=1, random_state=seed
    )
    return make_pipeline(_prepared(frame), forest)


def _ridge(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    return _logistic(frame, settings, seed, l1_ratios=(0.0,), solver="lbfgs")


def _elastic_net(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    return _logistic(frame, settings, seed, l1_ratios=(0.5,), solver="saga")


def _logistic(frame: pd.DataFrame, settings: Benchmark, seed: int, **choices: Any) -> Any:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline

    folds = StratifiedKFold(settings.calibration_folds, shuffle=True, random_state=seed)
    regression = LogisticRegressionCV(
        Cs=np.logspace(-4, 1, 11), cv=folds, scoring="neg_log_loss", tol=1e-3, max_iter=500,
        random_state=seed, use_legacy_attributes=False, **choices,
    )  # fmt: skip
    return make_pipeline(_prepared(frame), regression)


def _flaml(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    from flaml import AutoML

    return AutoML(
        task="classification", metric="log_loss", time_budget=settings.flaml_seconds,
        n_jobs=1, seed=seed, verbose=0,
    )  # fmt: skip


class _AutoGluon:
    """AutoGluon's predictor behind scikit-learn's two verbs."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def fit(self, frame: pd.DataFrame, y: np.ndarray) -> None:
        from tempfile import TemporaryDirectory

        from autogluon.tabular import TabularPredictor

        self.folder = TemporaryDirectory()
        predictor = TabularPredictor(
            "label", problem_type="binary", eval_metric="log_loss", path=self.folder.name,
            verbosity=0,
        )  # fmt: skip
        self.model = predictor.fit(
            frame.assign(label=y), time_limit=self.seconds, num_cpus=1, presets="best_quality"
        )

    def predict_proba(self, frame: pd.DataFrame) -> np.ndarray:
        return np.asarray(self.model.predict_proba(frame, as_pandas=False))


def _autogluon(frame: pd.DataFrame, settings: Benchmark, seed: int) -> Any:
    return _AutoGluon(settings.autogluon_seconds)


def _categories(frame: pd.DataFrame) -> list[str]:
    return [str(c) for c in frame.columns if frame[c].dtype == "category"]


def _missing_as_level(frame: pd.DataFrame) -> pd.DataFrame:
    """CatBoost takes text for categories, and no missing one."""
    text = {c: frame[c].astype(object).fillna("missing").astype(str) for c in _categories(frame)}
    return frame.assign(**text)


def _prepared(frame: pd.DataFrame) -> Any:
    """Medians, a flag where a value was missing, standard deviations, and 0/1 per level."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categories = _categories(frame)
    numbers = [c for c in frame.columns if c not in categories]
    filled = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(filled, StandardScaler()), numbers),
            ("levels", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categories),
        ]
    )


def _per_outcome(make: Classifier) -> Fit:
    """Fit a classifier of each outcome by itself."""

    def fit(train: Cohort, everyone: np.ndarray, settings: Benchmark, seed: int) -> Predict:
        fitted = []
        for k, y in enumerate(train.patients.Y.T):
            frame = train.features(k)
            classifier = make(frame, settings, seed)
            classifier.fit(frame, y.astype(int))
            fitted.append(classifier)

        def predict(test: Cohort) -> np.ndarray:
            return np.column_stack(
                [c.predict_proba(test.features(k))[:, 1] for k, c in enumerate(fitted)]
            )

        return predict

    return fit


# By name: how it is fitted, and the packages whose versions decide what comes out.
PROCEDURES: dict[str, tuple[Fit, tuple[str, ...]]] = {
    "ours": (ours, ("lightgbm", "glum")),
    "base_rate": (base_rate, ()),
    "therapy_only": (therapy_only, ()),
    "ridge": (_per_outcome(_ridge), ("scikit-learn",)),
    "elastic_net": (_per_outcome(_elastic_net), ("scikit-learn",)),
    "random_forest": (_per_outcome(_random_forest), ("scikit-learn",)),
    "lightgbm": (_per_outcome(_lightgbm), ("lightgbm",)),
    "lightgbm_sigmoid": (_per_outcome(_calibrated("sigmoid")), ("lightgbm", "scikit-learn")),
    "lightgbm_isotonic": (_per_outcome(_calibrated("isotonic")), ("lightgbm", "scikit-learn")),
    "hist_gradient_boosting": (_per_outcome(_hist_gradient_boosting), ("scikit-learn",)),
    "xgboost": (_per_outcome(_xgboost), ("xgboost",)),
    "catboost": (_per_outcome(_catboost), ("catboost",)),
    "flaml": (_per_outcome(_flaml), ("flaml", "lightgbm", "xgboost")),
    "autogluon": (_per_outcome(_autogluon), ("autogluon.tabular",)),
}


def why_skipped(name: str) -> str | None:
    """Why a procedure cannot be run here, in words; None where it can."""
    for package in PROCEDURES[name][1]:
        try:
            version(package)
        except PackageNotFoundError:
            return f"{package} is not installed"
    return None


def versions(name: str) -> dict[str, str]:
    """Versions of the packages behind a procedure."""
    return {package: version(package) for package in PROCEDURES[name][1]}
