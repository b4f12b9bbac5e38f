"""The model after registration: watched on new patients, recalibrated for a site, promoted.

It may import ``serving`` and what lies below.
"""
