"""The audit of a cohort: faults that fool a model, found before training.

May import only the rest of ``pipeline.cohort``, ``pipeline.config`` and ``pipeline.errors``.
"""

from pipeline.cohort.audit.auditing import audit_cohort, audit_columns

__all__ = ["audit_cohort", "audit_columns"]
