"""What people read beside a contribution."""

import numpy as np
import pytest

from pipeline.explanation.sources import readable_number, readable_unit


@pytest.mark.parametrize(
    ("ucum", "shown"),
    [
        ("10*9/L", "10⁹/L"),
        ("ug/mL", "µg/mL"),
        ("U/L", "U/L"),
        # Laboratories report D-dimer in fibrinogen-equivalent or in D-dimer units, which differ
        # by a factor of about two.
        ("mg/L{FEU}", "mg/L FEU"),
        ("ug{FEU}/mL", "µg/mL FEU"),
        ("ng/mL{DDU}", "ng/mL DDU"),
        ("10*9/L{platelets}", "10⁹/L"),
        ("mm[Hg]", "mmHg"),
        ("kg/m2", "kg/m²"),
        ("Cel", "°C"),
        ("[degF]", "°F"),
        ("a", "years"),
        ("1", ""),
        (None, ""),
    ],
)
def test_units_are_written_for_people(ucum, shown):
    assert readable_unit(ucum) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0"),
        (200, "200"),
        (15400.4, "15,400"),
        (59.42, "59.4"),
        (3.0, "3"),
        (0.98, "0.98"),
        (0.05671, "0.0567"),
        (-0.5, "-0.5"),
    ],
)
def test_numbers_keep_three_digits_and_no_exponent(number, shown):
    assert readable_number(number) == shown


def test_values_are_shown_with_unit_words_or_as_missing(explanations, cohort):
    sources = {source.name: source for source in explanations.sources}
    row = int(np.flatnonzero(cohort["platelets"].isna())[0])
    assert sources["platelets"].shown(row) == "missing"
    assert sources["bulky"].shown(row) == ("yes" if cohort["bulky"][row] else "no")
    assert sources["age"].shown(row) == f"{cohort['age'][row]:.0f} years"
    assert sources["ldh"].heading == "Lactate dehydrogenase (U/L)"
    assert sources["therapy_prior"].shown(row) == cohort["therapy"][row]


def test_a_score_shows_its_own_value_not_the_logarithm(explanations, cohort):
    sources = {source.name: source for source in explanations.sources}
    # Simplified EASIX: LDH / platelets.
    expected = (cohort["ldh"] / cohort["platelets"]).to_numpy()
    np.testing.assert_allclose(sources["s_easix"].values, expected)
    assert sources["s_easix"].log
