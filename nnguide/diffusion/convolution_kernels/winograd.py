"""3 x 3 convolutions with group norm and SiLU before them, in one pass on a CPU.

`winograd.cc` says how. Answers and gradients differ from those of plain sums by less
than 3e-5 of the largest (float32). There is no forward-mode or second derivative.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.cpp.choice import Kernel

KERNEL = Kernel(
    "winograd",
    "convolutions",
    "unet.kernel",
    Path(__file__).with_name("winograd.cc"),
    (
        "nnguide_convolution",
        "nnguide_convolution_inputs",
        "nnguide_convolution_filters",
    ),
)
LANES = 16  # channels come in multiples of this: the widest vector

Maps = Float[Array, "B height width C"]
Answers = Float[Array, "B height width F"]
# Of (B, C), or of (0, 0) where nothing comes before the convolution.
Scale = Float[Array, "images channels"]
Filters = Float[Array, "3 3 C F"]
Beside = Float[Array, "added rows columns features"]


@jax.custom_vjp
def convolution(
    maps: Maps,
    factor: Scale,
    summand: Scale,
    filters: Filters,
    bias: Float[Array, "F"],
    beside: Beside,
) -> Any:
    """What filters answer to silu(maps * factor + summand), in a rim of zeros.

    All are float32; C and F are multiples of `LANES`.

    Args:
      maps: of any height and width but 0.
      factor: of each image's channels; (0, 0) where the filters see the maps as they
        are.
      summand: alike.
      filters: 3 x 3 for each pair of channels.
      bias: of each channel that comes out, added to the answers.
      beside: maps that are added to the answers, or (0, 0, 0, 0).

    Returns:
      The answers (B, height, width, F); the sums (B, F) of each image's channels over
      all places, and of their squares. The sums are for who knows how the answers'
      gradient comes from theirs: they pass none on.

    Raises:
      ValueError: shapes that do not fit each other; C++ would not see it.
    """
    return _forward(maps, factor, summand, filters, bias, beside)[0]


def _forward(*given: Array) -> tuple[Any, tuple[Any, ...]]:
    maps, factor, summand, filters, bias, beside = given
    batch, height, width, channels = maps.shape
    features = bias.size
    images, answered = (batch, channels), (batch, height, width, features)
    whole = channels % LANES == features % LANES == 0 < height * width
    fits = whole and filters.shape == (3, 3, channels, features)
    scaled = factor.shape == summand.shape and factor.shape in (images, (0, 0))
    if not (fits and scaled and beside.shape in (answered, (0, 0, 0, 0))):
        raise ValueError(f"winograd: {[each.shape for each in given]} do not fit.")
    shapes = [answered, *[(batch, features)] * 2]
    operands = maps, factor, summand, filters
    answers = _call("nnguide_convolution", shapes, *operands, bias, beside)
    nothing = None if beside.size else beside  # of what is added, no value is needed
    return tuple(answers), (*operands, nothing)


def _backward(saved: tuple[Any, ...], slopes_and_sums: Any) -> tuple[Array, ...]:
    *operands, nothing = saved
    maps, factor, summand, filters = operands
    slopes: Answers = slopes_and_sums[0]
    shapes = [maps.shape, factor.shape, summand.shape]
    by_inputs = _call("nnguide_convolution_inputs", shapes, *operands, slopes)
    shapes = [filters.shape, slopes.shape[-1:]]
    by_filters = _call(
        "nnguide_convolution_filters", shapes, maps, factor, summand, slopes
    )
    return (*by_inputs, *by_filters, slopes if nothing is None else nothing)


convolution.defvjp(_forward, _backward)


def _call(name: str, shapes: list[tuple[int, ...]], *operands: Array) -> Any:
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.ffi.ffi_call(name, results, vmap_method="sequential")(*operands)
