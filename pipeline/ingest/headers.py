"""Several rows of headings above a table become one name per column."""

from __future__ import annotations


def join_headers(rows: list[list[str]]) -> list[str]:
    """Join rows of headings by `` | ``.

    A heading above the last row spans the columns to its right until the next one, as a
    merged cell does, but not past the heading over it. Runs of blanks and line breaks in a
    heading count as one blank. A column without a heading of its own gets those above it.

    Parameters
    ----------
    rows : list of list of str
        The rows from the top down, all of one length; "" where there is no heading.

    Returns
    -------
    list of str
        One name per column.

    Examples
    --------
    >>> join_headers([["Markers", "", "Outcome"], ["CRP", "LDH", "Grade"]])
    ['Markers | CRP', 'Markers | LDH', 'Outcome | Grade']
    """
    *upper, last = [[" ".join(cell.split()) for cell in row] for row in rows]
    over = [""] * len(last)  # what stands above each column so far
    for row in upper:
        over = _spanning(row, over)
    return [_joined(above, own) for above, own in zip(over, last, strict=True)]


def _spanning(row: list[str], over: list[str]) -> list[str]:
    names, heading = [], ""
    for column, own in enumerate(row):
        ends = column > 0 and over[column] != over[column - 1]
        heading = own or ("" if ends else heading)
        names.append(_joined(over[column], heading))
    return names


def _joined(above: str, own: str) -> str:
    return " | ".join(part for part in (above, own) if part)
