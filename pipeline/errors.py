"""What a person reads when their input is wrong: one sentence, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class InputError(Exception):
    """A config, dictionary or table that cannot be used as it is.

    The message says what was found, where, what was expected and how to mend it.
    Values of patients are counted, never quoted. The command line prints the message
    and exits with code 2.

    Parameters
    ----------
    problem : str
        What was found, counted where it concerns rows ("3 values are text").
    file : path, optional
        The file that holds the problem.
    column : str, optional
        The column, variable or config key that holds the problem.
    expected : str, optional
        What would have been right.
    mend : str, optional
        The config key, command or edit that mends it.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        column: str | None = None,
        expected: str | None = None,
        mend: str | None = None,
    ) -> None:
        self.problem, self.file, self.column = problem, file, column
        self.expected, self.mend = expected, mend
        place = [str(file)] if file else []
        place += [f"column '{column}'"] if column else []
        message = f"{', '.join(place)}: {problem}" if place else problem
        message = message.rstrip(".")
        message += "" if message.endswith("?") else "."
        message += f" Expected {expected.rstrip('.')}." if expected else ""
        message += f" To mend: {mend.rstrip('.')}." if mend else ""
        super().__init__(message)


class UnitError(InputError):
    """A unit that the dictionary does not accept for a variable."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest known name, or an empty string."""
    folded = {str(k).casefold(): str(k) for k in known}
    close = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.5)
    return f"; did you mean '{folded[close[0]]}'?" if close else ""
