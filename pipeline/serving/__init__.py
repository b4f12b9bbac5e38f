"""The model at work: the scorer, the MLflow entry and batch scoring.

It may import ``registry`` and what lies below, and imports heavy libraries only where needed.
"""
