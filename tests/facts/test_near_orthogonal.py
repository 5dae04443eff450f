"""Angles of all pairs, by counting and by closed forms."""

import math

import jax
import numpy as np
import pytest

from nnguide.facts import near_orthogonal

# three axes, and one vector 60 degrees from the first
FOUR = np.array([[2.0, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, math.sqrt(0.75), 0]])


@pytest.mark.smoke
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_every_pair_is_counted_once_whatever_the_chunk(chunk):
    found = near_orthogonal.pairs(FOUR, chunk)
    assert found.counts.sum() == 6
    assert found.share(89, 91) == pytest.approx(4 / 6)
    assert found.closest == pytest.approx(30)
    assert found.rms_cosine == pytest.approx(math.sqrt((0.25 + 0.75) / 6))


def test_opposite_vectors_lie_on_one_line():
    found = near_orthogonal.pairs(np.array([[1, 0, 0], [-1, 1e-4, 0]], np.float32))
    assert found.share(179, 180) == 1
    assert found.closest == pytest.approx(math.degrees(1e-4), rel=1e-3)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("dimensions", "share"),  # claims that the erratum rests on
    [(3, 0.01745), (100, 0.1375), (768, 0.3711), (1600, 0.5147), (12_288, 0.9470)],
)
def test_share_within_one_degree(dimensions, share):
    assert near_orthogonal.share_within(dimensions, 1) == pytest.approx(share, rel=1e-3)


def test_tails_have_their_closed_forms():
    for within in (0.0, 1.0, 30.0, 89.0):
        angle = math.radians(within)
        in_three = math.log(1 - math.sin(angle))
        assert near_orthogonal.log_share_outside(3, within) == pytest.approx(
            in_three, abs=1e-9
        )
        in_four = math.log(1 - (2 * angle + math.sin(2 * angle)) / math.pi)
        assert near_orthogonal.log_share_outside(4, within) == pytest.approx(
            in_four, abs=1e-7
        )


def test_the_density_is_the_derivative_of_the_cumulative_share():
    for dimensions in (3, 50):
        cumulative = near_orthogonal.cumulative(dimensions)
        middles = np.arange(900) * 0.2 + 0.1
        shares = np.diff(cumulative, prepend=0)
        density = near_orthogonal.density(dimensions, middles)
        np.testing.assert_allclose(0.2 * density, shares, atol=2e-6)


def test_random_directions_follow_the_closed_form(key):
    vectors = near_orthogonal.directions(key, 400, 20)
    np.testing.assert_allclose(jax.numpy.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    found = near_orthogonal.pairs(vectors)
    shares = found.counts.cumsum() / found.counts.sum()
    assert abs(shares - near_orthogonal.cumulative(20)).max() < 0.006
