"""What is said of each patient beside the risk: why there is none, and what to beware of."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

# Sentences that one pass over the patients tells apart.
_BITS = 31


class Verdict:
    """Sentences on n patients; they name variables, never values."""

    def __init__(self, n: int) -> None:
        self._n = n
        # Each sentence with the rows it is said of: most patients have few, or the same.
        self._because: list[tuple[np.ndarray, str]] = []
        self._warnings: list[tuple[np.ndarray, str]] = []

    def abstain(self, row: int, sentence: str) -> None:
        """Give no risk for one patient."""
        self._because.append((np.array([row]), sentence))

    def warn(self, row: int, sentence: str) -> None:
        """Warn of one patient's risk."""
        self._warnings.append((np.array([row]), sentence))

    def abstain_where(self, which: np.ndarray, sentence: str) -> None:
        """Give no risk for some patients, by a mask of shape (n,)."""
        (rows,) = which.nonzero()
        if len(rows):
            self._because.append((rows, sentence))

    def warn_where(self, which: np.ndarray, sentence: str) -> None:
        """Warn of some patients' risks, by a mask of shape (n,)."""
        (rows,) = which.nonzero()
        if len(rows):
            self._warnings.append((rows, sentence))

    @property
    def abstains(self) -> np.ndarray:
        """Whether each patient gets no risk, shape (n,)."""
        found = np.zeros(self._n, dtype=bool)
        for rows, _ in self._because:
            found[rows] = True
        return found

    @property
    def because(self) -> list[list[str]]:
        """Per patient, why no risk is given; empty where one is."""
        return _listed(self._because, self._n)

    @property
    def warnings(self) -> list[list[str]]:
        """Per patient, what to beware of."""
        return _listed(self._warnings, self._n)

    def patterns(self) -> tuple[list[tuple[list[str], list[str]]], np.ndarray]:
        """Return the distinct ``because`` and ``warnings``, and which of them each patient has."""
        if self._n == 1:
            return [(self.because[0], self.warnings[0])], np.zeros(1, dtype=np.int64)
        said = [*self._because, *self._warnings]
        pattern, first = np.zeros(self._n, dtype=np.int64), np.arange(min(self._n, 1))
        for at in range(0, len(said), _BITS):
            for bit, (rows, _) in enumerate(said[at : at + _BITS]):
                pattern[rows] |= 1 << bit
            _, first, pattern = np.unique(pattern, return_index=True, return_inverse=True)
            pattern <<= _BITS
        because, warnings = (
            _listed(_among(told, first, self._n), len(first))
            for told in (self._because, self._warnings)
        )
        return list(zip(because, warnings, strict=True)), pattern >> _BITS


def _listed(said: Iterable[tuple[np.ndarray, str]], n: int) -> list[list[str]]:
    listed: list[list[str]] = [[] for _ in range(n)]
    for rows, sentence in said:
        for row in rows.tolist():
            listed[row].append(sentence)
    return listed


def _among(
    said: list[tuple[np.ndarray, str]], chosen: np.ndarray, n: int
) -> Iterable[tuple[np.ndarray, str]]:
    """Restrict what is said to chosen rows, numbered by their position."""
    place = np.full(n, -1)
    place[chosen] = np.arange(len(chosen))
    for rows, sentence in said:
        at = place[rows]
        yield at[at >= 0], sentence
