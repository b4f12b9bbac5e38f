"""The inverse power law: recovered from curves that follow one."""

import numpy as np
import pytest

from pipeline.evaluation.power_law import fit_power_law

SIZES = np.array([100.0, 200, 400, 800, 1600])


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.5])
def test_an_exact_power_law_is_recovered(exponent):
    coefficient = 0.1 * 100**exponent
    losses = (0.5 + coefficient * SIZES**-exponent)[None, :]
    found = fit_power_law(SIZES, losses, np.ones(5))
    assert found.floor[0] == pytest.approx(0.5, abs=1e-6)
    assert found.exponent[0] == pytest.approx(exponent)
    saved = coefficient * (1600**-exponent - 3200**-exponent)
    assert found.doubling(1600)[0] == pytest.approx(saved, rel=1e-6)
    # At that size, and no earlier, a doubling saves less than what it saves there.
    assert found.flat_from(saved)[0] == pytest.approx(1600, rel=1e-6)


def test_losses_that_rise_are_a_flat_curve():
    found = fit_power_law(SIZES, np.linspace(0.5, 0.6, 5)[None, :], np.ones(5))
    assert found.coefficient[0] == 0
    assert found.doubling(1600)[0] == 0
    assert found.flat_from(0.005)[0] == 0


def test_three_sizes_are_too_few():
    with pytest.raises(ValueError, match="needs 4 sizes, found 3"):
        fit_power_law(SIZES[:3], np.ones((1, 3)), np.ones(3))
