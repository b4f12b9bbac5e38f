"""The tables of codes against the facts and the dictionary that come with the project."""

from pathlib import Path

import pandas as pd

from pipeline.cohort.dictionary import read_dictionary
from pipeline.serving.http.fhir.coding import codes, spellings, table

PROJECT = Path(__file__).parents[4]


def test_each_code_is_of_a_therapy_of_the_table_of_therapies():
    known = set(pd.read_csv(PROJECT / "data" / "therapies.csv")["therapy"])
    rows = table("therapies.csv")
    assert {row["therapy"] for row in rows} <= known
    assert len({(row["system"], row["code"]) for row in rows}) == len(rows)
    assert all(row["source"] for row in rows)


def test_each_disease_is_a_level_of_the_dictionary():
    levels = read_dictionary(PROJECT / "configs" / "variables.yaml")["disease"].levels
    rows = table("diseases.csv")
    assert {row["disease"] for row in rows} <= set(levels)
    assert len({(row["system"], row["text"]) for row in rows}) == len(rows)
    assert all(row["source"] for row in rows)


def test_of_what_is_no_concept_nothing_is_read():
    for concept in (None, "x", [], {"coding": "x"}, {"coding": [None, {"code": 3, "system": 4}]}):
        assert list(codes(concept)) == list(spellings(concept)) == []
