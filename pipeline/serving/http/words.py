"""An answer in words for people: labels instead of names, units as they are read, risks."""

from __future__ import annotations

import re

from pipeline.explanation.sources import readable_unit
from pipeline.model.artifact import Artifact


class Words:
    """How one model's names are told to people.

    Parameters
    ----------
    artifact : Artifact
    """

    def __init__(self, artifact: Artifact) -> None:
        self._labels: dict[str, str] = artifact.facts["labels"]
        self._variables = {v.name: v for v in artifact.dictionary}

    def outcome(self, name: str) -> str:
        """Label of an outcome."""
        return self._labels.get(name, name)

    def sentence(self, text: str) -> str:
        """Write a sentence of the scorer's for people.

        Variables stand in it as ``'crp'``, outcomes at its start (``ge2: …``) and in ``the risk
        of ge2``; a limit is followed by the variable's UCUM unit. Units that are accepted stay
        as they are to be sent.
        """
        for name in re.findall(r"'(\w+)'", text):
            variable = self._variables.get(name)
            if variable is not None:
                text = text.replace(f"'{name}'", variable.label)
                if variable.unit:
                    text = text.replace(f" {variable.unit};", f" {readable_unit(variable.unit)};")
        text = re.sub(r"^(\w+)(?=: )", lambda match: self.outcome(match[1]), text)
        return re.sub(r"(?<=\brisk of )\w+", lambda match: self.outcome(match[0]), text)


def percent(risk: float) -> str:
    """Write a risk as the page does: a decimal below 10 % and above 99 %, else whole."""
    value = 100 * risk
    if 0 < value < 0.1:
        return "<0.1%"
    if 99.9 < value < 100:
        return ">99.9%"
    return f"{value:.{1 if value < 9.95 or value > 99 else 0}f}%"
