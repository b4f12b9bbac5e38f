"""The model card: recorded facts of a run turned into one HTML page, Markdown and JSON.

It may import ``evaluation``, ``explanation`` and what lies below.
"""
