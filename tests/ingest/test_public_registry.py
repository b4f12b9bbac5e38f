"""The registry of public cohorts: the shipped one, and faulty ones."""

from pathlib import Path

import pytest
import yaml

from pipeline.config_file import read_config
from pipeline.errors import InputError
from pipeline.ingest.public.registry import read_public_cohort

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "data" / "public_cohorts.yaml"
FILE = {"url": "https://example.org/v1/a%20b.csv", "to": "a.csv"}
COHORT = {"title": "t", "citation": "c", "licence": "l", "source": "s", "files": [FILE]}


def test_every_shipped_address_is_of_one_fixed_version():
    for name in yaml.safe_load(SHIPPED.read_text()):
        cohort = read_public_cohort(name, SHIPPED)
        for file in cohort.files:
            if "githubusercontent" in file.url:  # a branch moves, forty digits do not
                assert len(file.url.split("/")[5]) == 40


def test_the_config_reads_what_the_registry_makes():
    config = read_config(ROOT / "configs" / "cd22.yaml")
    made = {file.to for file in read_public_cohort(config.source.public, SHIPPED).files}
    assert {Path(table.file).name for table in config.source.tables} == made


def test_a_file_is_named_as_in_its_address(tmp_path):
    registry = tmp_path / "r.yaml"
    registry.write_text(yaml.safe_dump({"mine": COHORT}))
    assert read_public_cohort("mine", registry).files[0].name == "a b.csv"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"files": [FILE | {"heders": 3}]}, "'mine.files.0.heders'; did you mean 'headers'?"),
        ({"cite": "c"}, "unknown key 'mine.cite'"),
        ({"files": [{"to": "a.csv"}]}, "the key 'mine.files.0.url' is missing"),
        ({"files": [FILE, FILE]}, "key 'mine': two files are named 'a b.csv'"),
        ({"files": [FILE | {"to": "../a.csv"}]}, "key 'mine.files.0.to'"),
        ({"files": [FILE | {"url": "ftp://x/a.csv"}]}, "key 'mine.files.0.url'"),
        ({"files": [FILE | {"sha256": "abc"}]}, "key 'mine.files.0.sha256'"),
        ({"files": [FILE | {"shape": [0, 2]}]}, "key 'mine.files.0.shape.0'"),
    ],
)  # fmt: skip
def test_faults_name_the_key(tmp_path, change, says):
    registry = tmp_path / "r.yaml"
    registry.write_text(yaml.safe_dump({"mine": COHORT | change}))
    with pytest.raises(InputError) as error:
        read_public_cohort("mine", registry)
    assert says in str(error.value)
    assert "r.yaml" in str(error.value)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(InputError, match="named 'cd-22'; did you mean 'cd22'\\?"):
        read_public_cohort("cd-22", SHIPPED)


def test_elsewhere_the_registry_is_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"no such file.*--registry"):
        read_public_cohort("cd22", tmp_path / "none.yaml")
