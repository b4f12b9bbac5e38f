"""default.yaml shows every key once, with its default and a comment."""

from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config import Config, SyntheticSource
from pipeline.config_file import read_config

FILE = Path(__file__).parents[1] / "configs" / "default.yaml"

# What a run must choose for itself; all else stands at its default.
CHOSEN = {"name", "source.kind", "source.therapies", "outcomes", "primary_outcome",
          "therapy_prior.table", "evaluation.thresholds", "card"}  # fmt: skip


def keys(section: type[BaseModel], written: dict, place: str = ""):
    """Every key of the schema: its dotted place, its default, and whether it is written."""
    for name, field in section.model_fields.items():
        if name == "file":
            continue
        here = f"{place}{name}"
        default = field.get_default(call_default_factory=True)
        inner = default if isinstance(default, BaseModel) else None
        if inner is not None and isinstance(written.get(name), dict):
            yield from keys(type(inner), written[name], f"{here}.")
        else:
            yield here, default, name in written


def schema():
    written = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    yield from keys(Config, written)
    yield from keys(SyntheticSource, written["source"], "source.")


def value(place: str):
    found = read_config(FILE)
    for part in place.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("place", "default", "written"), list(schema()))
def test_every_key_is_written_and_holds_its_default(place, default, written):
    if place in ("source", "therapy_prior"):
        return_value = value(place)
        assert return_value is not None
        return
    assert written, f"default.yaml lacks {place}"
    if not any(place == c or place.startswith(f"{c}.") for c in CHOSEN):
        assert value(place) == default


def test_every_key_of_a_section_has_a_comment_nearby():
    lines = FILE.read_text(encoding="utf-8").splitlines()
    top = [line for line in lines if line and line[0].isalpha() and ":" in line]
    explained = [line for line in top if "#" in line]
    # Sections whose keys are each explained on their own lines may stand without one.
    bare = [line.split(":")[0] for line in top if line not in explained]
    assert set(bare) <= {"predictors", "model", "evaluation", "explanation", "registry"}
