import itertools
from typing import Any

import numpy as np
import pytest

from nnguide.plots.network_drawing import network

DIGITS = [str(digit) for digit in range(10)]


def _layers(widths, seed=0):
    random = np.random.default_rng(seed)
    weights = [
        random.normal(size=(after, before)).astype(np.float32)
        for before, after in itertools.pairwise(widths)
    ]
    return weights, [random.random(len(w), dtype=np.float32) for w in weights]


def _edges(figure):
    from matplotlib.collections import LineCollection

    return [c for c in figure.axes[0].collections if isinstance(c, LineCollection)]


def _circles(figure):
    from matplotlib.collections import PathCollection

    return [c for c in figure.axes[0].collections if isinstance(c, PathCollection)]


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_guides_network_is_readable_and_says_its_answer(theme, check_readable):
    image = np.random.default_rng(1).random((28, 28), dtype=np.float32)
    weights, activations = _layers((784, 16, 16, 10))
    activations[-1] = np.full(10, 0.01, np.float32)
    activations[-1][[7, 9]] = 0.93, 0.24
    figure = network(theme, image, weights, activations, DIGITS, desired=9)
    check_readable(figure)
    words = " ".join(figure.texts[0].get_text().split())
    # the weights and biases of 784-16-16-10, counted from the matrices' shapes
    assert words == (
        '13,002 weights and biases read this "9" as "7": 0.93; next comes "9" with 0.24'
    )
    assert [len(c.get_segments()) for c in _edges(figure)] == [256, 256, 160]
    captions = [text.get_text() for text in figure.axes[0].texts]
    assert "784 neurons\n(16 shown)" in captions
    assert captions.count("16 neurons") == 2
    assert "0.93   7" in captions


def test_edges_are_blue_or_red_and_as_wide_as_their_weight():
    from matplotlib.colors import to_rgb

    from nnguide.plots.style import palette

    weights = [np.array([[1.0, -0.5], [0.25, 0.0]])]
    outputs = [np.array([0.9, 0.1])]
    figure = network("light", np.array([[0.0, 1.0]]), weights, outputs, ["a", "b"])
    (edges,) = _edges(figure)
    assert np.all(np.diff(edges.get_linewidth()) > 0)  # the strongest on top
    colours = np.asarray(edges.get_color())
    shown = [tuple(colour[:3]) for colour in colours[1:]]
    blue, red = to_rgb(palette("light").positive), to_rgb(palette("light").negative)
    assert shown == [blue, red, blue]  # 0.25, -0.5, 1.0
    looks: Any = edges.get_linestyle()
    dashed = [dashes is not None for _, dashes in looks]
    assert dashed == [False, False, True, False]  # the sign in a grey print
    np.testing.assert_allclose(np.diff(colours[1:, 3]) / 0.92, [0.25, 0.5], atol=1e-6)


def test_neurons_are_filled_by_their_activation():
    weights = [np.ones((3, 4)), np.ones((2, 3))]
    hidden, outputs = np.array([0.0, 0.5, 1.0]), np.array([0.2, 0.8])
    image = np.array([[0.0, 0.1], [0.2, 1.0]])
    figure = network("dark", image, weights, [hidden, outputs], ["no", "yes"])
    fills = [np.asarray(circles.get_array()) for circles in _circles(figure)[:3]]
    for fill, layer in zip(fills, (image.ravel(), hidden, outputs), strict=True):
        np.testing.assert_array_equal(fill, layer)


def test_relu_activations_are_filled_up_to_their_columns_largest():
    weights, activations = _layers((4, 3, 2))
    activations[0] = np.array([0.0, 2.0, 8.0], np.float32)
    figure = network("light", np.ones((2, 2)), weights, activations, ["no", "yes"])
    fill = np.asarray(_circles(figure)[1].get_array())
    np.testing.assert_allclose(fill, [0, 0.25, 1])


@pytest.mark.parametrize(
    ("widths", "names"),
    [
        ((784, 256, 128, 100, 3), ["T-shirt/top", "Ankle boot", "Dress"]),
        ((784, 10), DIGITS),
        ((784, 17, 40), [f"class {number}" for number in range(40)]),
    ],
)
def test_any_widths_are_drawn(widths, names, check_readable):
    weights, activations = _layers(widths)
    image = np.random.default_rng(1).random((28, 28), dtype=np.float32)
    figure = network("light", image, weights, activations, names)
    check_readable(figure)
    shown = [min(width, 16) for width in widths]
    assert [len(c.get_segments()) for c in _edges(figure)] == [
        before * after for before, after in itertools.pairwise(shown)
    ]


def test_weights_that_are_all_zero_are_drawn(check_readable):
    weights = [np.zeros((2, 4))]
    outputs = [np.array([0.5, 0.5])]
    check_readable(network("light", np.zeros((2, 2)), weights, outputs, ["no", "yes"]))
