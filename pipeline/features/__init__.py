"""Canonical cohort to model matrix: published scores, therapy attributes and the therapy prior, fit-free.

It may import ``cohort`` and what lies below, never ``ingest``; training and serving share this code.
"""
