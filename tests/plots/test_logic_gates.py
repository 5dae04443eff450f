"""Pictures of the AND neuron."""

import numpy as np
import pytest

from nnguide.facts.logic_gates import KINDS
from nnguide.plots import logic_gates


def finding(figure):
    return " ".join(figure.texts[0].get_text().split())


@pytest.mark.smoke
def test_half_planes_count_what_fires(check_readable):
    noise = np.random.default_rng(0).normal(size=(4, 200, 2)) * 0.1
    centres = np.array([[1, 1], [1, 0], [0, 1], [0, 0]])[:, None]
    plane = centres + noise
    plane[0] = 1 + noise[0, :, :1]
    plane[1:3] = np.where(np.arange(200)[None, :, None] < 50, 0.55, 0.4)
    figure = logic_gates.half_planes("light", KINDS, plane, (-1.0, -1.5), 128)
    assert "Bias -1 says yes to 25% of the half matches, -1.5 to 0.0%" in finding(
        figure
    )
    plane[1:3] = centres[1:3] + noise[1:3]
    check_readable(logic_gates.half_planes("dark", KINDS, plane, (-1.0, -1.5), 128))


def test_leaks_are_drawn_over_the_dimensions(check_readable):
    widths = np.array([32, 128, 512, 2048, 12_288])
    mean = np.stack([np.full(5, 0.5), np.array([0.06, 0.001, 0, 0, 0])])
    firing = np.stack([mean * 0.2, mean, mean * 1.7])
    worst = 4 * np.stack([mean * 0.5, mean, mean * 1.5]) / np.sqrt(widths)[None, None]
    figure = logic_gates.leak_by_width(
        "light", widths, (-1.0, -1.5), mean, firing, worst, 4000
    )
    check_readable(figure)
    assert "even in 12,288 dimensions, by 0.02 basketballs at most" in finding(figure)
    assert finding(figure).endswith("with -1.5 none")


def test_a_panel_an_activation(check_readable):
    given = {
        "ReLU": np.array([1.0, 0, 0, 0]),
        "nothing": np.array([1.0, 0.5, 0.5, 0]),
        "GELU": np.array([1.0, 0, 0, -0.19]),
    }
    figure = logic_gates.activations("light", KINDS, given)
    check_readable(figure)
    assert "Michael Phelps gets 0.5 basketballs" in finding(figure)
