"""What `make benchmark` compares, and on which tables: ``configs/benchmark/benchmark.yaml``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from pipeline.config import Section
from pipeline.config_file import faults, read_yaml
from pipeline.errors import InputError


class Export(Section):
    """A table inside SurvSet, and how its binary label is made.

    Attributes
    ----------
    dataset : str
        Its name in the package.
    horizon : float or None
        The label is the event up to this time, in the package's unit, both included; patients
        censored before it are left out. None: the label is the event.
    label : str
        Name of the column.
    reference : str
        Where the data come from.
    """

    dataset: str
    horizon: float | None = Field(gt=0)
    label: str
    reference: str


class Table(Section):
    """One run config to compare on; ``patients`` overrides the size of a synthetic cohort."""

    config: str
    export: Export | None = None
    patients: int | None = Field(default=None, ge=40)


class Benchmark(Section):
    """Everything that the comparison obeys. Paths are relative to the file."""

    results: str
    timed: str
    seed: int = Field(ge=0)
    folds: int = Field(ge=2)
    repeats: int = Field(ge=1)
    bootstrap: int = Field(ge=100)
    interval_level: float = Field(gt=0, lt=1)
    processes: int = Field(ge=1)
    calibration_folds: int = Field(ge=2)
    flaml_seconds: float = Field(gt=0)
    autogluon_seconds: float = Field(gt=0)
    procedures: list[str] = Field(min_length=1)
    tables: dict[str, Table] = Field(min_length=1)
    file: Path = Field(exclude=True)

    def path(self, relative: str) -> Path:
        """Return a path of the file, which is written relative to its folder."""
        return (self.file.parent / relative).resolve()

    @property
    def results_folder(self) -> Path:
        """Where all that the comparison leaves goes."""
        return self.path(self.results)


def read_benchmark(path: Path) -> Benchmark:
    """Read and check the settings.

    Raises
    ------
    InputError
        Naming the key.
    """
    if not path.is_file():
        raise InputError("no such file", file=path, mend="name configs/benchmark/benchmark.yaml")
    content = read_yaml(path)
    if not isinstance(content, dict) or "file" in content:
        raise InputError("does not hold the keys of a benchmark", file=path)
    try:
        return Benchmark.model_validate({**content, "file": path.resolve()})
    except ValidationError as error:
        raise InputError(faults(error, Benchmark), file=path) from None
