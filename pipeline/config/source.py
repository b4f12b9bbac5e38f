"""Where a cohort comes from: files with a column map, or the generator."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.section import Section


def _cell_text(value: Any) -> Any:
    """Text of a cell as a config may write it: YAML reads 0 and -99 as numbers."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value) if isinstance(value, int | float) else value


CellText = Annotated[str, BeforeValidator(_cell_text)]


class ColumnSource(Section):
    """Where one cohort variable comes from in a wide table.

    In YAML either the column's name alone, or a mapping with these keys.
    """

    column: str
    unit: str | None = None
    day: str | None = None
    recode: dict[CellText, str | float | None] = Field(default_factory=dict)


class LongRows(Section):
    """How a long table (one row per patient and measurement) is read."""

    name: str
    value: str
    day: str | None = None
    unit: str | None = None


class LongSource(Section):
    """Which rows of a long table become one cohort variable."""

    rows: CellText
    unit: str | None = None
    recode: dict[CellText, str | float | None] = Field(default_factory=dict)


class Table(Section):
    """One file of a cohort: wide (``columns``) or long (``long`` and ``variables``)."""

    file: str
    key: str
    sheet: str | int = 0
    separator: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    missing: list[CellText] = Field(default_factory=lambda: ["", "NA", "NaN", "nan", "N/A", "."])
    columns: dict[str, ColumnSource] = Field(default_factory=dict)
    long: LongRows | None = None
    variables: dict[str, LongSource] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if isinstance(data, dict):
            data = dict(data)
            for part, field in (("columns", "column"), ("variables", "rows")):
                if isinstance(data.get(part), dict):
                    data[part] = {
                        k: {field: v} if isinstance(v, str | int) else v
                        for k, v in data[part].items()
                    }
        return data

    @model_validator(mode="after")
    def _wide_or_long(self) -> Self:
        if bool(self.long) != bool(self.variables):
            raise ValueError("a long table needs both 'long' and 'variables'")
        if bool(self.long) == bool(self.columns):
            raise ValueError("a table takes either 'columns', or 'long' and 'variables'")
        return self


CohortName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class TableSource(Section):
    """A cohort read from files.

    ``public`` names a cohort of ``data/public_cohorts.yaml``: a table that is not where its
    ``file`` says is looked for, by its name, among those that ``python -m pipeline fetch``
    made of that cohort. ``obtain`` says where else the files come from.
    """

    kind: Literal["table"]
    tables: list[Table] = Field(min_length=1)
    constants: dict[str, str | float] = Field(default_factory=dict)
    public: CohortName | None = None
    obtain: str | None = None


class SyntheticSource(Section):
    """A cohort drawn by the generator, with known truth.

    ``therapies`` weighs the therapies of ``data/generator_targets.csv`` against each other
    (empty: all rows alike); ``effect_scale`` multiplies the effects of ``data/effects.csv``,
    ``missing`` the published shares of missing values; ``frailty_sd`` is the spread, in
    log-odds, of what no baseline variable shows.
    """

    kind: Literal["synthetic"]
    facts: str = "../data"
    patients: int = Field(default=2000, ge=40)
    sites: int = Field(default=8, ge=1)
    therapies: dict[str, float] = Field(default_factory=dict)
    years: tuple[int, int] = (2018, 2025)
    effect_scale: float = Field(default=0.8, ge=0)
    frailty_sd: float = Field(default=1.0, ge=0)
    missing: float = Field(default=1.0, ge=0, le=2)

    @model_validator(mode="after")
    def _years_in_order(self) -> Self:
        if self.years[0] > self.years[1]:
            raise ValueError("years must be [first, last] with first <= last")
        return self


class Window(Section):
    """Days relative to infusion within which a value counts as baseline, both included.

    Days are whole days: a value drawn on day 0.4 was drawn on day 0.
    """

    first_day: int = -30
    last_day: int = Field(default=0, le=0)
