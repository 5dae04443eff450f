"""Pictures of cost surfaces from made-up ones."""

import numpy as np
import pytest

from nnguide.plots.cost_surfaces import neuron, plane


def words_of(figure):
    """Finding and note of a figure, line breaks undone."""
    return [" ".join(text.get_text().split()) for text in figure.texts]


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_valleys_reached_on_the_curve_are_counted(theme):
    weight, bias = np.linspace(-6, 6, 61), np.linspace(-4, 8, 41)
    curve = 0.3 + 0.2 * np.cos(weight)
    walks, free = [], []
    for start, end in ((-4.5, -np.pi), (1.0, np.pi), (4.5, np.pi)):
        places = np.linspace(start, end, 20)
        walks.append((places, 0.3 + 0.2 * np.cos(places)))
        free.append((np.stack([places, places[::-1] ** 2 / 3], axis=1), places * 0.1))
        free[-1][0][0, 1] = 3.0
    surface = 0.3 + 0.01 * (bias[:, None] - 3) ** 2 + 0.2 * np.cos(weight)
    figure = neuron(theme, (weight, curve), walks, (bias, surface), free)
    figure.draw_without_rendering()
    finding, note = words_of(figure)
    assert finding.startswith("From 3 starts gradient descent ends in 2 valleys")
    assert f"the lowest on the map is {surface.min():.3f}" in note
    ends = [t.get_text() for t in figure.axes[0].texts if "w = " in t.get_text()]
    assert ends == ["w = -3.14\ncost 0.100", "w = 3.14\ncost 0.100"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_ridge_between_trained_networks_has_its_height(theme):
    networks = np.array([[0.0, 0.0], [55.0, 0.0], [1.0, 57.0]])
    axis = np.linspace(-11, 68, 21)
    away = [np.hypot(axis - x, axis[:, None] - y) for x, y in networks[1:]]
    cost = 0.02 + np.minimum(*away) ** 2 / 800
    share = np.linspace(0, 1, 21)
    between = 0.02 + 0.8 * np.sin(np.pi * share) ** 2
    figure = plane(
        theme, networks, np.array([2.53, 0.02, 0.02]), axis, axis, cost, between
    )
    figure.draw_without_rendering()
    finding, note = words_of(figure)
    assert finding.endswith("halfway between them the cost is 0.82")
    assert "the start costs 2.53" in note
    left = [text.get_text() for text in figure.axes[0].texts]
    assert "untrained\ncost 2.5" in left
