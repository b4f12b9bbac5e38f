"""Whether the order of the rows, or the patients' numbers, know the outcome."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipeline.cohort.audit.finding import Finding
from pipeline.cohort.audit.material import Material
from pipeline.cohort.audit.statistics import max_statistic_p, stratified_auroc


def order_by_outcome(material: Material) -> Iterator[Finding]:
    """Association of the row order and of the number in the patient's id with the outcome.

    Statistic: correlation of the residuals given therapy and site, p by permutation;
    effect: AUROC within strata, against ``order_auroc``. Tables sorted or numbered by
    outcome were put together by outcome; folds cut by row then leak.
    """
    if material.primary not in material.events:
        return
    rows = pd.Series(np.arange(len(material.sample), dtype=float), index=material.sample.index)
    text = material.sample[material.dictionary.id_name].astype(str)
    numbers = pd.to_numeric(text.str.extract(r"(\d+)\D*$")[0], errors="coerce").rank()
    orders = {"the order of the rows": rows}
    if numbers.notna().mean() > 0.95 and numbers.nunique() > 0.9 * len(numbers):
        orders["the number in the patient's id"] = numbers.fillna(numbers.median())
    places = np.column_stack([order.to_numpy() for order in orders.values()])
    event = material.events[material.primary].to_numpy()
    _, p = max_statistic_p(
        material.adjusted(places / len(places)),
        material.scaled_events[:, [list(material.events).index(material.primary)]],
        material.settings.permutations,
        material.generator(5),
    )
    for column, what in enumerate(orders):
        auroc = stratified_auroc(places[:, column], event, material.strata).estimate
        effect = max(auroc, 1 - auroc)
        if (
            p[column, 0] <= material.settings.alpha_warning
            and effect >= material.settings.order_auroc
        ):
            yield Finding(
                "order_by_outcome",
                "warning",
                f"{what.capitalize()} goes with '{material.primary}' (AUROC {effect:.2f}, p "
                f"{p[column, 0]:.2g}){material.sampled}.",
                "Ask how the table was put together; sort it by something unrelated to outcome.",
                material.dictionary.id_name if column else None,
                None,
                {"auroc": auroc, "p": p[column, 0]},
            )
