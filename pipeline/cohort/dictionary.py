"""The data dictionary: every variable once, with its role, timing, unit and range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, Self

import pandas as pd
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pipeline.cohort.units import check_units
from pipeline.config_file import read_yaml
from pipeline.errors import InputError, did_you_mean

Role = Literal[
    "id", "site", "patient", "disease", "treatment", "lab", "vital", "imaging", "outcome"
]
PREDICTOR_ROLES = ("patient", "disease", "treatment", "lab", "vital", "imaging")


class Variable(BaseModel):
    """One entry of the dictionary.

    Attributes
    ----------
    name : str
        The canonical column name.
    role, timing : str
        What the variable is, and whether it is known before infusion (``baseline``) or
        only afterwards (``post``). Only ``baseline`` may become a predictor.
    kind : str
        ``numeric``, ``binary`` (0/1), ``categorical`` (text) or ``text`` (never modelled).
    unit, accepts : str, list of str
        Canonical unit, and the further units a source may use (UCUM spelling).
    molar_mass : float, optional
        Grams per mole, for mass to molar conversion.
    loinc : list of str
        LOINC codes under which the variable may be reported, the preferred one first; a file
        may give one code as plain text.
    range : tuple of two floats, optional
        Plausible limits in the canonical unit. Values outside are findings of the audit,
        and a patient scored with one gets no risk.
    usual : tuple of two floats, optional
        Limits within which a cohort's *median* is expected; outside them the audit
        suspects a wrong unit.
    scale : str
        ``log`` for right-skewed positive values: the linear learners see the logarithm.
    floor : float, optional
        Smallest value the logarithm takes; default the range's lower limit.
    trend : str, optional
        ``up`` or ``down`` where risk is known not to fall (rise) with the value.
    levels : list of str, optional
        Values a categorical variable may take, in any case; where absent, those the cohort
        holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    label: str
    role: Role
    timing: Literal["baseline", "post"]
    kind: Literal["numeric", "binary", "categorical", "text"] = "numeric"
    unit: str | None = None
    accepts: list[str] = Field(default_factory=list)
    molar_mass: float | None = Field(default=None, gt=0)
    loinc: list[str] = Field(default_factory=list)
    range: tuple[float, float] | None = None
    usual: tuple[float, float] | None = None
    scale: Literal["linear", "log"] = "linear"
    floor: float | None = Field(default=None, gt=0)
    trend: Literal["up", "down"] | None = None
    levels: list[str] | None = None
    source: str | None = None

    @field_validator("loinc", mode="before")
    @classmethod
    def _one_code_is_a_list(cls, given: object) -> object:
        return [given] if isinstance(given, str) else given

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for pair, what in ((self.range, "range"), (self.usual, "usual")):
            if pair is not None and pair[0] >= pair[1]:
                raise ValueError(f"{what} must be [low, high] with low < high")
        if self.kind != "numeric" and (self.unit or self.accepts or self.scale == "log"):
            raise ValueError(f"a {self.kind} variable takes no unit, accepts or log scale")
        if self.scale == "log" and self.log_floor <= 0:
            raise ValueError("scale: log needs a floor, or a range that starts above 0")
        if self.role == "outcome" and self.timing != "post":
            raise ValueError("an outcome is known only after infusion: timing must be post")
        if self.trend and self.kind == "categorical":
            raise ValueError("a categorical variable has no trend")
        return self

    @property
    def log_floor(self) -> float:
        """Smallest value that the logarithm takes."""
        return self.floor or (self.range[0] if self.range else 0.0)

    @property
    def level_of(self) -> dict[str, str]:
        """Each level by its casefolded text, but for levels that differ in nothing but case."""
        levels = self.levels or []
        folded = [level.casefold() for level in levels]
        return {f: v for f, v in zip(folded, levels, strict=True) if folded.count(f) == 1}

    @property
    def is_baseline_predictor(self) -> bool:
        """Whether the variable may become a predictor. The only place that decides this."""
        return self.timing == "baseline" and self.role in PREDICTOR_ROLES and self.kind != "text"


class Dictionary:
    """The variables that a cohort may hold, by name, in the order of the file.

    Parameters
    ----------
    variables : iterable of Variable
        Names must be unique.
    file : path, optional
        Where they were read from, for messages.
    """

    def __init__(self, variables: Iterable[Variable], file: str | Path | None = None) -> None:
        self._by_name = {v.name: v for v in variables}
        self.file = file

    def __getitem__(self, name: str) -> Variable:
        try:
            return self._by_name[name]
        except KeyError:
            raise InputError(
                f"'{name}' is not in the data dictionary{did_you_mean(name, self._by_name)}",
                file=self.file,
                column=name,
                mend="correct the name, or add the variable to the dictionary",
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def names(self, *roles: str) -> list[str]:
        """Names of all variables, or of those with one of the roles."""
        return [v.name for v in self if not roles or v.role in roles]

    @property
    def id_name(self) -> str:
        """Name of the one variable with role ``id``."""
        return self.names("id")[0]

    def restricted_to(self, cohort: pd.DataFrame) -> Dictionary:
        """Return the part that the cohort holds, with its categorical levels made explicit."""
        kept = []
        for column in cohort.columns:
            variable = self[str(column)]
            if variable.kind == "categorical" and variable.levels is None:
                levels = sorted(cohort[column].dropna().astype(str).unique())
                variable = variable.model_copy(update={"levels": levels})
            kept.append(variable)
        return Dictionary(kept, self.file)

    def to_json(self) -> list[dict[str, object]]:
        """Return plain JSON values, from which ``from_json`` builds an equal dictionary."""
        return [v.model_dump(exclude_none=True, exclude_defaults=True) for v in self]

    @classmethod
    def from_json(cls, entries: list[dict[str, object]]) -> Dictionary:
        """Build the dictionary from what ``to_json`` returned."""
        return cls(Variable.model_validate(entry) for entry in entries)


def read_dictionary(path: Path) -> Dictionary:
    """Read a data dictionary from YAML.

    Parameters
    ----------
    path : Path
        A YAML file with one key ``variables``: a mapping of names to entries.

    Raises
    ------
    InputError
        Naming the variable and the key that is unknown, missing or contradictory.
    """
    if not path.is_file():
        raise InputError(
            "no such file", file=path, mend="set 'dictionary' in the config to a file that exists"
        )
    content = read_yaml(path)
    entries = content.get("variables") if isinstance(content, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise InputError("holds no variables", file=path, expected="a mapping under 'variables'")
    variables = []
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise InputError("is not a mapping of keys", file=path, column=str(name))
        try:
            variable = Variable.model_validate({"label": name, **entry, "name": str(name)})
        except ValidationError as error:
            raise InputError(_first_fault(error), file=path, column=str(name)) from None
        check_units(variable, path)
        variables.append(variable)
    dictionary = Dictionary(variables, path)
    if len(dictionary.names("id")) != 1:
        raise InputError("needs exactly one variable with role: id", file=path)
    return dictionary


def _first_fault(error: ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key '{key}'{did_you_mean(key, Variable.model_fields)}"
    if fault["type"] == "missing":
        return f"lacks the key '{key}'"
    message = fault["msg"].removeprefix("Value error, ")
    return f"key '{key}': {message}" if key else message
