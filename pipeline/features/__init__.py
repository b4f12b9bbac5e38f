"""Canonical cohort to model matrix: published scores, therapy attributes, therapy prior.

It may import ``cohort`` and what lies below, never ``ingest``. Nothing here is fitted, and
training and serving share the code.
"""
