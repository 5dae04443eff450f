"""A mini-batch for the whole: how far its gradient points the full gradient's way.

Source: 3Blue1Brown, "What is backpropagation really doing?"; McCandlish et al.,
arXiv:1812.06162 (the noise scale).
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from experiments.part3.setting import Setting, Stages, cost_of_rows
from nnguide import flops
from nnguide.array_types import Key, Params
from nnguide.config import InputError
from nnguide.network import backprop, minibatch
from nnguide.plots import minibatch as pictures
from nnguide.plots import style
from nnguide.results import Band, Claim

_SOURCE = "3Blue1Brown, What is backpropagation really doing?"
_WHEN = {"born": "at birth", "early": "after an epoch", "trained": "when trained"}
_SAYS = {
    100: "the gradient of a batch of 100 is a pretty good approximation",
    10: "the gradient of a batch of 10 points downhill",
    1: "the gradient of one example points downhill, on average",
}
_MNIST = 60_000  # images the guide trains on


@dataclasses.dataclass(frozen=True)
class Config:
    """How mini-batches are compared with all examples.

    Attributes:
      sizes: of the batches whose gradients are drawn; 1, 10 and 100 among them.
      draws: random batches of each size.
    """

    sizes: tuple[int, ...] = (1, 10, 100, 1000)
    draws: int = 200

    def __post_init__(self) -> None:
        if not {1, 10, 100} <= set(self.sizes) or min(self.sizes) < 1:
            raise InputError(f"cosine.sizes={self.sizes}: must hold 1, 10 and 100.")
        if self.draws < 2:
            raise InputError(f"cosine.draws={self.draws}: give 2 or more.")


class Agreements(NamedTuple):
    """A network's gradients at one time.

    Attributes:
      cosines: with the full gradient, (sizes, draws).
      same_sign: share of components whose sign is right, (sizes, draws).
      noise_scale: the batch size at which noise and signal are equal.
    """

    cosines: np.ndarray
    same_sign: np.ndarray
    noise_scale: float


def measure(
    config: Config, setting: Setting, stages: Stages, key: Key
) -> dict[str, Agreements]:
    """Compares batches of all sizes with all examples, at each stage."""
    examples = len(setting.labels)
    shape = config.draws, max(config.sizes)
    rows = jax.random.randint(key, shape, 0, examples, jnp.int32)

    @jax.jit
    def agreements(params: Params, data: Any, rows: Any) -> Any:
        cost = cost_of_rows(setting, params, data)
        vector, _ = ravel_pytree(params)
        found = [
            minibatch.agreement(cost, vector, examples, rows[:, :size])
            for size in config.sizes
        ]
        return found, minibatch.noise_scale(cost, vector, examples)

    measured = {}
    for name, params in stages._asdict().items():
        found, noise = agreements(params, (setting.images, setting.labels), rows)
        measured[name] = Agreements(
            np.stack([each.cosine for each in found]),
            np.stack([each.same_sign for each in found]),
            float(noise),
        )
    return measured


def study(
    config: Config, setting: Setting, stages: Stages, key: Key, scored: bool
) -> tuple[list[Claim], list[str]]:
    """Measures at birth, after an epoch and when trained.

    Args:
      config: sizes and draws.
      setting: network and images.
      stages: the network at three times.
      key: draws the batches.
      scored: whether the trained network is the one the bands were measured for.
    """
    found = measure(config, setting, stages, key)
    figure = pictures.cosines(
        setting.theme,
        np.array(config.sizes),
        {name: each.cosines for name, each in found.items()},
        {name: each.noise_scale for name, each in found.items()},
        minibatch.expected_cosine,
    )
    arrays = {
        f"{name}_{field}": value
        for name, each in found.items()
        for field, value in each._asdict().items()
    }
    picture = style.save(
        figure, setting.workdir, "cosine", sizes=np.array(config.sizes), **arrays
    )
    claims = [
        *_cosine_claims(config, found, scored),
        _sign_claim(config, found, scored),
        _noise_claim(config, found),
        _price_claim(setting, stages.born),
    ]
    return claims, [picture]


def _cosine_claims(
    config: Config, found: dict[str, Agreements], scored: bool
) -> list[Claim]:
    good, downhill = (0.9, 1.0), (0.0, 1.0)
    asked: list[tuple[str, int, Band, Band]] = [
        ("born", 100, good, (0.985, 1)),
        ("born", 10, downhill, (0.9, 0.99)),
        ("born", 1, downhill, (0.5, 0.9)),
        ("early", 100, good, (0.6, 0.97)),
        ("trained", 100, good, (0.1, 0.6)),
        ("trained", 10, downhill, (0.02, 0.3)),
        ("trained", 1, downhill, (-0.05, 0.12)),
    ]
    claims = []
    for stage, size, stated, expected in asked:
        measured = found[stage].cosines[config.sizes.index(size)].mean()
        claims.append(
            Claim(
                f"3.cosine_{size}_{stage}",
                f"{_WHEN[stage]}, {_SAYS[size]}",
                float(measured),
                stated,
                expected,
                f"{_SOURCE} (batches of about 100: not perfect, but pretty good); "
                "the noise outlives the gradient, and bands hold 5 seeds",
                unit=f"cosine, mean of {config.draws} draws",
                needs="mnist5k and the default network and recipe",
                scored=scored,
            )
        )
    return claims


def _sign_claim(config: Config, found: dict[str, Agreements], scored: bool) -> Claim:
    signs = found["born"].same_sign[config.sizes.index(100)].mean()
    return Claim(
        "3.same_sign",
        "at birth, a batch of 100 knows which weights should go up and which down",
        float(signs),
        (0.9, 1),
        (0.85, 0.99),
        f"{_SOURCE}; the signs it gets wrong are those of small components",
        unit="of the signs are those of all examples",
        needs="mnist5k and the default network",
        scored=scored,
    )


def _noise_claim(config: Config, found: dict[str, Agreements]) -> Claim:
    cosine = found["trained"].cosines[config.sizes.index(100)].mean()
    predicted = minibatch.expected_cosine(found["trained"].noise_scale, 100.0)
    return Claim(
        "3.noise_scale",
        "when trained, the noise scale predicts the cosine of a batch of 100",
        float(cosine / predicted),
        (0.75, 1.25),
        (0.75, 1.25),
        "McCandlish et al., arXiv:1812.06162; 1 / sqrt(1 + noise scale / batch size)",
        unit="measured over predicted",
        needs="100 draws or more",
        scored=config.draws >= 100,
    )


def _price_claim(setting: Setting, params: Params) -> Claim:
    """FLOPs of the gradient of all of MNIST and of 100 images, from shapes alone."""

    def price(images: int) -> int:
        pixels = jax.ShapeDtypeStruct((images, *setting.images.shape[1:]), jnp.float32)
        labels = jax.ShapeDtypeStruct((images,), jnp.int32)

        def cost(params: Params, pixels: Any, labels: Any) -> Any:
            return jnp.mean(backprop.costs(setting.network, params, pixels, labels)[0])

        return flops.count(jax.value_and_grad(cost), params, pixels, labels)

    return Claim(
        "3.price_of_a_step",
        "a step on 100 of MNIST's 60,000 images costs one 600th of a full step",
        price(_MNIST) / price(100),
        (600, 600),
        (600, 600),
        f"{_SOURCE}; a gradient's FLOPs are in proportion to the images",
        unit="times the FLOPs",
    )
