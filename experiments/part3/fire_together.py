"""Neurons that fire together wire together: the gradient as an outer product.

One example changes the weight w_jk by -delta_j a_k: strongest where the neuron before
is brightest and the neuron asks for most. Hebb's rule says a_j a_k instead.

Source: 3Blue1Brown, "What is backpropagation really doing?"; Nielsen, chap. 2 (BP4).
"""

import numpy as np
from jaxtyping import Float

from experiments.part3.setting import Setting, Stages, first_of, passes
from nnguide.array_types import Params
from nnguide.plots import outer_product as pictures
from nnguide.plots import style
from nnguide.results import Caveat, Claim

ASKED = 2  # the guide's example is a "2"
BATCHES = (1, 4, 100)
ZERO = 1e-6  # of the largest singular value; below it is float32 rounding
_SOURCE = "3Blue1Brown, What is backpropagation really doing?"


def study(
    setting: Setting, stages: Stages, scored: bool
) -> tuple[list[Claim], list[str]]:
    """Takes gradients of an early network apart, and Hebb's rule on a trained one.

    Args:
      setting: network and images.
      stages: the network at three times.
      scored: whether it is the one the bands were measured for.
    """
    early, trained = stages.early, stages.trained
    values = {batch: _singular_values(setting, early, batch) for batch in BATCHES}
    batch = np.asarray(setting.images[: BATCHES[-1]])
    whole = len(np.unique(batch, axis=0)) == BATCHES[-1]
    claims = _rank_claims(values, whole)
    figures = [_draw_outer_product(setting, early, values)]
    changes = _co_activation_and_change(setting, trained)
    correlations = {asked: _correlation(*pair) for asked, pair in changes.items()}
    figure = pictures.fire_together(setting.theme, changes, correlations)
    arrays = {
        f"{asked}_{name}": value
        for asked, pair in changes.items()
        for name, value in zip(("co_activation", "change"), pair, strict=True)
    }
    figures.append(style.save(figure, setting.workdir, "fire_together", **arrays))
    return [*claims, *_hebbian_claims(correlations, scored)], figures


def _singular_values(
    setting: Setting, params: Params, batch: int
) -> Float[np.ndarray, " values"]:
    """Of the gradient of the first weight matrix, summed over the first examples."""
    _, backward = passes(setting, params, slice(batch))
    gradient = np.asarray(backward.gradient["layer_1"]["weight"], np.float64)
    return np.linalg.svd(gradient, compute_uv=False)


def _rank_claims(values: dict[int, np.ndarray], whole: bool) -> list[Claim]:
    neurons = len(values[1])
    ranks = {batch: int((v > ZERO * v[0]).sum()) for batch, v in values.items()}
    return [
        Claim(
            "3.outer_product",
            "one example changes a weight by what its neuron asks times the activation "
            "before it, an outer product",
            float(values[1][1] / values[1][0]),
            (0, 1e-6),
            (0, 1e-6),
            f"{_SOURCE}; dC/dW = delta a^T has rank 1",
            unit="second singular value over the first",
        ),
        Claim(
            "3.rank_of_a_batch",
            "a batch of 100 mixes 100 outer products",
            ranks[100],
            (2, neurons),
            (max(2, neurons - 4), neurons),
            f"rank at most the batch size and the {neurons} neurons",
            unit="numerical rank of layer 1's gradient",
            needs="100 different images",
            scored=whole,
        ),
    ]


def _draw_outer_product(
    setting: Setting, params: Params, values: dict[int, np.ndarray]
) -> str:
    """The last layer's nudges for the first "2"."""
    example = first_of(setting, ASKED)
    layers, backward = passes(setting, params, slice(example, example + 1))
    a_before, delta = np.asarray(layers.a[-2][0]), np.asarray(backward.delta[-1][0])
    last = backward.gradient[f"layer_{len(setting.network.widths) - 1}"]
    nudges = -np.asarray(last["weight"])
    figure = pictures.outer_product(
        setting.theme, a_before, -delta, nudges, values, setting.names, ASKED
    )
    return style.save(
        figure, setting.workdir, "outer_product",
        a_before=a_before, delta=delta, nudges=nudges,
        **{f"singular_values_{batch}": v for batch, v in values.items()},
    )  # fmt: skip


def _co_activation_and_change(
    setting: Setting, params: Params
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Means of a_j a_k and of -delta_j a_k over the examples, (outputs, neurons).

    Apart for the examples that ask output j to rise and those that ask it to fall.
    """
    layers, backward = passes(setting, params, slice(None))
    before, after, delta = (
        np.asarray(array, np.float64)
        for array in (layers.a[-2], layers.a[-1], backward.delta[-1])
    )
    asked = {"rise": delta < 0, "fall": delta >= 0}
    return {
        name: (
            (after * mask).T @ before / len(before),
            (-delta * mask).T @ before / len(before),
        )
        for name, mask in asked.items()
    }


def _correlation(together: np.ndarray, change: np.ndarray) -> float:
    """Of co-activation and change over an output's weights; mean over the outputs."""
    # An output that is always off, or never asked, has no correlation.
    varied = (np.ptp(together, axis=1) > 0) & (np.ptp(change, axis=1) > 0)
    pairs = zip(together[varied], change[varied], strict=True)
    return float(np.mean([np.corrcoef(x, y)[0, 1] for x, y in pairs]))


def _hebbian_claims(correlations: dict[str, float], scored: bool) -> list[Claim]:
    return [
        Claim(
            "3.fire_together",
            "neurons that fire together wire together: where an example asks the "
            "output to rise",
            correlations["rise"],
            (0.5, 1),
            (0.7, 1),
            f"{_SOURCE}; the change is -delta a, and delta < 0",
            unit="correlation of co-activation and weight change",
            needs="mnist5k and the default network and recipe",
            scored=scored,
        ),
        Claim(
            "3.fire_together_always",
            "neurons that fire together wire together: where it is asked to fall",
            correlations["fall"],
            (0.5, 1),
            (-1, -0.5),
            f"{_SOURCE}, which calls it a loose analogy; the change is -delta a",
            unit="correlation of co-activation and weight change",
            needs="mnist5k and the default network and recipe",
            scored=scored,
            caveat=Caveat(
                (-1, 0.5), "only where the neuron is asked to rise; else they part"
            ),
        ),
    ]
