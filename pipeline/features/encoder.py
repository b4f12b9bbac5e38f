"""Raw values to model matrix at serving speed: everything that can be decided before is.

``matrix.py`` says what each column is, one column at a time; this does the same with all
columns at once, without pandas, for one patient in microseconds. A test holds the two equal
to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.features.plan import THERAPY_SOURCES, FeaturePlan
from pipeline.features.scores import BY_NAME

# Spellings of therapy and disease that are remembered; a caller may send any.
REMEMBERED = 4096


@dataclass(frozen=True)
class Inputs:
    """Canonical values of n patients.

    Attributes
    ----------
    numbers : ndarray, shape (n, numeric variables)
        In the order of ``Encoder.numbers``; NaN where missing.
    codes : dict of str to ndarray of int, shape (n,)
        Per text variable, the position in ``levels``; -1 where missing.
    levels : dict of str to list of str
    """

    numbers: np.ndarray
    codes: dict[str, np.ndarray]
    levels: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True)
class Arm:
    """A therapy in a disease, which is what a published rate speaks of.

    Attributes
    ----------
    given : bool
        Whether a therapy was named at all.
    therapy : str or None
        Canonical name; None where the therapy is missing or unknown.
    name : str
        As ``features.matrix.arm_names`` writes it.
    published, sd : ndarray, shape (outcomes,)
        Prior log-odds and their standard deviation; NaN where there is none.
    columns : ndarray, shape (therapy columns,)
    """

    given: bool
    therapy: str | None
    name: str
    published: np.ndarray
    sd: np.ndarray
    columns: np.ndarray


@dataclass(frozen=True)
class Encoded:
    """Model matrix and therapy arms of n patients.

    Attributes
    ----------
    Z : ndarray, shape (n, columns)
    arms : list of Arm
        Empty where the plan has no therapy prior.
    arm : ndarray of int, shape (n,)
        Position in ``arms``.
    """

    Z: np.ndarray
    arms: list[Arm]
    arm: np.ndarray


class Encoder:
    """Turns inputs into the model matrix of a plan.

    Parameters
    ----------
    plan : FeaturePlan

    Attributes
    ----------
    numbers, texts : tuple of str
        Numeric (and binary) variables in the order of ``Inputs.numbers``, and text variables.
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self.plan = plan
        self.numbers = tuple(v.name for v in plan.variables if v.kind != "categorical")
        read = [v.name for v in plan.variables if v.kind == "categorical"]
        read += [name for name in (plan.therapy, plan.disease) if name is not None]
        self.texts = tuple(dict.fromkeys(read))
        self._has_prior = plan.facts is not None and plan.therapy is not None
        self._place_columns()
        self._arms: dict[tuple[str | None, str | None], Arm] = {}

    def encode(self, inputs: Inputs) -> Encoded:
        """Build matrix and arms; the same bits as ``features.matrix.build_matrix``."""
        # Variables and columns in rows: what is done to one runs through adjoining numbers.
        V, n = inputs.numbers.T, len(inputs)
        Z = np.empty((len(self.plan.columns), n))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self._scores:
                V = np.empty((len(self.numbers) + len(self._scores), n))
                V[: len(self.numbers)] = inputs.numbers.T
                for new, (formula, inputs_of) in enumerate(self._scores, len(self.numbers)):
                    # One patient's numbers are faster as such than as arrays of one.
                    given = [(V[at, 0] if n == 1 else V[at], f) for at, f in inputs_of]
                    V[new] = formula(*[v if f == 1 else v * f for v, f in given])
            Z[self._straight] = V[self._straight_from]
            Z[self._logs] = np.log(np.maximum(V[self._logs_from], self._floors[:, None]))
        for name, columns, rows, no_level, missing in self._coded:
            codes, levels = inputs.codes[name], inputs.levels[name]
            if n == 1:  # one patient's row needs no table
                at = int(codes[0])
                Z[columns, 0] = missing if at < 0 else rows.get(levels[at], no_level)
            else:
                table = [*(rows.get(level, no_level) for level in levels), missing]
                Z[columns] = np.take(np.array(table).T, codes, axis=1)
        if not self._has_prior:
            return Encoded(Z.T, [], np.zeros(n, dtype=int))
        arms, arm = self._arms_of(inputs)
        if len(self._therapy_columns) and arms:
            Z[self._therapy_columns] = np.array([a.columns for a in arms]).T[:, arm]
        return Encoded(Z.T, arms, arm)

    def _place_columns(self) -> None:
        plan, place = self.plan, {name: i for i, name in enumerate(self.numbers)}
        self._scores = [
            (
                BY_NAME[s.name].formula,
                [(place[v], f) for v, f in zip(s.variables, s.factors, strict=True)],
            )
            for s in plan.scores
        ]
        # A score takes the place of a variable of the same name, as in ``build_matrix``.
        place |= {s.name: len(self.numbers) + i for i, s in enumerate(plan.scores)}
        straight, logs = [], []
        coded: dict[str, list[tuple[int, str]]] = {}
        therapy: list[tuple[int, str, str]] = []
        for at, column in enumerate(plan.columns):
            if self._has_prior and column.source in THERAPY_SOURCES:
                assert column.level is not None
                therapy.append((at, column.source, column.level))
            elif column.level is not None:
                coded.setdefault(column.source, []).append((at, column.level))
            elif column.log_floor is not None:
                logs.append((at, place[column.source], column.log_floor))
            else:
                straight.append((at, place[column.source]))
        self._straight = np.array([at for at, _ in straight], dtype=int)
        self._straight_from = np.array([source for _, source in straight], dtype=int)
        self._logs = np.array([at for at, _, _ in logs], dtype=int)
        self._logs_from = np.array([source for _, source, _ in logs], dtype=int)
        self._floors = np.array([floor for _, _, floor in logs])
        self._coded = [
            (
                name,
                np.array([at for at, _ in columns]),
                {level: row for (_, level), row in zip(columns, np.eye(len(columns)), strict=True)},
                np.zeros(len(columns)),
                np.full(len(columns), np.nan),
            )
            for name, columns in coded.items()
        ]
        self._therapy_columns = np.array([at for at, _, _ in therapy], dtype=int)
        self._therapy_levels = [(source, level) for _, source, level in therapy]

    def _arms_of(self, inputs: Inputs) -> tuple[list[Arm], np.ndarray]:
        therapy, disease = self.plan.therapy, self.plan.disease
        assert therapy is not None
        therapies: list[str | None] = [*inputs.levels[therapy], None]
        codes = inputs.codes[therapy] % len(therapies)
        diseases: list[str | None] = [None]
        if disease is not None:
            diseases = [*inputs.levels[disease], None]
            codes = codes * len(diseases) + inputs.codes[disease] % len(diseases)
        if len(codes) == 1:
            present, arm = [int(codes[0])], np.zeros(1, dtype=int)
        else:
            unique, arm = np.unique(codes, return_inverse=True)
            present = unique.tolist()
        pairs = [(therapies[c // len(diseases)], diseases[c % len(diseases)]) for c in present]
        return [self._arm(*pair) for pair in pairs], arm

    def _arm(self, therapy: str | None, disease: str | None) -> Arm:
        known = self._arms.get((therapy, disease))
        if known is None:
            if len(self._arms) >= REMEMBERED:
                self._arms.clear()
            known = self._arms[therapy, disease] = self._new_arm(therapy, disease)
        return known

    def _new_arm(self, therapy: str | None, disease: str | None) -> Arm:
        plan, facts = self.plan, self.plan.facts
        assert facts is not None
        name = facts.aliases.get(therapy.strip().casefold()) if therapy is not None else None
        published = np.full(len(plan.grades), np.nan)
        sd = np.full(len(plan.grades), np.nan)
        columns = np.full(len(self._therapy_columns), np.nan)
        if name is not None:
            for k, grade in enumerate(plan.grades):
                rate = facts.rate(name, disease, grade) if grade is not None else None
                if rate is not None:
                    published[k], sd[k] = rate.log_odds, rate.sd
            own = {"therapy": name} | {
                f"therapy_{key}": value for key, value in facts.attributes[name].items()
            }
            columns = np.array([float(own[s] == level) for s, level in self._therapy_levels])
        arm = str(name) if plan.disease is None else f"{name} in {disease}"
        return Arm(therapy is not None, name, arm, published, sd, columns)
