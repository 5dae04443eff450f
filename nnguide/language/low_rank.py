"""Low-rank adaptation (LoRA): trains W + (scale / r) A B, with W frozen.

A is (in, r) and random, B is (r, out) and 0, so that training starts at W. Any task
becomes one whose parameters are the factors of some kernels: the model itself is
`frozen={"base": params}`.

Source: Hu et al., arXiv 2106.09685.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from nnguide.array_types import Batch, Key, Params
from nnguide.config import InputError
from nnguide.language.next_token import Functions


@dataclasses.dataclass(frozen=True)
class LowRankConfig:
    """Which kernels get factors, and how large they are.

    Attributes:
      rank: r, columns of A and rows of B.
      scale: over r, what their product is multiplied by.
      kernels: the products that get factors, by their names in the transformer.
    """

    rank: int = 8
    scale: float = 16.0
    kernels: tuple[str, ...] = ("query", "key", "value_down", "value_up")

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise InputError(f"--low_rank.rank={self.rank}: give 1 or more.")
        if not self.scale > 0:
            raise InputError(f"--low_rank.scale={self.scale}: give more than 0.")


def with_low_rank(functions: Functions, config: LowRankConfig) -> Functions:
    """The task of training factors alone; its functions also take `base`, the params.

    Args:
      functions: of the whole model, in any stage of its training.
      config: which kernels.
    """

    def init(key: Key) -> Params:
        whole = jax.eval_shape(lambda key: nn.unbox(functions.init(key)), key)
        return initial_factors(whole, config, key)

    def loss(
        factors: Params, batch: Batch, key: Key, base: Params, **frozen: Any
    ) -> Any:
        return functions.loss(merged(base, factors, config), batch, key, **frozen)

    def evaluate(
        factors: Params, batch: Batch, key: Key, base: Params, **frozen: Any
    ) -> Any:
        return functions.evaluate(merged(base, factors, config), batch, key, **frozen)

    return Functions(init, loss, evaluate)


def initial_factors(params: Params, config: LowRankConfig, key: Key) -> Params:
    """Factors whose product is 0, in a tree like the params', other leaves left out.

    Args:
      params: of the model, or their shapes. A kernel is (..., in, out); stacked layers
        have factors each.
      config: which kernels.
      key: of the random A.

    Raises:
      InputError: no kernel has one of the names.
    """
    found = dict(_kernels(params, config.kernels))
    missing = set(config.kernels) - {path[-1] for path in found}
    if missing:
        raise InputError(
            f"--low_rank.kernels={','.join(sorted(missing))}: the model has no such "
            "product; name some of those that --dry lists as NAME/kernel."
        )
    factors: Params = {}
    for number, (path, kernel) in enumerate(found.items()):
        *before, width, features = kernel.shape
        own = jax.random.fold_in(key, number)
        down = (
            jax.random.normal(own, (*before, width, config.rank), jnp.float32)
            / width**0.5
        )
        up = jnp.zeros((*before, config.rank, features), jnp.float32)
        place = factors
        for name in path:
            place = place.setdefault(name, {})
        place.update(down=down, up=up)
    return factors


def _kernels(
    params: Params, names: tuple[str, ...], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, kernel) of the named products."""
    for name, node in params.items():
        if not isinstance(node, dict):
            continue
        if name in names and "kernel" in node:
            yield (*path, name), node["kernel"]
        yield from _kernels(node, names, (*path, name))


def merged(params: Params, factors: Params, config: LowRankConfig) -> Params:
    """The parameters of a model with its factors multiplied out and added."""
    if "down" in factors:
        change = factors["down"] @ factors["up"]
        kernel = params["kernel"] + config.scale / config.rank * change
        return {**params, "kernel": kernel}
    inside = {n: merged(params[n], each, config) for n, each in factors.items()}
    return {**params, **inside}
