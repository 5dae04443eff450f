"""The whole gradient three ways: by hand, by autodiff, by nudging every parameter.

The error of central differences falls with the square of the step until rounding takes
over: a U-curve. In float32 its bottom is so high that backpropagation looks broken.

Source: 3Blue1Brown, "Backpropagation calculus"; Nielsen, chap. 2 and 5.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from experiments.part4.setting import Setting, mean_cost, problem
from nnguide.network import backprop, classify
from nnguide.network.chain import central_differences, relative_error
from nnguide.network.mlp import Mlp
from nnguide.plots import gradient_check as pictures
from nnguide.plots import style
from nnguide.results import Claim

_SOURCE = "3Blue1Brown, Backpropagation calculus; "
STEPS = {
    "float64": 10.0 ** np.arange(-1, -11, -1),
    "float32": 10.0 ** np.arange(0, -7, -1),
}


class Gradients(NamedTuple):
    """What one precision gives.

    Attributes:
      hand: the hand-derived gradient, all parameters.
      autodiff: JAX's.
      errors: of central differences at each step, relative to `hand`.
    """

    hand: np.ndarray
    autodiff: np.ndarray
    errors: np.ndarray


def measure(setting: Setting, dtype: str, chunk: int) -> Gradients:
    """All three ways in one precision."""
    with jax.enable_x64(dtype == "float64"):
        given = problem(setting, dtype)
        by_hand = mean_cost(partial(backprop.costs, setting.network), given)
        by_autodiff = mean_cost(
            classify.costs_of(Mlp(setting.network), setting.network.cost), given
        )
        hand = jax.jit(jax.grad(by_hand))(given.vector)
        autodiff = jax.jit(jax.grad(by_autodiff))(given.vector)

        @jax.jit
        def error(step: jax.Array) -> jax.Array:
            return relative_error(
                central_differences(by_autodiff, given.vector, step, chunk), hand
            )

        errors = [float(error(jnp.asarray(h, dtype))) for h in STEPS[dtype]]
        return Gradients(np.asarray(hand), np.asarray(autodiff), np.array(errors))


def study(setting: Setting, chunk: int) -> tuple[list[Claim], list[str]]:
    """Measures in float64 and float32, draws the U-curves and the differences."""
    found = {dtype: measure(setting, dtype, chunk) for dtype in STEPS}
    curves = {dtype: (STEPS[dtype], each.errors) for dtype, each in found.items()}
    single = found["float32"]
    figures = {
        "u_curve": pictures.u_curve(setting.theme, curves, single.hand.size),
        "hand_and_autodiff": _draw_differences(setting, found),
    }
    arrays = {
        f"{dtype}_{name}": value
        for dtype, each in found.items()
        for name, value in each._asdict().items()
    }
    drawn = [
        style.save(figure, setting.workdir, name, **arrays)
        for name, figure in figures.items()
    ]
    smooth = setting.network.activation == "sigmoid"
    return [
        *_equality_claims(found),
        *_nudging_claims(found, smooth),
        *_slope_claims(found, smooth),
    ], drawn


def _draw_differences(setting: Setting, found: dict[str, Gradients]) -> style.Figure:
    """By hand in float32 against autodiff in float64: often the former is bit-equal."""
    single, double = found["float32"], found["float64"]
    _, unflatten = ravel_pytree(setting.params)

    def matrices(vector: np.ndarray) -> list[np.ndarray]:
        tree = unflatten(jnp.asarray(np.abs(vector), jnp.float32))
        numbers = range(1, len(setting.network.widths))
        return [np.asarray(tree[f"layer_{number}"]["weight"]) for number in numbers]

    return pictures.hand_and_autodiff(
        setting.theme,
        matrices(single.hand - double.autodiff),
        matrices(single.hand),
        setting.images.shape[1:3],
        int((single.hand != single.autodiff).sum()),
    )


def _relative(found: Gradients) -> float:
    return float(relative_error(jnp.asarray(found.hand), jnp.asarray(found.autodiff)))


def _equality_claims(found: dict[str, Gradients]) -> list[Claim]:
    bounds = {"float32": 1e-5, "float64": 1e-12}
    claims = []
    for dtype, bound in bounds.items():
        with jax.enable_x64(dtype == "float64"):
            measured = _relative(found[dtype])
        count = found[dtype].hand.size
        claims.append(
            Claim(
                f"4.hand_is_autodiff_{dtype}",
                f"the hand-derived gradient of {count:,} parameters is autodiff's "
                f"({dtype})",
                measured,
                (0, bound),
                (0, bound),
                f"{_SOURCE}rounding of {dtype}",
                unit="largest difference, relative",
            )
        )
    return claims


def _nudging_claims(found: dict[str, Gradients], smooth: bool) -> list[Claim]:
    double, single = found["float64"].errors, found["float32"].errors
    return [
        Claim(
            "4.hand_is_nudging",
            "nudging every parameter gives the hand-derived gradient (float64)",
            float(double.min()),
            (0, 1e-7),
            (0, 1e-7),
            f"{_SOURCE}central differences at their best step",
            unit="largest difference, relative",
        ),
        Claim(
            "4.nudging_float32",
            "nudging every parameter gives the hand-derived gradient (float32)",
            float(single.min()),
            (0, 1e-7),
            (1e-6, 1e-2),
            "a cost near 1 is rounded to 6e-8, and a difference of two is divided by "
            "2h: float32 makes the check look broken",
            unit="largest difference, relative",
            needs="a smooth activation",
            scored=smooth,
        ),
    ]


def _slope_claims(found: dict[str, Gradients], smooth: bool) -> list[Claim]:
    double, steps = found["float64"].errors, STEPS["float64"]
    falling = np.log10(double[0] / double[2]) / 2  # h = 1e-1 to 1e-3
    rising = np.log10(double[-4] / double[-1]) / 3  # h = 1e-7 to 1e-10
    return [
        Claim(
            "4.best_step",
            "the best step is about the cube root of the precision, 6e-6 (float64)",
            float(steps[double.argmin()]),
            (1e-6, 1e-4),
            (1e-6, 1e-4),
            "truncation h^2 against rounding eps / h",
        ),
        Claim(
            "4.truncation_slope",
            "above it the error falls with the square of the step",
            float(falling),
            (1.9, 2.1),
            (1.9, 2.1),
            "Taylor: C(w + h) - C(w - h) = 2 h C' + h^3 C''' / 3 + ...",
            unit="decades a decade",
            needs="a smooth activation",
            scored=smooth,
        ),
        Claim(
            "4.rounding_slope",
            "below it the error grows as the step shrinks",
            float(rising),
            (-1.4, -0.6),
            (-1.4, -0.6),
            "rounding eps / h",
            unit="decades a decade",
        ),
    ]
