"""What a gradient costs: one backward pass, or two forward passes a parameter.

Source: 3Blue1Brown, "Backpropagation calculus"; Nielsen, chap. 2 ("in what sense is
backpropagation a fast algorithm?").
"""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.part4.setting import Setting, mean_cost, problem
from nnguide import flops
from nnguide.array_types import Array
from nnguide.network import classify
from nnguide.network.chain import central_differences
from nnguide.network.mlp import Mlp
from nnguide.plots import gradient_check as pictures
from nnguide.plots import style
from nnguide.results import Claim

STEP = 1e-2  # the best one in float32; its price is that of any other
_SOURCE = "Nielsen, chap. 2: in what sense is backpropagation a fast algorithm?"
_WAYS = ("one forward pass", "backpropagation", "central differences")


def study(setting: Setting, chunk: int) -> tuple[list[Claim], list[str]]:
    """Counts FLOPs and measures seconds of three functions, float32."""
    given = problem(setting, "float32")
    costs = classify.costs_of(Mlp(setting.network), setting.network.cost)
    cost = mean_cost(costs, given)

    def nudge(vector: Array) -> Array:
        return central_differences(cost, vector, STEP, chunk)

    ways = dict(zip(_WAYS, (cost, jax.value_and_grad(cost), nudge), strict=True))
    work = {name: flops.count(way, given.vector) for name, way in ways.items()}
    repeats = dict(zip(_WAYS, (200, 200, 3), strict=True))
    seconds = {
        name: _median_seconds(jax.jit(way), given.vector, repeats[name])
        for name, way in ways.items()
    }
    figure = pictures.price(setting.theme, work, seconds, given.vector.size)
    picture = style.save(
        figure, setting.workdir, "price",
        ways=np.array(_WAYS), flops=np.array(list(work.values())),
        seconds=np.array(list(seconds.values())),
    )  # fmt: skip
    return _claims(work, seconds, given.vector.size), [picture]


def _median_seconds(way: Callable[[Array], Any], vector: Array, repeats: int) -> float:
    """Of one call, compiled before."""
    jax.block_until_ready(way(vector))
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(way(vector))
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def _claims(
    work: dict[str, int], seconds: dict[str, float], parameters: int
) -> list[Claim]:
    forward, backward, nudging = _WAYS
    on_cpu = jax.default_backend() == "cpu"
    return [
        Claim(
            "4.price_of_backpropagation",
            "backpropagation costs two to three forward passes, its own included",
            work[backward] / work[forward],
            (1, 3),
            (1.9, 3),
            f"{_SOURCE} (the backward pass costs about what the forward pass does; a "
            "dense layer's costs twice that, and the pixels need no gradient)",
            unit="forward passes, in FLOPs",
        ),
        Claim(
            "4.price_of_nudging",
            "nudging every parameter costs over 1,000 times as much as backpropagation",
            work[nudging] / work[backward],
            (1000, None),
            (2 * parameters / 3.1, 2 * parameters / 1.8),
            f"{_SOURCE}; two forward passes a parameter over two to three",
            unit="times the FLOPs",
        ),
        Claim(
            "4.seconds_of_nudging",
            "and that many times as long",
            seconds[nudging] / seconds[backward],
            (1000, None),
            (300, None),
            f"{_SOURCE}; measured, the parameters nudged many at once",
            unit="times the seconds",
            needs="a CPU (an accelerator nudges thousands at once) and 10,000 "
            "parameters",
            scored=on_cpu and parameters >= 10_000,
        ),
    ]
