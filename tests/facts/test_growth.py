"""Sets that luck finds."""

import math

import numpy as np
import pytest

from nnguide.facts import growth
from nnguide.facts.angle_bounds import log_greedy, log_most


@pytest.mark.smoke
def test_sets_are_larger_than_promised_and_smaller_than_possible():
    for dimensions, within in ((8, 30), (24, 30), (40, 20)):
        found = growth.insert(np.random.default_rng(0), dimensions, within)
        assert log_greedy(dimensions, within) < math.log(found)
        assert math.log(found) < log_most(dimensions, within)


def test_earlier_vectors_keep_out_later_ones():
    angles = np.radians([0, 10, 80, 95, 170])
    block = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    # 10 clashes with 0; 80 fits; 95 clashes with 80; 170 with 0
    assert growth._first_come(block, math.sin(math.radians(15))) == [0, 2]


def test_the_rate_of_a_known_law():
    dimensions = np.array([8, 24, 80])
    counts = 3 * np.sqrt(dimensions) * np.exp(0.07 * dimensions)
    assert growth.rate(dimensions, counts) == pytest.approx(0.07)
