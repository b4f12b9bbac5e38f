"""Raw values to model matrix at serving speed: everything that can be decided before is.

``matrix.py`` says what each column is, one column at a time; this does the same with all
columns at once, without pandas, for one patient in microseconds. A test holds the two equal
to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pipeline.features.plan import FeaturePlan
from pipeline.features.scores import BY_NAME

# Spellings of therapy and disease that are remembered; a caller may send any.
REMEMBERED = 4096
_FIRST = np.zeros(1, dtype=int)


@dataclass(frozen=True)
class Inputs:
    """Canonical values of n patients.

    Attributes
    ----------
    numbers : ndarray, shape (n, numeric variables)
        In the order of ``Encoder.numbers``; NaN where missing.
    codes : ndarray of int, shape (n, text variables)
        In the order of ``Encoder.texts``: the position in ``levels``, -1 where missing.
    levels : list of list of str
        Per text variable.
    """

    numbers: np.ndarray
    codes: np.ndarray
    levels: list[list[str]]

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, rows: slice) -> Inputs:
        """The same for some of the patients."""
        return Inputs(self.numbers[rows], self.codes[rows], self.levels)


@dataclass(frozen=True, eq=False)
class Arm:
    """A therapy in a disease, which is what a published rate speaks of.

    An encoder gives the same object for the same spellings: what follows from an arm can be
    remembered by it.

    Attributes
    ----------
    given, in_disease : bool
        Whether a therapy was named at all, and whether a disease was.
    therapy : str or None
        Canonical name; None where the therapy is missing or unknown.
    name : str
        As ``features.matrix.arm_names`` writes it.
    published, sd : ndarray, shape (outcomes,)
        Prior log-odds and their standard deviation; NaN where there is none.
    evidence : tuple of str or None
        Of each prior, as ``features.therapy.Rate`` has it.
    columns : ndarray, shape (therapy columns, 1)
        Those of ``FeaturePlan.therapy_columns``.
    """

    given: bool
    in_disease: bool
    therapy: str | None
    name: str
    published: np.ndarray
    sd: np.ndarray
    evidence: tuple[str | None, ...]
    columns: np.ndarray


@dataclass(frozen=True)
class Arms:
    """The therapy arms of n patients.

    Attributes
    ----------
    each : list of Arm
        Empty where the plan has no therapy prior.
    of : ndarray of int, shape (n,)
        Each patient's position in ``each``.
    """

    each: list[Arm]
    of: np.ndarray

    def part(self, rows: slice) -> Arms:
        """The same for some of the patients."""
        return Arms(self.each, self.of[rows])


class Encoder:
    """Turns inputs into the model matrix of a plan.

    Parameters
    ----------
    plan : FeaturePlan

    Attributes
    ----------
    numbers, texts : tuple of str
        Numeric (and binary) variables in the order of ``Inputs.numbers``, and text variables
        in that of ``Inputs.codes``.
    """

    def __init__(self, plan: FeaturePlan) -> None:
        self.plan = plan
        self.numbers = tuple(v.name for v in plan.variables if v.kind != "categorical")
        read = [v.name for v in plan.variables if v.kind == "categorical"]
        read += [name for name in (plan.therapy, plan.disease) if name is not None]
        self.texts = tuple(dict.fromkeys(read))
        self._has_prior = plan.facts is not None and plan.therapy is not None
        self._place_columns()
        self._arm = lru_cache(REMEMBERED)(self._new_arm)

    def arms(self, inputs: Inputs) -> Arms:
        """Find each patient's arm."""
        if not self._has_prior:
            return Arms([], np.zeros(len(inputs), dtype=int))
        therapy, therapies = self._text(self.plan.therapy, inputs)
        disease, diseases = self._text(self.plan.disease, inputs)
        if len(inputs) == 1:
            return Arms([self._arm(therapies[therapy[0]], diseases[disease[0]])], _FIRST)
        codes = therapy % len(therapies) * len(diseases) + disease % len(diseases)
        unique, of = np.unique(codes, return_inverse=True)
        pairs = [divmod(code, len(diseases)) for code in unique.tolist()]
        return Arms([self._arm(therapies[t], diseases[d]) for t, d in pairs], of)

    def matrix(self, inputs: Inputs, arms: Arms) -> np.ndarray:
        """Build the model matrix, shape (n, columns).

        The same bits as ``features.matrix.build_matrix``.
        """
        # Variables and columns in rows: what is done to one runs through adjoining numbers.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            V = self._with_scores(inputs.numbers)
            logs = np.log(np.maximum(V.take(self._logs_from, axis=0), self._floors))
        parts = [V, logs, *self._levels(inputs), *self._therapies(arms)]
        return np.concatenate(parts).take(self._order, axis=0).T

    def _text(self, name: str | None, inputs: Inputs) -> tuple[np.ndarray, list[str | None]]:
        """Codes of a text variable, and what they say; missing throughout where it has no name."""
        if name is None:
            return np.full(len(inputs), -1), [None]
        at = self.texts.index(name)
        # Position -1, the missing value's code, is the None at the end.
        return inputs.codes[:, at], [*inputs.levels[at], None]

    def _with_scores(self, numbers: np.ndarray) -> np.ndarray:
        """Variables and scores in rows."""
        # One patient's numbers are faster as such than as arrays of one.
        values = numbers[0].tolist() if len(numbers) == 1 else list(numbers.T)
        for formula, places, factors in self._scores:
            given = [values[at] for at in places]
            if factors is not None:
                given = [value * factor for value, factor in zip(given, factors, strict=True)]
            values.append(formula(*given))
        return np.array(values).reshape(len(values), len(numbers))

    def _levels(self, inputs: Inputs) -> list[np.ndarray]:
        """Columns of the text variables, in rows."""
        found = []
        for at, columns, other, missing in self._coded:
            levels, codes = inputs.levels[at], inputs.codes[:, at]
            if len(codes) == 1:
                found.append(missing if codes[0] < 0 else columns.get(levels[codes[0]], other))
            else:
                table = [*(columns.get(level, other) for level in levels), missing]
                found.append(np.concatenate(table, axis=1).take(codes, axis=1))
        return found

    def _therapies(self, arms: Arms) -> list[np.ndarray]:
        """Columns of the therapies, in rows."""
        if not arms.each:
            return [np.empty((len(self._therapy_levels), len(arms.of)))]
        if len(arms.of) == 1:
            return [arms.each[0].columns]
        return [np.concatenate([arm.columns for arm in arms.each], axis=1).take(arms.of, axis=1)]

    def _place_columns(self) -> None:
        plan, place = self.plan, {name: i for i, name in enumerate(self.numbers)}
        self._scores = [
            (
                BY_NAME[s.name].formula,
                [place[v] for v in s.variables],
                None if all(f == 1 for f in s.factors) else s.factors,
            )
            for s in plan.scores
        ]
        # A score takes the place of a variable of the same name, as in ``build_matrix``.
        place |= {s.name: len(self.numbers) + i for i, s in enumerate(plan.scores)}
        straight, logs = [], []
        coded: dict[str, list[tuple[int, str]]] = {}
        therapy = plan.therapy_columns
        for at, column in enumerate(plan.columns):
            if at in therapy:
                continue
            if column.level is not None:
                coded.setdefault(column.source, []).append((at, column.level))
            elif column.log_floor is not None:
                logs.append((at, place[column.source], column.log_floor))
            else:
                straight.append((at, place[column.source]))
        self._logs_from = np.array([source for _, source, _ in logs], dtype=int)
        self._floors = np.array([[floor] for _, _, floor in logs]).reshape(-1, 1)
        self._coded = []
        for name, columns in coded.items():
            none, missing = np.zeros((len(columns), 1)), np.full((len(columns), 1), np.nan)
            listed = plan.listed_levels.get(name)
            rows = dict.fromkeys(listed or (), none)
            rows |= dict(zip((level for _, level in columns), _units(len(columns)), strict=True))
            other = none if listed is None else missing
            self._coded.append((self.texts.index(name), rows, other, missing))
        self._therapy_levels = [(plan.columns[at].source, plan.columns[at].level) for at in therapy]
        # Where each column stands among the parts that ``matrix`` puts one below the other.
        order = dict(straight)
        below = [at for at, _, _ in logs]
        below += [at for columns in coded.values() for at, _ in columns]
        below += therapy
        above = len(self.numbers) + len(self._scores)
        order |= {at: row for row, at in enumerate(below, above)}
        self._order = np.array([order[at] for at in range(len(plan.columns))], dtype=int)

    def _new_arm(self, therapy: str | None, disease: str | None) -> Arm:
        plan, facts = self.plan, self.plan.facts
        assert facts is not None
        name = facts.aliases.get(therapy.strip().casefold()) if therapy is not None else None
        published = np.full(len(plan.grades), np.nan)
        sd = np.full(len(plan.grades), np.nan)
        evidence: list[str | None] = [None] * len(plan.grades)
        columns = np.full((len(self._therapy_levels), 1), np.nan)
        if name is not None:
            for k, grade in enumerate(plan.grades):
                rate = facts.rate(name, disease, grade) if grade is not None else None
                if rate is not None:
                    published[k], sd[k], evidence[k] = rate.log_odds, rate.sd, rate.evidence
            own = {"therapy": name} | {
                f"therapy_{key}": value for key, value in facts.attributes[name].items()
            }
            columns = np.array([[float(own[s] == level)] for s, level in self._therapy_levels])
        arm = str(name) if plan.disease is None else f"{name} in {disease}"
        given = therapy is not None, disease is not None
        return Arm(*given, name, arm, published, sd, tuple(evidence), columns)


def _units(n: int) -> list[np.ndarray]:
    """Columns of the identity matrix, each of shape (n, 1)."""
    return np.split(np.eye(n), n, axis=1)
