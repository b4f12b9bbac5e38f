"""Many tests at once: which rejections stand."""

from __future__ import annotations

from typing import Any

import numpy as np


def rejected(p: dict[Any, float], alpha: float) -> set[Any]:
    """Hypotheses that Holm's step-down procedure rejects, the closed test of Bonferroni's."""
    found: set[Any] = set()
    for i, key in enumerate(sorted(p, key=lambda key: p[key])):
        if p[key] > alpha / (len(p) - i):
            break
        found.add(key)
    return found


def adjusted(p: np.ndarray) -> np.ndarray:
    """Benjamini and Hochberg's adjusted p-values, shape (n,)."""
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty_like(p)
    found[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return found
