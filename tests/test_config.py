import copy
from pathlib import Path

import pytest
import yaml

from pipeline.config_file import read_config, read_yaml
from pipeline.errors import InputError

CONTENT = {
    "name": "test",
    "source": {
        "kind": "table",
        "tables": [
            {"file": "a.csv", "key": "id", "columns": {"crp": {"column": "CRP"}, "ldh": "LDH"}},
            {
                "file": "b.csv",
                "key": "id",
                "long": {"name": "test", "value": "value"},
                "variables": {"il6": {"rows": "IL-6"}},
            },
        ],
    },
    "outcomes": {"ge2": {"column": "crs_grade", "at_least": 2, "label": "Grade 2 or higher"}},
    "primary_outcome": "ge2",
    "therapy_prior": {"table": "therapies.csv"},
    "card": {
        "title": "t",
        "intended_use": "u",
        "intended_users": "v",
        "horizon": "h",
        "population": "p",
    },
}


@pytest.fixture
def read(tmp_path):
    def of(content):
        file = tmp_path / "run.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        file.write_text(text, encoding="utf-8")
        return read_config(file)

    return of


def changed(path, value):
    """Return the content with one key, addressed by its path, set to a value."""
    content = copy.deepcopy(CONTENT)
    place = content
    *parents, last = path
    for part in parents:
        place = place[part] if isinstance(place, list) else place.setdefault(part, {})
    place[last] = value
    return content


def test_paths_are_relative_to_the_config(read, tmp_path):
    config = read(CONTENT)
    assert config.path("../a.csv") == (tmp_path.parent / "a.csv").resolve()
    assert config.run_folder == (tmp_path.parent / "models" / "test").resolve()


def test_short_forms_name_the_column_alone(read):
    tables = read(CONTENT).source.tables
    assert tables[0].columns["ldh"].column == "LDH"
    tables = read(changed(["source", "tables", 1, "variables"], {"il6": "IL-6"})).source.tables
    assert tables[1].variables["il6"].rows == "IL-6"


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        (["sead"], "seed"),
        (["windw"], "window"),
        (["window", "last_dya"], "last_day"),
        (["source", "constant"], "constants"),
        (["source", "tables", 0, "seperator"], "separator"),
        (["source", "tables", 0, "columns", "crp", "units"], "unit"),
        (["source", "tables", 1, "long", "days"], "day"),
        (["source", "tables", 1, "variables", "il6", "row"], "rows"),
        (["outcomes", "ge2", "atleast"], "at_least"),
        (["therapy_prior", "study_std"], "study_sd"),
        (["predictors", "excludes"], "exclude"),
        (["model", "minimum_patient"], "minimum_patients"),
        (["model", "trees", "leafs"], "leaves"),
        (["model", "ridge", "penalty"], "penalties"),
        (["model", "deviation", "weight_meen"], "weight_mean"),
        (["evaluation", "repeat"], "repeats"),
        (["explanation", "row"], "rows"),
        (["card", "intended_user"], "intended_users"),
        (["registry", "model"], "model_name"),
        (["registry", "gate", "minimum_event"], "minimum_events"),
        (["scoring", "leading_variable"], "leading_variables"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one_at_every_depth(read, path, nearest):
    with pytest.raises(InputError) as error:
        read(changed(path, 1))
    key = ".".join(str(part) for part in path)
    assert f"unknown key '{key}'; did you mean '{nearest}'?" in str(error.value)
    assert "run.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (["name"], "a b", "key 'name': String should match pattern"),
        (["name"], "../up", "key 'name': String should match pattern"),
        (["seed"], "one", "key 'seed': Input should be a valid integer"),
        (["seed"], -1, "key 'seed': Input should be greater than or equal to 0 (found -1)"),
        (["window", "last_day"], 1, "key 'window.last_day': Input should be less than or equal"),
        (["outcomes"], {}, "key 'outcomes': Dictionary should have at least 1 item"),
        (["primary_outcome"], "ge_2", "primary_outcome 'ge_2' is no outcome; did you mean 'ge2'?"),
        (
            ["evaluation", "thresholds"],
            {"ge3": [0.1]},
            "evaluation.thresholds names 'ge3', which is no outcome; did you mean 'ge2'?",
        ),
        (["source"], {}, "the key 'source.kind' is missing (synthetic or table)"),
        (["source", "kind"], "sql", "key 'source': Input tag 'sql'"),
        (["source", "tables"], [], "key 'source.tables': List should have at least 1 item"),
        (["source", "tables", 0, "separator"], ";;", "key 'source.tables.0.separator'"),
        (["source", "tables", 0, "decimal"], ";", "key 'source.tables.0.decimal'"),
        (["source", "tables", 0, "columns"], {}, "takes either 'columns', or 'long' and"),
        (["source", "tables", 1, "variables"], {}, "needs both 'long' and 'variables'"),
        (["source", "tables", 1, "columns"], {"crp": "x"}, "takes either 'columns', or 'long'"),
        (["source", "tables", 0, "columns", "ldh"], None, "key 'source.tables.0.columns.ldh'"),
        (["outcomes", "any"], {"column": "crs_grade"}, "the key 'outcomes.any.label' is missing"),
        (["card", "title"], None, "key 'card.title': Input should be a valid string"),
        (["file"], "x.yaml", "unknown key 'file'"),
    ],
)
def test_faulty_values_name_their_key(read, path, value, says):
    with pytest.raises(InputError) as error:
        read(changed(path, value))
    assert says in str(error.value)


