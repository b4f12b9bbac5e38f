"""What a cohort is: dictionary, units, timing, grading and the audit of a table's faults.

Ground floor: it may import only ``pipeline.errors`` and ``pipeline.config``.
"""
