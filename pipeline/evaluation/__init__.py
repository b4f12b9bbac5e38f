"""How good the risks are: resampling of the entire procedure, metrics with intervals, comparators, and the gate.

It may import ``model`` and what lies below, never ``explanation``.
"""
