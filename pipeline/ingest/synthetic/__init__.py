"""The synthetic generator: cohorts calibrated on published figures, with known truth.

It may import ``cohort`` and what lies below; the rest of ``ingest`` does not import it.
"""

from pipeline.ingest.synthetic.cohort import draw_chunks, draw_cohort

__all__ = ["draw_chunks", "draw_cohort"]
