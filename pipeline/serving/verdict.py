"""What is said of each patient beside the risk: why there is none, and what to beware of."""

from __future__ import annotations

import numpy as np


class Verdict:
    """Sentences on n patients; they name variables, never values.

    Attributes
    ----------
    because, warnings : list of list of str
        Per patient, why no risk is given (empty where one is), and what to beware of.
    """

    def __init__(self, n: int) -> None:
        self.because: list[list[str]] = [[] for _ in range(n)]
        self.warnings: list[list[str]] = [[] for _ in range(n)]

    def abstain(self, row: int, sentence: str) -> None:
        """Give no risk for one patient."""
        self.because[row].append(sentence)

    def warn(self, row: int, sentence: str) -> None:
        """Warn of one patient's risk."""
        self.warnings[row].append(sentence)

    def abstain_where(self, which: np.ndarray, sentence: str) -> None:
        """Give no risk for some patients, by a mask of shape (n,)."""
        for row in np.flatnonzero(which):
            self.because[row].append(sentence)

    def warn_where(self, which: np.ndarray, sentence: str) -> None:
        """Warn of some patients' risks, by a mask of shape (n,)."""
        for row in np.flatnonzero(which):
            self.warnings[row].append(sentence)

    @property
    def abstains(self) -> np.ndarray:
        """Whether each patient gets no risk, shape (n,)."""
        return np.array([bool(reasons) for reasons in self.because], dtype=bool)