@pytest.mark.parametrize("key", ["name", "source", "outcomes", "primary_outcome", "card"])
def test_missing_keys_are_named(read, key):
    with pytest.raises(InputError, match=f"the key '{key}' is missing"):
        read({k: v for k, v in CONTENT.items() if k != key})


def test_all_faults_are_told_at_once(read):
    content = changed(["seed"], "one") | {"nmae": "x"}
    with pytest.raises(InputError) as error:
        read(content)
    assert "key 'seed'" in str(error.value)
    assert "unknown key 'nmae'; did you mean 'name'?" in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no keys. Expected a mapping"),
        ("- a\n", "holds no keys"),
        ("name: [", "not readable as YAML"),
        ("name: a\nname: b\n", "key 'name' stands twice"),
        ("model:\n  seed: 1\n  seed: 2\n", "key 'seed' stands twice"),
        ("? [a, b]\n: 1\n", "a key must be one word or number"),
        ("name: 2020-13-45\n", "not readable as YAML"),
        ("name: !!python/object:os.system 1\n", "not readable as YAML"),
    ],
)
def test_what_is_no_config_is_refused_in_a_sentence(read, text, says):
    with pytest.raises(InputError) as error:
        read(text)
    assert says in str(error.value)
    assert "run.yaml" in str(error.value)


def test_an_absent_config_and_one_of_another_encoding(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file.*name a config"):
        read_config(tmp_path / "none.yaml")
    file = tmp_path / "latin.yaml"
    file.write_bytes("name: Grün\n".encode("latin-1"))
    with pytest.raises(InputError, match="not readable as YAML"):
        read_config(file)


def test_anchors_and_merged_keys_are_read(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("a: &base {x: 1, y: 2}\nb: {<<: *base, y: 3}\n")
    assert read_yaml(file)["b"] == {"x": 1, "y": 3}


def test_cells_may_be_written_as_yaml_numbers_and_words(read):
    recode = "{0: female, 1.5: male, yes: 1, no: 0, true: 1, '': null, ~: 2}"
    text = yaml.safe_dump(changed(["source", "tables", 0, "missing"], [-99, "NA"]))
    config = read(text.replace("column: CRP", f"column: CRP\n        recode: {recode}"))
    table = config.source.tables[0]
    assert table.missing == ["-99", "NA"]
    assert table.columns["crp"].recode == {
        "0": "female",
        "1.5": "male",
        "yes": 1.0,
        "no": 0.0,
        "true": 1.0,
        "": 2.0,
    }


def test_a_config_cannot_be_changed(read):
    config = read(CONTENT)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3


def test_the_shipped_config_of_the_real_trial_is_valid():
    config = read_config(Path(__file__).parents[1] / "configs" / "cd22.yaml")
    assert config.primary_outcome == "ge2"
    assert {name: o.at_least for name, o in config.outcomes.items()} == {
        "any": 1,
        "ge2": 2,
        "ge3": 3,
    }
    # A card compares itself with the version before of the same name: never with drawn patients.
    default = read_config(Path(__file__).parents[1] / "configs" / "default.yaml")
    assert config.registry.model_name != default.registry.model_name
