"""A procedure that is quick and whose every call is remembered."""

from dataclasses import dataclass, field

import numpy as np

from pipeline.config import Model, Outcome
from pipeline.evaluation.logistic import fit_logistic
from pipeline.model.patients import Patients

OUTCOMES = {"event": Outcome(column="event", at_least=1, label="Event")}


def patients_of(observed, X, published=None, therapies=None):
    """Patients with a matrix and outcomes, and nothing else that a toy would read."""
    n = len(observed)
    published = np.full((n, 1), np.nan) if published is None else published[:, None]
    return Patients(
        Z=X,
        Y=observed[:, None],
        published=published,
        published_sd=np.full((n, 1), 0.3),
        therapies=therapies,
        arms=None,
        trends=(0,) * X.shape[1],
        therapy_columns=np.zeros(X.shape[1], dtype=bool),
        modality_columns=np.zeros(X.shape[1], dtype=bool),
        outcomes=OUTCOMES,
    )


@dataclass(frozen=True)
class Toy:
    """A logistic regression on the matrix, shrunk, with the published log-odds as offset."""

    patients: Patients
    model: Model = field(default_factory=Model)
    decide_by_cohort: bool = True
    sd: float = 0.5
    calls: list = field(default_factory=list)

    def __call__(self, train_rows, test_rows, seed):
        train, test = self.patients.part(train_rows), self.patients.part(test_rows)
        self.calls.append((train_rows, test_rows, train.published, self.decide_by_cohort))
        coefficients = fit_logistic(
            np.column_stack([np.ones(len(train)), train.Z]),
            train.Y[:, 0],
            np.ones((1, len(train))),
            offset=np.nan_to_num(train.published[:, 0]),
            precision=np.array([0.01] + [self.sd**-2] * train.Z.shape[1]),
        )[0]
        margin = np.nan_to_num(test.published[:, 0]) + coefficients[0] + test.Z @ coefficients[1:]
        rate = np.full((len(test), 1), train.Y.mean())
        return {"model": 1 / (1 + np.exp(-margin))[:, None], "therapy_only": rate}


@dataclass(frozen=True)
class Memory(Toy):
    """Know the training patients' outcomes by heart, and nothing of anybody else."""

    def __call__(self, train_rows, test_rows, seed):
        known = np.full(len(self.patients), 0.5)
        known[train_rows] = 0.01 + 0.98 * self.patients.Y[train_rows, 0]
        return {"model": known[test_rows][:, None], "therapy_only": known[test_rows][:, None]}


@dataclass(frozen=True)
class Knows(Toy):
    """Know by heart the outcomes of every person with a row in training."""

    def __call__(self, train_rows, test_rows, seed):
        persons, y = self.patients.persons, self.patients.Y[:, 0]
        seen = np.isin(persons[test_rows], persons[train_rows])
        risk = np.where(seen, 0.01 + 0.98 * y[test_rows], 0.5)[:, None]
        return {"model": risk, "therapy_only": risk}
