"""The epoch in NumPy, one example after another, as chapter 1 of Nielsen's book has it.

Own code after the equations BP1-BP4 of the book's chapter 2.
"""

import itertools
from collections.abc import Callable

import numpy as np

Parameters = tuple[list[np.ndarray], list[np.ndarray]]  # (out, in) each, (out, 1) each


def initial_parameters(widths: tuple[int, ...]) -> Parameters:
    """Weights N(0, 1) / sqrt(inputs) and biases 0, for a number of neurons a layer."""
    random = np.random.default_rng(0)
    pairs = list(itertools.pairwise(widths))
    weights = [
        random.normal(size=(out, into)).astype(np.float32) / np.sqrt(np.float32(into))
        for into, out in pairs
    ]
    return weights, [np.zeros((out, 1), np.float32) for _, out in pairs]


def epoch(
    images: np.ndarray,
    labels: np.ndarray,
    parameters: Parameters,
    batch: int,
    rate: float,
) -> Callable[[], None]:
    """A function that trains one epoch at each call: sigmoids, squared error.

    Args:
      images: (examples, pixels) in [0, 1].
      labels: (examples,).
      parameters: trained in place.
      batch: examples a step.
      rate: of the mean gradient of a batch; the cost has no 1/2.
    """
    random = np.random.default_rng(0)
    weights, biases = parameters
    columns = images[:, :, None]
    desired = np.eye(len(biases[-1]), dtype=np.float32)[labels][:, :, None]

    def turn() -> None:
        order = random.permutation(len(columns))
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            nabla_w = [np.zeros_like(w) for w in weights]
            nabla_b = [np.zeros_like(b) for b in biases]
            for example in chosen:
                _add_gradient(
                    columns[example],
                    desired[example],
                    weights,
                    biases,
                    nabla_w,
                    nabla_b,
                )
            step = np.float32(rate / len(chosen))
            for parameters, nabla in ((weights, nabla_w), (biases, nabla_b)):
                for parameter, gradient in zip(parameters, nabla, strict=True):
                    parameter -= step * gradient

    return turn


def _add_gradient(
    x: np.ndarray,
    y: np.ndarray,
    weights: list[np.ndarray],
    biases: list[np.ndarray],
    nabla_w: list[np.ndarray],
    nabla_b: list[np.ndarray],
) -> None:
    """Adds one example's gradient in place."""
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(1 / (1 + np.exp(-(w @ activations[-1] + b))))
    desire = 2 * (activations[-1] - y)
    for layer in reversed(range(len(weights))):
        a = activations[layer + 1]
        delta = desire * a * (1 - a)
        nabla_w[layer] += delta @ activations[layer].T
        nabla_b[layer] += delta
        desire = weights[layer].T @ delta
