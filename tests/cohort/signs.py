"""Signs of patients, as worked examples and as strategies of Hypothesis."""

import pandas as pd
from hypothesis import strategies as st

from pipeline.cohort.signs import OXYGEN_LEVELS

NO_SIGNS = {"temperature": 36.8, "hypotension": 0, "vasopressors": 0, "oxygen": "none"}


SIGNS = st.fixed_dictionaries(
    {
        "temperature": st.sampled_from([36.5, 37.9, 38.0, 39.5, 41.0]),
        "hypotension": st.integers(0, 1),
        "vasopressors": st.integers(0, 3),
        "vasopressin": st.integers(0, 1),
        "oxygen": st.sampled_from(list(OXYGEN_LEVELS)),
        "fever_masked": st.integers(0, 1),
        "crs_death": st.integers(0, 1),
    }
)


OTHER_CAUSES = st.fixed_dictionaries(
    {f"{sign}_other_cause": st.integers(0, 1) for sign in ("fever", "hypotension", "hypoxia")}
)


MEASURED = ["temperature", "hypotension", "vasopressors", "vasopressin", "oxygen"]


def days(*rows) -> pd.DataFrame:
    table = pd.DataFrame([{**NO_SIGNS, "anticytokine": 0, **row} for row in rows])
    return table.assign(patient_id=table.get("patient_id", pd.Series("a", table.index)))
