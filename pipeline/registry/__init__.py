"""MLflow: log a run, register its model, move the aliases that the gate allows.

It may import ``card`` and what lies below.
"""
