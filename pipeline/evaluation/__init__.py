"""How good the risks are: resampling, metrics with intervals, comparators, and the gate.

It may import ``model`` and what lies below, never ``explanation``.
"""
