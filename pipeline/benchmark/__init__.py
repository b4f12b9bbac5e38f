"""The procedure against others, on the same patients, folds, clock and cores.

``make benchmark`` runs it. It may import ``evaluation``, ``serving`` and what lies below; what
it compares with is an extra, imported only when it is fitted.
"""
