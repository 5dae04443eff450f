"""What one example asks for: of the outputs, of one neuron, of the layer before.

Source: 3Blue1Brown, "What is backpropagation really doing?".
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.part3.setting import Setting, first_of, passes
from nnguide.array_types import Array, Params
from nnguide.network.activations import Activation, steep
from nnguide.network.avenues import Avenues, avenues
from nnguide.network.backprop import Backward
from nnguide.network.mlp import Layers, MlpConfig, gives_logits
from nnguide.plots import backpropagation as pictures
from nnguide.plots import style
from nnguide.results import Claim

ASKED = 2  # the guide's example is a "2"
LENGTH = 1e-3  # of every nudge
_SOURCE = "3Blue1Brown, What is backpropagation really doing?"


def study(setting: Setting, params: Params) -> tuple[list[Claim], list[str]]:
    """Asks the network with these parameters about the first "2", and draws it."""
    layers, backward = passes(setting, params, slice(None))
    example = first_of(setting, ASKED)
    last = params[f"layer_{len(setting.network.widths) - 1}"]
    ways = avenues(
        _last_activation(setting.network),
        last["weight"][ASKED],
        last["bias"][ASKED],
        layers.a[-2][example],
        LENGTH,
    )
    named = ways._asdict()
    outputs, desires = layers.a[-1][example], backward.desires[-1][example]
    figures = {
        "output_desires": pictures.output_desires(
            setting.theme,
            np.asarray(setting.images[example, ..., 0]),
            np.asarray(outputs),
            np.asarray(desires),
            setting.names,
            ASKED,
        ),
        "raise_a_neuron": pictures.raise_a_neuron(
            setting.theme,
            np.asarray(layers.a[-2][example]),
            np.asarray(last["weight"][ASKED]),
            {
                name: (float(w.predicted), float(w.achieved))
                for name, w in named.items()
            },
            LENGTH,
            setting.names[ASKED],
        ),
    }
    arrays = {"outputs": outputs, "desires": desires, "a_before": layers.a[-2][example]}
    drawn = [
        style.save(figure, setting.workdir, name, **arrays)
        for name, figure in figures.items()
    ]
    claims = [_output_claim(setting, backward), *_avenue_claims(ways)]
    return [*claims, _sum_claim(last["weight"], layers, backward)], drawn


def _last_activation(config: MlpConfig) -> Activation:
    if gives_logits(config, len(config.widths) - 1):
        return Activation(lambda z: z, jnp.ones_like)
    return steep(config.activation, config.steepness)


def _output_claim(setting: Setting, backward: Backward) -> Claim:
    """Of how many examples is the label's output alone asked to rise?"""
    asked_to_rise = np.asarray(backward.desires[-1]) > 0
    labels = np.asarray(setting.labels)
    is_label = np.arange(asked_to_rise.shape[1]) == labels[:, None]
    return Claim(
        "3.desires_of_the_output",
        "an example asks its own output to rise and all others to fall",
        float((asked_to_rise == is_label).all(axis=1).mean()),
        (1, 1),
        (1, 1),
        f"{_SOURCE}; -dC/da = 2 (y - a), and sigmoids stay between 0 and 1",
        unit="of the images",
        needs="sigmoid outputs",
        scored=setting.network.activation == "sigmoid",
    )


def _avenue_claims(ways: Avenues) -> list[Claim]:
    """Each nudge against its first-order prediction."""
    says = {
        "bias": "raising the bias raises the neuron: by sigma'(z) for each unit",
        "weights": "raising weights in proportion to the activations raises the neuron",
        "activations": "moving activations in proportion to the weights raises it",
    }
    return [
        Claim(
            f"3.raise_by_{name}",
            says[name],
            abs(float(way.achieved / way.predicted) - 1),
            (0, 0.01),
            (0, 0.01),
            f"{_SOURCE}; first order, a nudge of length {LENGTH:g}",
            unit="off the predicted rise, relative",
        )
        for name, way in ways._asdict().items()
    ]


def _sum_claim(weight: Array, layers: Layers, backward: Backward) -> Claim:
    """Adds the desires up by hand, and compares with JAX's vector-Jacobian product."""
    _, pull_back = jax.vjp(lambda a: jnp.einsum("BD,FD->BF", a, weight), layers.a[-2])
    (reference,) = pull_back(-backward.delta[-1])
    difference = jnp.max(jnp.abs(backward.desires[-2] - reference))
    return Claim(
        "3.desires_add_up",
        "the last layer's desires add up to those of the layer before, W^T delta",
        float(difference / jnp.max(jnp.abs(reference))),
        (0, 1e-5),
        (0, 1e-5),
        f"{_SOURCE}; jax.vjp",
        unit="largest difference, relative",
    )
