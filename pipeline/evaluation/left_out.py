"""Who is left out of the training: sites or therapies in turn, or the last years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.config import Evaluation, Transport
from pipeline.evaluation.resampling import Split


@dataclass(frozen=True)
class Units:
    """Groups of patients that are left out in turn, the largest first.

    Attributes
    ----------
    names : list of str
    group : ndarray of int, shape (n,)
        Place of each patient's unit in ``names``; units that are not left out come after
        these, and patients of no known unit last.
    further : int
        Units that are not left out.
    """

    names: list[str]
    group: np.ndarray
    further: int

    def splits(self, kind: str, seed: int) -> dict[str, Split]:
        """Each unit against all other patients, named by its place."""
        return {
            f"{kind}_{place}": Split(
                np.flatnonzero(self.group != place), np.flatnonzero(self.group == place), seed
            )
            for place in range(len(self.names))
        }


@dataclass(frozen=True)
class Periods:
    """Later patients to judge and earlier ones to train on.

    Attributes
    ----------
    group : ndarray of int, shape (n,)
        0 for the later patients, 1 for the earlier ones, 2 for those of no known year.
    train_years, test_years : list of int
        First and last year of each.
    """

    group: np.ndarray
    train_years: list[int]
    test_years: list[int]

    def split(self, seed: int) -> Split:
        """As `fit_splits` takes it."""
        return Split(np.flatnonzero(self.group == 1), np.flatnonzero(self.group == 0), seed)


def find_units(
    labels: np.ndarray | None,
    Y: np.ndarray,
    settings: Transport,
    evaluation: Evaluation,
    kind: str,
) -> Units | str:
    """Choose the units to leave out, or say why there are none.

    A unit is left out if it has enough of both classes of some outcome; at most
    ``settings.units`` are.
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
    enough = events.index[np.minimum(events.to_numpy(), others.to_numpy()).max(axis=1) >= minimum]
    ranked = sorted(enough, key=lambda unit: (-size[unit], str(unit)))
    if not ranked:
        return (
            f"no {kind} has {minimum} patients with and {minimum} without an outcome "
            "(transport.minimum_events)"
        )
    chosen = ranked[: settings.units]
    order = [*chosen, *(unit for unit in size.index if unit not in set(chosen))]
    place = {unit: i for i, unit in enumerate(order)}
    group = found.map(place).fillna(len(order)).to_numpy(dtype=int)
    return Units([str(unit) for unit in chosen], group, len(order) - len(chosen))


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
