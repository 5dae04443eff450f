"""Pictures of angles, and of how many vectors there are."""

import numpy as np
import pytest

from nnguide.facts import near_orthogonal as angles
from nnguide.plots import near_orthogonal, vector_counts


def finding(figure):
    return " ".join(figure.texts[0].get_text().split())


def counts(dimensions: int) -> np.ndarray:
    """A million pairs by the closed form."""
    shares = np.diff(angles.cumulative(dimensions), prepend=0)
    return np.round(1e6 * shares).astype(np.int64)


@pytest.mark.smoke
def test_the_zoom_shows_what_the_window_hides(check_readable):
    video = np.zeros(angles.BINS, np.int64)
    video[447:453], video[[5, -6]] = 160_833, 17_500
    better = np.where(abs(np.arange(900) - 450) < 120, counts(30), 0)
    figure = near_orthogonal.zoomed_out("light", counts(30), video, better, (3000, 30))
    check_readable(figure)
    assert "misses 3.5% of the pairs" in finding(figure)
    words = " ".join(text.get_text() for text in figure.axes[1].texts)
    assert words.count("1.8%") + words.count("1.7%") == 2


def test_random_angles_are_drawn_with_their_theory(check_readable):
    spaces = {d: counts(d) for d in (3, 10, 100, 768, 12_288)}
    figure = near_orthogonal.random_angles("dark", spaces)
    check_readable(figure)
    assert finding(figure).startswith("94.7% of random pairs in 12,288 dimensions")
    assert finding(figure).endswith("in 100 dimensions, 13.8%")


def test_chirps_stand_between_the_bound_and_the_optimised(check_readable):
    figure = vector_counts.smallest_angles(
        "light", 34, np.array([68, 204, 612, 1836]), np.array([52.0, 50, 45, 42]),
        np.array([81.9, 77.9, 74.3, 69.8]), np.array([83.0, 81, 80.3, 77.9]),
        (612, 75.96),
        {"random": 36.7, "the video's loss": 0.2, "exp(20 cos^2)": 62.1,
         "|cos|^p,\np to 100": 66.0, "exp(b cos^2),\nb to 400": 66.2},
        (3000, 30, 76.7),
    )  # fmt: skip
    check_readable(figure)
    assert "by formula 76.0 degrees apart, optimised 74.3, random 45" in finding(figure)


def test_growth_is_drawn_at_several_angles(check_readable):
    dimensions = np.array([8.0, 16, 40, 80])
    grown = {
        15: np.stack([dimensions, [3, 5, 14, 79]], axis=1),
        20: np.stack([dimensions, [4, 9, 53, 920]], axis=1),
        30: np.stack([dimensions, [9, 39, 1813, 6000]], axis=1)[:3],
    }
    figure = vector_counts.growth("light", grown, (12_286, 75_485_184, 0.731))
    check_readable(figure)
    assert "at 1 degree luck finds 19 vectors in 12,286 dimensions" in finding(figure)
