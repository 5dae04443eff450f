"""Exact FLOPs of any function, read off its jaxpr.

What counts is matrix work, as in every MFU convention: 2 FLOPs for each multiply-add of
`dot_general` and `conv_general_dilated`. Elementwise work, reductions, gathers, FFTs
and factorizations count as nothing.

A convolution counts the multiply-adds that touch data. A tap that falls on SAME
padding, or between the rows of a transposed convolution's spread-out input, is no work.
The usual dense formula (kernel size times output size) counts such taps too: a few
percent more for SAME padding, stride squared times more for a transposed convolution.
With ours, each of the two backward convolutions costs exactly what the forward one
does, for any padding, stride and dilation: training costs three times the forward pass,
as it does in a dense layer.

XLA's own `cost_analysis` counts the body of a scan once; here it counts as often as it
runs. Work that remat repeats counts again, `vmap` is in the jaxpr already, and a
`shard_map` (or `pmap`) counts what all its devices do together. Nothing is simplified
away first: count `jax.value_and_grad`, since in the jaxpr of `jax.grad` the loss is
dead code that XLA drops and this count keeps.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.extend.core
import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

# Matrix work whose size the jaxpr does not show; taken by the start of the name.
_REFUSED = (
    "pallas_call",
    "ffi_call",
    "dot_product_attention",  # cuDNN's
    "ragged_dot",
    "custom_linear_solve",
)


def count(function: Callable[..., Any], *args: Any, **kwargs: Any) -> int:
    """Counts the FLOPs of one call; nothing is run.

    Of a `cond` or `switch`, the most expensive branch counts.

    Args:
      function: any function that JAX can trace, jitted or not.
      *args: its arguments; `jax.ShapeDtypeStruct`s do.
      **kwargs: its keyword arguments, traced as well.

    Returns:
      FLOPs, over all devices the function spreads its work on by itself.

    Raises:
      ValueError: a `while` loop with matrix work in it, which tells nobody how often it
        runs. (`fori_loop` with Python bounds is a scan, and counted.)
      NotImplementedError: a hand-written kernel or a primitive that hides its products.
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*args, **kwargs).jaxpr)


def _of_jaxpr(jaxpr: Jaxpr) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: JaxprEqn) -> int:
    name = equation.primitive.name
    if name.startswith(_REFUSED):
        raise NotImplementedError(
            f"the FLOPs of {name} are not in the jaxpr. Count the written-out version."
        )
    if name in _RULES:
        return _RULES[name](equation)
    return sum(_inside(equation))  # jit, remat, custom_jvp, custom_vjp: one body, once


def _inside(equation: JaxprEqn) -> list[int]:
    """FLOPs of each jaxpr among an equation's parameters."""
    return [
        _of_jaxpr(inner) for inner in jax.extend.core.jaxprs_in_params(equation.params)
    ]


def _shapes(equation: Any) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """The shapes of both operands, and of the output."""
    return [x.aval.shape for x in equation.invars], equation.outvars[0].aval.shape


def _dot_general(equation: JaxprEqn) -> int:
    (contracting, _), _ = equation.params["dimension_numbers"]
    (left, _), output = _shapes(equation)
    terms = math.prod(left[axis] for axis in contracting)
    return 2 * math.prod(output) * terms


def _convolution(equation: JaxprEqn) -> int:
    # Groups need no rule of their own: the kernel's input features are those of one
    # group, and the output's batch is already divided by `batch_group_count`.
    _, kernel_axes, output_axes = equation.params["dimension_numbers"]
    (image, kernel), output = _shapes(equation)
    channels = output[output_axes[1]] * kernel[kernel_axes[1]]
    return (
        2 * output[output_axes[0]] * channels * _taps(equation, image, kernel, output)
    )


def _taps(
    equation: JaxprEqn,
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    output: tuple[int, ...],
) -> int:
    """Pairs (output position, kernel position) that meet an element of the image.

    The pairs of a dimension do not depend on the others, so their numbers multiply.
    """
    params = equation.params
    image_axes, kernel_axes, output_axes = params["dimension_numbers"]
    pairs = 1
    for i in range(len(image) - 2):
        positions = np.arange(output[output_axes[2 + i]]) * params["window_strides"][i]
        taps = np.arange(kernel[kernel_axes[2 + i]]) * params["rhs_dilation"][i]
        met = positions[:, None] + taps[None, :] - params["padding"][i][0]
        spread = params["lhs_dilation"][i]
        size = (image[image_axes[2 + i]] - 1) * spread + 1
        pairs *= int(((met >= 0) & (met < size) & (met % spread == 0)).sum())
    return pairs


def _scan(equation: JaxprEqn) -> int:
    return equation.params["length"] * sum(_inside(equation))


def _while(equation: JaxprEqn) -> int:
    one_pass = sum(_inside(equation))
    if one_pass:
        raise ValueError(
            f"a while loop of {one_pass} FLOPs a pass does not say how often it runs. "
            "Count its body, or loop by lax.scan or fori_loop with Python bounds."
        )
    return 0


def _cond(equation: JaxprEqn) -> int:
    return max(_inside(equation))


def _shard_map(equation: JaxprEqn) -> int:
    # Axes that stay automatic are not split in the body: its shapes are global there.
    mesh, axes = equation.params["mesh"], equation.params["newly_manual_axes"]
    return math.prod(mesh.shape[axis] for axis in axes) * sum(_inside(equation))


_RULES: dict[str, Callable[[JaxprEqn], int]] = {
    "dot_general": _dot_general,
    "conv_general_dilated": _convolution,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
}
