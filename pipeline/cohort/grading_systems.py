"""Systems by which CRS is graded, and which grades may stand beside one another."""

from __future__ import annotations


def comparable(system: str, other: str) -> bool:
    """Whether grades of two systems are near enough to be pooled or held against each other.

    ASTCT was made from Lee 2014. The same patient can be grade 1 by ASTCT and grade 2 by Penn.

    Parameters
    ----------
    system, other : str
        As a table names them: ``ASTCT``, ``Lee2014``, ``Penn``, ``CTCAE v4``.
    """
    return system == other or {_family(system), _family(other)} == {"ASTCT", "Lee"}


def _family(system: str) -> str:
    return next((name for name in ("ASTCT", "Lee") if system.startswith(name)), system)
