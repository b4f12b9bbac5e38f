"""Public cohorts: downloaded once, checked, normalised, kept outside the project.

It may import the other modules of ``ingest`` and what lies below them.
"""
