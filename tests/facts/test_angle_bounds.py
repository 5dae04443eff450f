"""What is impossible and what is sure, by the numbers of the erratum."""

import math

import pytest

from nnguide.facts import angle_bounds


@pytest.mark.smoke
def test_no_more_than_103_vectors_in_100_dimensions():
    assert math.exp(angle_bounds.log_most(100, 1)) == pytest.approx(103.11, abs=0.005)
    assert math.cos(math.radians(angle_bounds.widest_angle(10_000, 100))) == (
        pytest.approx(0.118, abs=5e-4)
    )
    assert angle_bounds.least_rms_cosine(10_000, 100) == pytest.approx(0.0995, abs=1e-4)


def test_upper_bounds_in_gpt3s_width():
    assert math.exp(angle_bounds.log_most(12_288, 1)) == pytest.approx(1.3e18, rel=0.05)
    assert angle_bounds.log_most(12_288, 5) / math.log(10) == pytest.approx(
        272, abs=0.1
    )


@pytest.mark.smoke
def test_luck_finds_few_vectors_at_1_degree_and_many_at_5():
    assert angle_bounds.random_count(12_288, 1) == 4
    assert angle_bounds.random_count(12_288, 5) == pytest.approx(5.2e10, rel=0.01)
    greedy = [math.exp(angle_bounds.log_greedy(12_288, angle)) for angle in (1, 5)]
    assert greedy == pytest.approx([18.86, 2.70e21], rel=2e-3)


def test_bounds_do_not_contradict_known_sets():
    """The axes, the three diagonals of a hexagon, the icosahedron's six."""
    assert angle_bounds.widest_angle(5, 5) == pytest.approx(90)
    assert angle_bounds.widest_angle(3, 2) == pytest.approx(60)
    icosahedron = math.degrees(math.acos(5**-0.5))
    assert angle_bounds.widest_angle(6, 3) == pytest.approx(icosahedron)
    most = math.exp(angle_bounds.log_most(3, 90 - icosahedron))
    assert most == pytest.approx(6)
    for dimensions, within in ((30, 20), (500, 5), (3000, 1)):
        least = angle_bounds.log_greedy(dimensions, within)
        assert least < angle_bounds.log_most(dimensions, within)


def test_the_exponential_overtakes_the_axes_where_both_are_equal():
    where = angle_bounds.overtakes_basis(1)
    assert where == 60_949
    before, at = (
        angle_bounds.log_greedy(d, 1) - math.log(d) for d in (where - 1, where)
    )
    assert before <= 0 < at


@pytest.mark.parametrize(
    ("count", "within", "wanted"),
    [(1e4, 1, 120_955), (1e4, 5, 4_850), (1e6, 2, 45_372), (1e6, 10, 1_833)],
)
def test_dimensions_that_random_vectors_need(count, within, wanted):
    assert angle_bounds.dimensions_for_random(count, within) == pytest.approx(
        wanted, abs=1
    )
