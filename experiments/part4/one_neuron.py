"""The chain rule with one neuron a layer, every factor by hand.

Source: 3Blue1Brown, "Backpropagation calculus".
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.part4.setting import Setting
from nnguide.array_types import Array
from nnguide.network.chain import Chain, central_differences, chain, relative_error
from nnguide.plots import chain as pictures
from nnguide.plots import style
from nnguide.results import Claim

# Three layers; the last activation is to become 1. Any numbers would do.
WEIGHTS, BIASES = (1.2, -0.9, 1.6), (-0.3, 0.6, 0.2)
A_FIRST, Y = 0.7, 1.0
_SOURCE = "3Blue1Brown, Backpropagation calculus"


def study(setting: Setting) -> tuple[list[Claim], list[str]]:
    """Multiplies the factors, compares with two other ways, draws the graph."""
    with jax.enable_x64(True):
        numbers = jnp.array([*WEIGHTS, *BIASES])
        a_first, y = jnp.array(A_FIRST), jnp.array(Y)
        layers = len(WEIGHTS)

        def forward_and_back(numbers: Array) -> Chain:
            return chain(numbers[:layers], numbers[layers:], a_first, y)

        def cost(numbers: Array) -> Array:
            return forward_and_back(numbers).cost

        result = forward_and_back(numbers)
        by_hand = jnp.array(
            [link.dcost_dw for link in result.links]
            + [link.dcost_db for link in result.links]
        )
        by_autodiff = jax.grad(cost)(numbers)
        by_differences = central_differences(cost, numbers, 1e-5)
        off_autodiff = float(relative_error(by_hand, by_autodiff))
        off_differences = float(relative_error(by_hand, by_differences))
        links = [
            {name: float(value) for name, value in link._asdict().items()}
            for link in result.links
        ]
    figure = pictures.computation_graph(setting.theme, links, Y, float(result.cost))
    picture = style.save(
        figure, setting.workdir, "computation_graph",
        **{name: np.array([link[name] for link in links]) for name in links[0]},
    )  # fmt: skip
    return _claims(off_autodiff, off_differences), [picture]


def _claims(off_autodiff: float, off_differences: float) -> list[Claim]:
    return [
        Claim(
            "4.chain_by_hand",
            "dC/dw is the product of the factors along the chain, "
            "a_before * sigma'(z) * 2 (a - y) in the last layer",
            off_autodiff,
            (0, 1e-12),
            (0, 1e-12),
            f"{_SOURCE}; jax.grad in float64",
            unit="largest difference to autodiff, relative",
        ),
        Claim(
            "4.chain_by_nudging",
            "a derivative is what a tiny nudge to w does to C, over the nudge",
            off_differences,
            (0, 1e-8),
            (0, 1e-8),
            f"{_SOURCE}; central differences, h = 1e-5, float64",
            unit="largest difference to nudging, relative",
        ),
    ]
