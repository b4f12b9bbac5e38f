"""The facts behind the generator: small tables of `data/`, read and checked once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.cohort.therapies import canonical_names, read_therapies
from pipeline.errors import InputError

FACTORS = ["inflammation", "marrow_reserve", "burden"]
CELL_THERAPIES = ("car_t", "tcr_t", "til")
_GRADES = [f"grade_{grade}" for grade in range(6)]
_COLUMNS = {  # file: text columns, number columns (empty cells are NaN)
    "generator_targets.csv": (
        ["therapy", "disease", "reason", "source", "evidence", "assumed_fields"],
        ["any_pct", "ge3_pct", "onset_days", "age_min", "age_max"],
    ),
    "labs.csv": (
        ["variable", "disease", "source", "evidence", "note"],
        ["q25", "median", "q75"],
    ),
    "structure.csv": (
        ["variable", "scale", "loadings_source", "missing_source", "evidence"],
        ["low", "high", "decimals", *FACTORS, "missing_pct", "missing_when_low"],
    ),
    "effects.csv": (
        ["variable", "contrast", "source", "evidence"],
        ["cell_any", "cell_ge3", "engager_any", "engager_ge3", "tolerance"],
    ),
    "covariates.csv": (["variable", "scope", "level", "source", "evidence"], ["pct"]),
    "record.csv": (["variable", "what", "source", "evidence"], _GRADES),
    "generator_settings.csv": (["setting", "meaning", "source", "evidence"], ["value"]),
}
_EVIDENCE = {"published", "assumed", "damaged-source"}


@dataclass(frozen=True)
class Facts:
    """What is known or assumed about therapies, patients and their course.

    Attributes
    ----------
    therapies : DataFrame
        What `read_therapies` returns.
    targets : DataFrame
        One row per arm (therapy in a disease) with the rates to be met, `modality` and
        `cell` (whether the effects of cell therapies hold).
    labs : DataFrame
        Quartiles by variable and disease; an empty disease stands for all others.
    structure : DataFrame
        Indexed by variable: scale, limits, decimals, factor loadings, missingness.
    effects, covariates : DataFrame
        Effects on severity; shares of the levels of categorical variables.
    record : dict of (str, str) to ndarray
        By (variable, what): figures of the course for grades 0 to 5.
    settings : dict of str to float
        Single numbers.
    """

    therapies: pd.DataFrame
    targets: pd.DataFrame
    labs: pd.DataFrame
    structure: pd.DataFrame
    effects: pd.DataFrame
    covariates: pd.DataFrame
    record: dict[tuple[str, str], np.ndarray]
    settings: dict[str, float]

    def quartiles(self, variable: str, diseases: pd.Series) -> np.ndarray:
        """Return q25, median and q75 for each disease, shape ``(diseases, 3)``; NaN if none."""
        rows = self.labs[self.labs["variable"] == variable]
        found = np.full((len(diseases), 3), np.nan)
        for scope, *values in rows[["disease", "q25", "median", "q75"]].itertuples(index=False):
            if scope == "":
                found[np.isnan(found[:, 0])] = values
        for scope, *values in rows[["disease", "q25", "median", "q75"]].itertuples(index=False):
            if scope != "":
                found[diseases.isin(scope.split(";")).to_numpy()] = values
        return found

    def shares(self, variable: str) -> tuple[list[str], np.ndarray]:
        """Return a categorical variable's levels and their shares by arm.

        The narrowest scope wins: therapy, then disease, then modality, then all. An arm
        without shares has NaN: the variable is not recorded there.
        """
        rows = self.covariates[self.covariates["variable"] == variable]
        levels = list(dict.fromkeys(rows["level"]))
        by_scope: dict[str, np.ndarray] = {}
        for scopes, level, pct in rows[["scope", "level", "pct"]].itertuples(index=False):
            for scope in scopes.split(";"):
                by_scope.setdefault(scope, np.zeros(len(levels)))[levels.index(level)] = pct
        shares = np.full((len(self.targets), len(levels)), np.nan)
        names = self.targets[["therapy", "disease", "modality"]].itertuples(index=False)
        for arm, scopes in enumerate(names):
            found = [by_scope[scope] for scope in (*scopes, "") if scope in by_scope]
            if found:
                shares[arm] = found[0] / found[0].sum()
        return levels, shares


def read_facts(data: Path) -> Facts:
    """Read the generator's tables.

    Parameters
    ----------
    data : Path
        The folder with `therapies.csv`, `labs.csv` and the others that `data/README.md` lists.

    Raises
    ------
    InputError
        Naming the file and the column that is missing or not a number.
    """
    tables = {name: _read(data / name, *columns) for name, columns in _COLUMNS.items()}
    targets = tables["generator_targets.csv"]
    therapies = read_therapies(data / "therapies.csv")
    targets["therapy"] = canonical_names(targets["therapy"], therapies)
    modality = therapies.drop_duplicates("therapy").set_index("therapy")["modality"]
    targets["modality"] = targets["therapy"].map(modality)
    if targets["modality"].isna().any():
        raise InputError(
            f"{int(targets['modality'].isna().sum())} therapies are not in therapies.csv",
            file=data / "generator_targets.csv",
            column="therapy",
        )
    targets["cell"] = targets["modality"].isin(CELL_THERAPIES)
    record = tables["record.csv"]
    settings = tables["generator_settings.csv"].set_index("setting")["value"]
    return Facts(
        therapies=therapies,
        targets=targets,
        labs=tables["labs.csv"],
        structure=tables["structure.csv"].set_index("variable"),
        effects=tables["effects.csv"],
        covariates=tables["covariates.csv"],
        record={
            (str(variable), str(what)): figures
            for variable, what, figures in zip(
                record["variable"], record["what"], record[_GRADES].to_numpy(), strict=True
            )
        },
        settings={str(name): float(value) for name, value in settings.items()},
    )


def _read(path: Path, text: list[str], numbers: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError("no such file", file=path, mend="restore the folder data/")
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    for column in (*text, *numbers):
        if column not in table.columns:
            raise InputError("column is missing", file=path, column=column)
    for column in numbers:
        values = pd.to_numeric(table[column].where(table[column] != ""), errors="coerce")
        wrong = int((values.isna() & (table[column] != "")).sum())
        if wrong:
            raise InputError(f"not a number in {wrong} row(s)", file=path, column=column)
        table[column] = values.astype("float64")
    if not set(table["evidence"]) <= _EVIDENCE:
        raise InputError(
            "unknown kind of evidence",
            file=path,
            column="evidence",
            expected="one of " + ", ".join(sorted(_EVIDENCE)),
        )
    return table
