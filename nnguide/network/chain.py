"""Part 4: the chain rule, factor by factor, and a check that needs no calculus.

One neuron a layer: z_l = w_l a_{l-1} + b_l, a_l = sigma(z_l), C = (a_L - y)^2. Then
dC/dw_l = dz_l/dw_l * da_l/dz_l * dC/da_l, where dz_l/dw_l = a_{l-1}, da_l/dz_l =
sigma'(z_l), and dC/da_{l-1} = dz_l/da_{l-1} * da_l/dz_l * dC/da_l = w_l sigma'(z_l)
dC/da_l carries on to the layer before.

Source: 3Blue1Brown, "Backpropagation calculus"; Nielsen, chap. 2 and 5.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.network.activations import ACTIVATIONS, ActivationName
from nnguide.network.descent import CostOfVector


class Link(NamedTuple):
    """One layer of the chain: its values, and each factor of the chain rule."""

    w: Float[Array, ""]
    b: Float[Array, ""]
    a_before: Float[Array, ""]
    z: Float[Array, ""]
    a: Float[Array, ""]
    dz_dw: Float[Array, ""]  # = a_before
    dz_db: Float[Array, ""]  # = 1
    dz_da_before: Float[Array, ""]  # = w
    da_dz: Float[Array, ""]  # = sigma'(z)
    dcost_da: Float[Array, ""]
    dcost_dz: Float[Array, ""]  # = da_dz * dcost_da
    dcost_dw: Float[Array, ""]  # = dz_dw * da_dz * dcost_da
    dcost_db: Float[Array, ""]  # = dz_db * da_dz * dcost_da


class Chain(NamedTuple):
    """The whole chain, first layer first, and the cost of its last activation."""

    links: tuple[Link, ...]
    cost: Float[Array, ""]


def chain(
    w: Float[Array, "L"],
    b: Float[Array, "L"],
    a_first: Float[Array, ""],
    y: Float[Array, ""],
    activation: ActivationName = "sigmoid",
) -> Chain:
    """Runs the chain forwards, then backwards, and returns every factor.

    Args:
      w: weights of layers 1 .. L.
      b: biases.
      a_first: the input activation a_0.
      y: the desired output.
      activation: sigma.
    """
    value, derivative = ACTIVATIONS[activation]
    sums, activations = [], [a_first]
    for layer in range(len(w)):
        sums.append(w[layer] * activations[-1] + b[layer])
        activations.append(value(sums[-1]))
    links: list[Link] = []
    dcost_da = 2 * (activations[-1] - y)
    for layer in reversed(range(len(w))):
        da_dz = derivative(sums[layer])
        dz_dw, dz_db, dz_da_before = activations[layer], jnp.ones_like(y), w[layer]
        links.append(
            Link(
                w=w[layer],
                b=b[layer],
                a_before=activations[layer],
                z=sums[layer],
                a=activations[layer + 1],
                dz_dw=dz_dw,
                dz_db=dz_db,
                dz_da_before=dz_da_before,
                da_dz=da_dz,
                dcost_da=dcost_da,
                dcost_dz=da_dz * dcost_da,
                dcost_dw=dz_dw * da_dz * dcost_da,
                dcost_db=dz_db * da_dz * dcost_da,
            )
        )
        dcost_da = dz_da_before * da_dz * dcost_da
    return Chain(tuple(links[::-1]), (activations[-1] - y) ** 2)


def central_differences(
    cost: CostOfVector,
    vector: Float[Array, "P"],
    step: float | Float[Array, ""],
    chunk: int = 128,
) -> Float[Array, "P"]:
    """The whole gradient by (C(w + h e_i) - C(w - h e_i)) / 2h, two costs a parameter.

    Args:
      cost: of a vector of all parameters.
      vector: the parameters; their precision bounds the result's.
      step: h; too large misses the curve, too small drowns in rounding.
      chunk: parameters nudged at once; memory grows with it.
    """

    def slope(place: Array) -> Float[Array, ""]:
        above, below = vector.at[place].add(step), vector.at[place].add(-step)
        return (cost(above) - cost(below)) / (2 * step)

    return jax.lax.map(slope, jnp.arange(vector.size), batch_size=chunk)


def relative_error(
    gradient: Float[Array, "P"], reference: Float[Array, "P"]
) -> Float[Array, ""]:
    """Largest difference of a component, in units of the reference's largest one.

    Not component by component: weights of pixels that are never lit have gradient 0.
    """
    return jnp.max(jnp.abs(gradient - reference)) / jnp.max(jnp.abs(reference))
