"""Who is left out of the training: sites or therapies in turn, or the last years."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.config import Evaluation, Transport
from pipeline.evaluation.resampling import Split


@dataclass(frozen=True)
class Units:
    """Groups of patients that are left out in turn, those that tell most first.

    Attributes
    ----------
    names : list of str
    group : ndarray of int, shape (n,)
        Place of each patient's unit in ``names``; units that are not left out come after
        these, and patients of no known unit last.
    others : dict of str to str
        Units that are not left out, in the order of their places, each with the reason.
    persons : ndarray, shape (n,), or None
        Who each row is, where some have several.
    """

    names: list[str]
    group: np.ndarray
    others: dict[str, str]
    persons: np.ndarray | None = None

    def splits(self, kind: str, seed: int) -> dict[str, Split]:
        """Each unit against all other patients, named by its place.

        Rows elsewhere of the unit's patients train nothing: the model would know them.
        """
        found = {}
        for place in range(len(self.names)):
            own = self.group == place
            out = own if self.persons is None else _rows_of_same(self.persons, own)
            found[f"{kind}_{place}"] = Split(np.flatnonzero(~out), np.flatnonzero(own), seed)
        return found


@dataclass(frozen=True)
class Periods:
    """Later patients to judge and earlier ones to train on.

    Attributes
    ----------
    group : ndarray of int, shape (n,)
        0 for the later patients, 1 for the earlier ones, 2 for those who take no part: of no
        known year, or earlier rows of a later patient.
    train_years, test_years : list of int
        First and last year of each.
    """

    group: np.ndarray
    train_years: list[int]
    test_years: list[int]

    def split(self, seed: int) -> Split:
        """As `fit_splits` takes it."""
        return Split(np.flatnonzero(self.group == 1), np.flatnonzero(self.group == 0), seed)

    def apart(self, persons: np.ndarray, y: np.ndarray, settings: Transport) -> Periods | str:
        """Take earlier rows of later patients out, or say why too few would train then.

        Parameters
        ----------
        persons : ndarray, shape (n,)
            Who each row is.
        y : ndarray of 0 and 1, shape (n,)
            The primary outcome.
        settings : Transport
        """
        if _too_few_left(self.group == 0, self.group == 1, persons, y, settings.minimum_events):
            return (
                "too few patients of earlier years are left to train without those who have rows "
                "in the last years too (evaluation.patient)"
            )
        again = (self.group == 1) & _rows_of_same(persons, self.group == 0)
        return replace(self, group=np.where(again, 2, self.group))


def find_units(
    labels: np.ndarray | None,
    Y: np.ndarray,
    primary: int,
    settings: Transport,
    evaluation: Evaluation,
    kind: str,
    persons: np.ndarray | None = None,
) -> Units | str:
    """Choose the units to leave out, or say why there are none.

    A unit is left out if it has enough of both classes of some outcome; at most
    ``settings.units`` are: those with most patients in the smaller class of the primary outcome,
    which is what a figure's precision hangs on, and then the largest. By size alone a large
    therapy without events would take the place of a small one that can be judged.

    Parameters
    ----------
    labels : ndarray of str, shape (n,), or None
    Y : ndarray of 0 and 1, shape (n, outcomes)
    primary : int
        Column of the primary outcome.
    settings : Transport
    evaluation : Evaluation
    kind : str
        What a unit is, for the reason.
    persons : ndarray, shape (n,), or None
        Who each row is. A unit whose patients have nearly all rows elsewhere too is not left
        out: without them nobody is left to train.
    """
    if labels is None:
        return f"the cohort does not say which {kind} a patient belongs to (transport.{kind})"
    found = pd.Series(labels, dtype=object)
    size = found.value_counts()
    if len(size) < 2:
        return f"all patients whose {kind} is known are of one {kind}"
    minimum = max(settings.minimum_events, evaluation.minimum_cell)
    events = pd.DataFrame(Y).groupby(found.to_numpy()).sum()
    others = events.rsub(size.loc[events.index], axis=0)
    smaller = events.where(events <= others, others)
    enough = set(smaller.index[smaller.max(axis=1) >= minimum])
    ranked = sorted(size.index, key=lambda u: (-smaller.loc[u, primary], -size[u], str(u)))
    able = [unit for unit in ranked if unit in enough]
    of_unit = {unit: (found == unit).to_numpy() for unit in able}
    shared = {
        unit
        for unit, own in of_unit.items()
        if persons is not None and _too_few_left(own, ~own, persons, Y[:, primary], minimum)
    }
    if able and shared.issuperset(able):
        return (
            f"too few patients are left to train once those with rows in a {kind} are left out of "
            "the others (evaluation.patient)"
        )
    able = [unit for unit in able if unit not in shared]
    if not able:
        return (
            f"no {kind} has {minimum} patients with and {minimum} without an outcome "
            "(transport.minimum_events)"
        )
    chosen = able[: settings.units]
    rest = [unit for unit in ranked if unit not in set(chosen)]
    place = {unit: i for i, unit in enumerate([*chosen, *rest])}
    group = found.map(place).fillna(len(place)).to_numpy(dtype=int)
    spared = f"as {settings.units} that tell more are (transport.units)"
    few = f"having fewer than {minimum} patients with or without each outcome"
    left = f"as without the rows of its patients elsewhere too few train (fewer than {minimum})"
    reasons = {
        str(unit): left if unit in shared else spared if unit in enough else few for unit in rest
    }
    return Units([str(unit) for unit in chosen], group, reasons, persons)


def find_periods(years: np.ndarray | None, settings: Transport) -> Periods | str:
    """Set the last years apart, or say why there are none to set apart."""
    if years is None:
        return "the cohort does not say in which year a patient was treated (transport.year)"
    known = np.isfinite(years)
    unique = np.unique(years[known])
    if len(unique) < 2:
        return "all patients whose year is known were treated in one year"
    later = np.array([(years[known] >= year).mean() for year in unique])
    # The first year always trains.
    first = max(1, int(np.flatnonzero(later >= settings.latest_share)[-1]))
    group = np.select([years >= unique[first], known], [0, 1], 2)
    before, after = unique[:first], unique[first:]
    return Periods(group, [int(before[0]), int(before[-1])], [int(after[0]), int(after[-1])])


def _rows_of_same(persons: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """All rows of the persons of some rows, as masks."""
    return np.isin(persons, persons[rows])


def _too_few_left(
    tested: np.ndarray, others: np.ndarray, persons: np.ndarray, y: np.ndarray, minimum: int
) -> bool:
    """Whether the tested patients' rows among the others leave too few of a class to train."""
    kept = others & ~_rows_of_same(persons, tested)
    if kept.sum() == others.sum():
        return False
    return bool(min(y[kept].sum(), (1 - y[kept]).sum()) < minimum)
