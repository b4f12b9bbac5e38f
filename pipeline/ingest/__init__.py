"""Tables in, one canonical cohort out: synthetic generator, files with a column map, long tables.

It may import ``cohort`` and what lies below, never ``features``.
"""
