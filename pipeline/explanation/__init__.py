"""Why a risk is what it is: exact contributions on the calibrated log-odds, and their plots.

It may import ``model`` and what lies below, never ``evaluation``.
"""
