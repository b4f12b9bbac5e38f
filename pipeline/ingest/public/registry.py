"""What public cohorts there are: ``data/public_cohorts.yaml``, one entry per cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator

from pipeline.config import CohortName, Section
from pipeline.config_file import read_yaml
from pipeline.errors import InputError, did_you_mean

Count = Annotated[int, Field(ge=1)]


class PublicFile(Section):
    """One published file, and the steps that turn it into a table.

    Attributes
    ----------
    url : str
        Its address at a fixed version (a commit, a release, a DOI's file).
    sha256 : str, optional
        Its checksum; without one, that of the first download is recorded and holds.
    to : str
        Name of the CSV it becomes, which a config names as ``file``.
    sheet, separator : str or int
        As in a config's ``tables``.
    headers : int
        How many rows of headings stand above the data; several are joined by `` | ``.
    key : str, optional
        The column that names the patient. Rows without an entry in it are remarks around
        the data and are left out.
    drop : list of str
        Columns that do not belong in the table; ``""`` is the one without a name.
    shape : two ints
        Rows and columns of the table; null for what is not known beforehand.
    """

    url: str = Field(pattern=r"^https?://[^/]+/\S*[^/\s]$")
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    to: str = Field(pattern=r"^[\w-][\w.-]*\.csv$")
    sheet: str | int = 0
    separator: str = Field(default=",", min_length=1, max_length=1)
    headers: int = Field(default=1, ge=1)
    key: str | None = None
    drop: list[str] = Field(default_factory=list)
    shape: tuple[Count | None, Count | None] = (None, None)

    @property
    def name(self) -> str:
        """The file's own name, as its address gives it."""
        return Path(unquote(urlsplit(self.url).path)).name


class PublicCohort(Section):
    """A public cohort: what it is, under which terms, and its files."""

    title: str
    citation: str
    licence: str
    source: str
    files: list[PublicFile] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        for names in ([file.name for file in self.files], [file.to for file in self.files]):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice:
                raise ValueError(f"two files are named '{twice}'")
        return self


def read_public_cohort(name: str, registry: Path) -> PublicCohort:
    """Read a cohort's entry.

    Raises
    ------
    InputError
        If there is no such entry (with the nearest name), or the registry is faulty.
    """
    if not registry.is_file():
        raise InputError(
            "no such file",
            file=registry,
            expected="the registry of public cohorts",
            mend="run from the project's folder, or name it as --registry",
        )
    try:
        cohorts = TypeAdapter(dict[CohortName, PublicCohort]).validate_python(read_yaml(registry))
    except ValidationError as error:
        raise InputError(_first_fault(error), file=registry) from None
    if name not in cohorts:
        raise InputError(
            f"no public cohort is named '{name}'{did_you_mean(name, cohorts)}",
            file=registry,
            expected="one of " + ", ".join(cohorts),
        )
    return cohorts[name]


def _first_fault(error: ValidationError) -> str:
    fault: Any = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        section: type[BaseModel] = PublicFile if "files" in fault["loc"] else PublicCohort
        return f"unknown key '{key}'{did_you_mean(str(fault['loc'][-1]), section.model_fields)}"
    if fault["type"] == "missing":
        return f"the key '{key}' is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return f"key '{key}': {message}" if key else message
