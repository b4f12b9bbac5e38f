"""The HTTP service: one process, no other server. It may import what ``serving`` may.

FastAPI is imported here only, so that batch scoring and the registered model do without it.
"""
