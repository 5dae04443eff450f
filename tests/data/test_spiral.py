"""The spiral of the video: where its points are, and what is near it."""

import numpy as np
import pytest

from nnguide.data.spiral import nearest, place, spiral


@pytest.mark.smoke
def test_the_spiral_has_the_moments_of_the_videos():
    points, label = spiral()
    assert points.shape == (100, 2)
    np.testing.assert_allclose(points.std(axis=0), [0.461, 0.476], atol=5e-4)
    np.testing.assert_allclose(points.mean(axis=0), [-0.075, -0.013], atol=5e-4)
    radius = np.linalg.norm(points, axis=1)
    np.testing.assert_allclose(radius, np.linspace(0.1, 1.1, 100), atol=1e-6)
    assert np.sqrt((radius**2).mean()) == pytest.approx(0.6671, abs=5e-5)
    assert np.bincount(label).tolist() == [33, 33, 34]
    assert (np.diff(label) >= 0).all()


def test_the_nearest_place_is_found():
    along = np.array([0.0, 0.25, 0.5, 0.9, 1.0])
    inward = -place(along) / np.linalg.norm(place(along), axis=1)[:, None]
    distance, found = nearest(place(along) + 0.02 * inward)
    np.testing.assert_allclose(found, along, atol=0.01)
    assert (distance < 0.0201).all()
    assert distance[2:] == pytest.approx(0.02, abs=1e-3)
    distance, found = nearest(spiral().points)
    assert distance.max() < 0.004
    np.testing.assert_allclose(found, np.linspace(0, 1, 100), atol=3e-4)
