"""Johnson and Lindenstrauss's bound, and projections."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import projection


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("count", "share", "wanted"),
    [(10**6, 0.5, 663), (10**6, 0.1, 11_841), (10**4, 0.0175, 243_436)],
)
def test_the_table_of_the_bound(count, share, wanted):
    assert projection.enough_dimensions(count, share) == wanted


def test_squared_distances():
    points = jnp.array([[0.0, 0], [3, 4], [3, 0]])
    wanted = [[0, 25, 9], [25, 0, 16], [9, 16, 0]]
    np.testing.assert_allclose(projection.squared_distances(points), wanted, atol=1e-5)


def test_a_projection_changes_distances_by_the_root_of_two_over_k(key):
    points = jax.random.normal(key, (100, 500))
    largest, rms = projection.distortion(points, 200, jax.random.key(1))
    assert float(rms) == pytest.approx((2 / 200) ** 0.5, rel=0.15)
    assert 3 * float(rms) < float(largest) < projection_bound(100, 200)


def projection_bound(count: int, dimensions: int) -> float:
    shares = np.linspace(0.01, 1, 100)
    enough = [projection.enough_dimensions(count, share) for share in shares]
    return float(shares[np.array(enough) <= dimensions][0])
