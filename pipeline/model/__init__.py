"""The risk model: trees, linear learners, their blend on the therapy prior, calibration, interval, and the text-only artifact.

It may import ``features`` and what lies below.
"""
