"""Part 3: backpropagation derived by hand, for a whole batch at once.

Write delta for an example's dC/dz. Then, from the last layer to the first,

    delta_L = dC/da_L * sigma'(z_L)                          (BP1)
    delta_l = (W_{l+1}^T delta_{l+1}) * sigma'(z_l)          (BP2)
    dC/db_l = delta_l                                        (BP3)
    dC/dW_l = delta_l a_{l-1}^T                              (BP4)

W_{l+1}^T delta_{l+1} = dC/da_l sums what all neurons of the next layer ask of this one:
gradient descent moves activations against it, so the *desires* are its negative.
`jax.custom_vjp` makes JAX use these lines where it would use its own, so the network
can be trained by them.

Source: 3Blue1Brown, "What is backpropagation really doing?"; Nielsen, chap. 2.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array, Params
from nnguide.network import classify
from nnguide.network.activations import steep
from nnguide.network.cost import COSTS, desired_output
from nnguide.network.mlp import (
    Layers,
    MlpConfig,
    forward,
    gives_logits,
    initial_params,
)


class Backward(NamedTuple):
    """What the backward pass leaves behind for a batch of examples.

    Attributes:
      delta: dC/dz of layers 1 .. L, each (B, neurons).
      dcost_da: dC/da of layers 0 .. L, each (B, neurons); entry 0 is by the pixels.
      gradient: dC/dW and dC/db *summed over the batch*, in the shape of the params.
    """

    delta: tuple[Float[Array, "B _"], ...]
    dcost_da: tuple[Float[Array, "B _"], ...]
    gradient: Params

    @property
    def desires(self) -> tuple[Float[Array, "B _"], ...]:
        """How each example wants the activations of layers 0 .. L to move."""
        return tuple(-derivative for derivative in self.dcost_da)


def backward(
    config: MlpConfig,
    params: Params,
    layers: Layers,
    dcost_doutput: Float[Array, "B N"],
) -> Backward:
    """Runs BP1-BP4.

    Args:
      config: of the network.
      params: its weights and biases.
      layers: what `forward` gave.
      dcost_doutput: each example's dC/da of the last layer (by the logits under
        cross-entropy).
    """
    derivative = steep(config.activation, config.steepness).derivative
    dcost_da, deltas, gradient = [dcost_doutput], [], {}
    for number in range(len(config.widths) - 1, 0, -1):
        delta = dcost_da[-1]  # BP1 for the last layer, BP2 for the others
        if not gives_logits(config, number):
            delta = delta * derivative(layers.z[number - 1])
        gradient[f"layer_{number}"] = {
            "weight": jnp.einsum("BF,BD->FD", delta, layers.a[number - 1]),  # BP4
            "bias": jnp.sum(delta, axis=0),  # BP3
        }
        weight = params[f"layer_{number}"]["weight"]
        dcost_da.append(jnp.einsum("FD,BF->BD", weight, delta))
        deltas.append(delta)
    return Backward(tuple(deltas[::-1]), tuple(dcost_da[::-1]), gradient)


def backpropagate(
    config: MlpConfig,
    params: Params,
    images: Float[Array, "B ..."],
    labels: Int[Array, "B"],
) -> tuple[Layers, Backward]:
    """Forward and backward pass for labelled images."""
    layers = forward(config, params, images)
    desired = desired_output(labels, config.widths[-1])
    dcost_doutput = COSTS[config.cost].derivative(layers.a[-1], desired)
    return layers, backward(config, params, layers, dcost_doutput)


def _costs(
    config: MlpConfig,
    params: Params,
    images: Float[Array, "B ..."],
    labels: Int[Array, "B"],
) -> tuple[Float[Array, "B"], Float[Array, "B N"]]:
    """Each example's cost and output, differentiated by the lines above."""
    return _costs_forward(config, params, images, labels)[0]


def _costs_forward(
    config: MlpConfig, params: Params, images: Array, labels: Array
) -> tuple[tuple[Array, Array], tuple[Params, Array, Array, Layers]]:
    layers = forward(config, params, images)
    desired = desired_output(labels, config.widths[-1])
    each = COSTS[config.cost].per_example(layers.a[-1], desired)
    return (each, layers.a[-1]), (params, images, labels, layers)


def _costs_backward(
    config: MlpConfig,
    kept: tuple[Params, Array, Array, Layers],
    cotangents: tuple[Array, Array],
) -> tuple[Params, Array, None]:
    params, images, labels, layers = kept
    dtotal_deach, dtotal_doutput = cotangents
    desired = desired_output(labels, config.widths[-1])
    dcost_doutput = COSTS[config.cost].derivative(layers.a[-1], desired)
    # An example counts as much as the total depends on its cost: its weight.
    weighted = dtotal_deach[:, None] * dcost_doutput + dtotal_doutput
    result = backward(config, params, layers, weighted)
    return result.gradient, result.dcost_da[0].reshape(images.shape), None


costs = jax.custom_vjp(_costs, nondiff_argnums=(0,))
costs.defvjp(_costs_forward, _costs_backward)


def functions(config: MlpConfig) -> classify.Functions:
    """The classifier that is trained by the hand-derived gradients."""
    return classify.from_costs(partial(initial_params, config), partial(costs, config))
