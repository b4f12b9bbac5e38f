"""The synthetic generator: cohorts calibrated on published figures, with known truth.

It may import ``cohort`` and what lies below; the rest of ``ingest`` does not import it.
"""

from pipeline.ingest.synthetic.cohort import draw_cohort
from pipeline.ingest.synthetic.stream import write_cohort

__all__ = ["draw_cohort", "write_cohort"]
