"""Conversions against clinical examples worked out by hand, and their properties."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cohort.dictionary import read_dictionary
from pipeline.cohort.units import is_unit, linear_map, to_canonical
from pipeline.errors import UnitError
from pipeline.explanation.sources import readable_unit

DICTIONARY = read_dictionary(Path(__file__).parents[2] / "configs" / "variables.yaml")
PAIRS = [(v.name, unit) for v in DICTIONARY for unit in v.accepts]


def canonical(name, value, unit):
    return float(to_canonical(np.array([value]), DICTIONARY[name], unit)[0])


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("crp", 1.2, "mg/dL", 12),
        ("crp", 3.5, "ug/mL", 3.5),
        ("ferritin", 500, "ug/L", 500),
        ("ferritin", 0.5, "mg/L", 500),
        ("platelets", 150, "10*3/uL", 150),
        ("platelets", 150_000, "/uL", 150),
        ("anc", 1500, "/uL", 1.5),
        ("hemoglobin", 140, "g/L", 14),
        ("albumin", 38, "g/L", 3.8),
        ("fibrinogen", 3.0, "g/L", 300),
        ("d_dimer", 500, "ng/mL", 0.5),
        ("ldh", 1, "ukat/L", 60),  # one katal is a mole a second, one U a micromole a minute
        ("il6", 1, "ng/mL", 1000),
        ("temperature", 98.6, "[degF]", 37.0),
        ("temperature", 32, "[degF]", 0.0),
        ("age", 18, "mo", 1.5),
        ("age", 18, "months", 1.5),
        ("weight", 3500, "g", 3.5),
        ("marrow_blasts", 0.25, "1", 25),
        ("oxygen_saturation", 0.97, "1", 97),
    ],
)
def test_worked_examples(name, value, unit, expected):
    assert canonical(name, value, unit) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "unit", "one_canonical_unit_is"),
    [
        # The conversion factors that laboratories print: so many of the unit make 1 mg/dL
        # (1 g/dL, 1 ng/mL).
        ("creatinine", "umol/L", 88.4),
        ("bilirubin", "umol/L", 17.1),
        ("uric_acid", "umol/L", 59.48),
        ("triglycerides", "mmol/L", 0.01129),
        ("hemoglobin", "mmol/L", 0.6206),  # of the monomer
        ("albumin", "umol/L", 150.4),  # 10 g/L of 66.5 kDa
        ("fibrinogen", "umol/L", 0.0294),  # 10 mg/L of 340 kDa
        ("ferritin", "pmol/L", 2.247),  # 1 ug/L of 445 kDa
        ("systolic_bp", "kPa", 0.133322),
    ],
)
def test_laboratory_conversion_factors(name, unit, one_canonical_unit_is):
    assert canonical(name, one_canonical_unit_is, unit) == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("ferritin", "µg/L"),  # micro sign
        ("ferritin", "μg/L"),  # Greek mu
        ("platelets", "10^9/L"),
        ("platelets", "x10^9/L"),
        ("platelets", "×10^9/L"),
        ("platelets", "10*9 / L"),
        ("platelets", "10*3/µL"),
        ("ldh", "IU/L"),
        ("age", "y"),
        ("age", "year"),
        ("age", "years"),
        ("d_dimer", "mg/L {FEU}"),
        ("d_dimer", "ug/mL{FEU}"),
        ("d_dimer", "ug{FEU}/mL"),  # as FHIR's list of common UCUM units has it
        ("d_dimer", "mg/l{feu}"),
        # UCUM's litre is l or L.
        ("crp", "mg/l"),
        ("ferritin", "ug/l"),
        ("ferritin", "µg/l"),
        ("creatinine", "mg/dl"),
        ("platelets", "10*9/l"),
        ("platelets", "10*3/ul"),
        ("sodium", "mmol/l"),
        ("ldh", "U/l"),
        ("ldh", "[IU]/L"),
        ("ldh", "[iU]/L"),
        ("platelets", "K/uL"),
        ("platelets", "K/µL"),
        ("temperature", "°C"),
        ("inr", "{INR}"),
        ("ecog", "{score}"),
        ("platelets", "10*9/L{platelets}"),
        *(
            ("platelets", spelling)
            for spelling in (
                "k/uL",
                "x10E3/uL",
                "10E3/uL",
                "10*3/mm3",
                "10^3/mm^3",
                "10^3/uL",
                "10³/µL",
                "x10(3)/mcL",
                "Thousand/uL",
                "K/cumm",
                "10⁹/L",
                "10E9/L",
                "x10E9/L",
                "/nL",
                "Giga/L",
                "Gpt/L",
                "G/L",
                "G/l",
                "X10E3/UL",
            )
        ),
        # UCUM's eq is a mole of charges, and sodium has one.
        ("sodium", "meq/L"),
        ("sodium", "mEq/L"),
        ("ferritin", "mcg/L"),
        ("crp", "mcg/mL"),
        ("temperature", "C"),
        ("temperature", "degC"),
        ("heart_rate", "bpm"),
        ("heart_rate", "beats/min"),
        ("heart_rate", "{Beats}/min"),
        ("heart_rate", "1/min"),
        ("inr", "{ratio}"),
        ("inr", "INR"),
        ("bmi", "kg/m^2"),
        ("bmi", "kg/m²"),
        ("systolic_bp", "mm Hg"),
        ("ldh", "Units/L"),
        ("ldh", "UI/L"),
        ("d_dimer", "mg/L FEU"),
        ("d_dimer", "mcg/mL (FEU)"),
        # UCUM has a form in capitals for systems that know no other; it means the same there.
        ("crp", "MG/L"),
        ("ferritin", "NG/ML"),
        ("sodium", "MMOL/L"),
        ("hemoglobin", "G/DL"),
    ],
)
def test_usual_spellings_are_the_same_unit(name, spelling):
    assert canonical(name, 7.0, spelling) == pytest.approx(7.0, rel=1e-12)


def test_the_capital_of_another_quantity_is_not_taken_for_it():
    """G/L is giga cells where cells are counted, and grams where mass is measured."""
    assert canonical("platelets", 95, "G/L") == 95
    assert canonical("hemoglobin", 95, "G/L") == 9.5
    for name, unit in (("platelets", "g/L"), ("hemoglobin", "meq/L"), ("ferritin", "mcg/mL")):
        with pytest.raises(UnitError):
            canonical(name, 1, unit)


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("temperature", 98.6, "F", 37.0),
        ("temperature", 98.6, "°F", 37.0),
        ("wbc", 4500, "/mm3", 4.5),
        ("crp", 3.5, "MG/DL", 35),
        ("d_dimer", 500, "ng/mL FEU", 0.5),
    ],
)
def test_usual_spellings_of_other_units_are_converted(name, value, unit, expected):
    assert canonical(name, value, unit) == pytest.approx(expected)


@pytest.mark.parametrize("variable", [v for v in DICTIONARY if v.unit], ids=lambda v: v.name)
def test_a_unit_as_people_are_shown_it_is_accepted(variable):
    for unit in (variable.unit, *variable.accepts):
        shown = readable_unit(unit) or "fraction"
        there = to_canonical(np.array([1.0, 40.0]), variable, unit)
        np.testing.assert_array_equal(to_canonical(np.array([1.0, 40.0]), variable, shown), there)


def test_cells_per_microlitre_may_be_spelt_out():
    assert canonical("anc", 1500, "cells/uL") == pytest.approx(1.5, rel=1e-12)
    assert canonical("anc", 1.5, "10^3 cells/µL") == pytest.approx(1.5, rel=1e-12)


@pytest.mark.parametrize(("name", "unit"), PAIRS)
@given(value=st.floats(min_value=1e-6, max_value=1e6))
def test_round_trip_through_every_accepted_unit(name, unit, value):
    variable = DICTIONARY[name]
    there = linear_map(unit, variable.unit, variable.molar_mass)
    back = linear_map(variable.unit, unit, variable.molar_mass)
    returned = (value * there[0] + there[1]) * back[0] + back[1]
    assert returned == pytest.approx(value, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize(("name", "unit"), PAIRS)
def test_more_in_one_unit_is_more_in_the_other(name, unit):
    variable = DICTIONARY[name]
    factor, offset = linear_map(unit, variable.unit, variable.molar_mass)
    assert factor > 0
    assert offset == 0 or name in ("temperature", "post_max_temperature")


def test_canonical_values_are_untouched_and_missing_ones_stay_missing():
    values = np.array([0.1, np.nan, 1 / 3])
    np.testing.assert_array_equal(to_canonical(values, DICTIONARY["crp"], "mg/L"), values)
    assert np.isnan(to_canonical(values, DICTIONARY["crp"], "mg/dL")[1])


def test_a_variable_without_a_unit_takes_plain_numbers_only():
    assert canonical("ecog", 2, "1") == 2
    with pytest.raises(UnitError, match="unit 'mg' is not accepted for 'ecog'"):
        canonical("ecog", 2, "mg")


# The D-dimer of the dictionary is in fibrinogen-equivalent units, twice the D-dimer units.
@pytest.mark.parametrize(
    "unit",
    ["ng/mL{DDU}", "ng{DDU}/mL", "mg/L{D-DU}", "mg/L {ddu}", "ng/mL{D-dimer units}", "ng/mL DDU"],
)
def test_d_dimer_units_are_not_taken_for_fibrinogen_equivalents(unit):
    with pytest.raises(UnitError, match="is not accepted for 'd_dimer'") as error:
        canonical("d_dimer", 500, unit)
    assert "mean" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "unit"), [("crp", "mg/L{DDU}"), ("crp", "mg/L{FEU}"), ("crp", "mg/L FEU")]
)
def test_an_annotation_of_another_quantity_is_not_passed_over(name, unit):
    with pytest.raises(UnitError):
        canonical(name, 5, unit)


def test_a_dictionary_that_accepts_d_dimer_units_has_them_doubled():
    d_dimer = DICTIONARY["d_dimer"].model_copy(update={"accepts": ["ng/mL{DDU}"]})
    assert to_canonical(np.array([250.0]), d_dimer, "ng/mL{DDU}")[0] == pytest.approx(0.5)
    assert linear_map("mg/L{FEU}", "mg/L{DDU}", None) == (0.5, 0.0)


@pytest.mark.parametrize(
    ("name", "unit"),
    # In UCUM K is kelvin; an annotation says nothing of a share's hundredths.
    [("temperature", "K"), ("marrow_blasts", "{score}"), ("crp", "{score}")],
)
def test_what_is_ambiguous_stays_refused(name, unit):
    with pytest.raises(UnitError):
        canonical(name, 1, unit)


@pytest.mark.parametrize("unit", ["g/L", "g/dL", "mmol/L", "", "furlong"])
def test_other_units_are_refused_with_the_accepted_ones(unit):
    with pytest.raises(UnitError) as error:
        canonical("crp", 1, unit)
    text = str(error.value)
    assert f"unit '{unit}' is not accepted for 'crp'" in text
    assert "Expected one of mg/L, mg/dL, ug/mL." in text
    assert "add it to 'accepts' in the dictionary" in text


@pytest.mark.parametrize("text", ["mg/dL", "10*9/L", "%", "U/L", "mm[Hg]", "[degF]", "ukat/L"])
def test_units_are_known_as_units(text):
    assert is_unit(text)


@pytest.mark.parametrize("text", ["", "12", "1.5", "2021-03-04", "Wurzelbert", "see note", "<5"])
def test_what_is_no_unit_is_known_as_none(text):
    assert not is_unit(text)


@given(st.text(max_size=12) | st.text("mgLUdu/*^()%.10 ", max_size=12))
def test_no_text_of_a_table_breaks_the_recognition_of_units(text):
    assert is_unit(text) in (True, False)
