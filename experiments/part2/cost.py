"""The cost: which convention, and what it costs to know nothing.

C = mean over the images of sum_j (a_j - y_j)^2, without Nielsen's factor 1/2. A network
that answers 0.1 to every digit pays 9 * 0.01 + 0.81 = 0.9: who pays less knows
something. Outputs around 0.5 that have nothing to do with the image pay 2.5, and 10
times their variance on top.

Source: 3Blue1Brown, "Gradient descent, how neural networks learn"; Nielsen, chap. 1.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from experiments.part2 import batch_size
from experiments.part2.setting import (
    GUIDE,
    Setting,
    check,
    cost_of,
    every,
    labelled,
    random_networks,
)
from experiments.plan import Plan
from nnguide.array_types import Array, Params
from nnguide.network.cost import desired_output
from nnguide.network.mlp import Initial, forward
from nnguide.results import Claim

KNOWS_NOTHING = 0.9


@dataclasses.dataclass(frozen=True)
class Config:
    """How the cost of knowing nothing is measured.

    Attributes:
      networks: random networks of each kind.
    """

    networks: int = 16

    def __post_init__(self) -> None:
        check("cost", self, networks=1)


def random_costs(
    config: Config, setting: Setting, initial: Initial
) -> Float[np.ndarray, "networks"]:
    """The cost of untrained networks on the training set."""
    network = dataclasses.replace(GUIDE, initial=initial)
    networks = random_networks(network, config.networks, setting.seed)
    cost = cost_of(*labelled(setting.train), GUIDE)
    return np.asarray(jax.jit(jax.vmap(cost))(networks))


def gradient_ratio(params: Params, images: Array, labels: Array) -> float:
    """How many times Nielsen's gradient is ours, by his formula written out."""

    def nielsens(params: Params) -> Array:
        missed = forward(GUIDE, params, images).a[-1] - desired_output(labels)
        return (missed**2).sum() / (2 * len(images))

    ours = ravel_pytree(jax.grad(cost_of(images, labels, GUIDE))(params))[0]
    his = ravel_pytree(jax.grad(nielsens)(params))[0]
    return float(jnp.vdot(ours, his) / jnp.vdot(his, his))


def plan(batches: batch_size.Config, setting: Setting) -> Plan:
    """The training on the smallest batches, whose networks are the trained ones."""
    return batch_size.plan_of(batches, setting, min(batches.mini))


def study(
    config: Config, batches: batch_size.Config, setting: Setting
) -> tuple[list[Claim], list[str]]:
    """Costs before and after training; no picture of its own.

    Args:
      config: of this study.
      batches: whose networks, trained on the smallest batches, are the trained ones.
      setting: of the run.
    """
    trained = plan(batches, setting).fit(setting.workdir)
    of_trained = every(trained, "test/loss")[-1]
    random = {
        name: random_costs(config, setting, name) for name in ("scaled", "normal")
    }
    network = jax.tree.map(
        lambda leaf: leaf[0], random_networks(GUIDE, 1, setting.seed)
    )
    images, labels = labelled(setting.train)
    ratio = gradient_ratio(network, images[:1000], labels[:1000])
    return _claims(
        config, batches, setting, random, float(of_trained.mean()), ratio
    ), []


def _claims(
    config: Config,
    batches: batch_size.Config,
    setting: Setting,
    random: dict[str, np.ndarray],
    trained: float,
    ratio: float,
) -> list[Claim]:
    source = "3Blue1Brown, Gradient descent; 0.9 is the cost of answering 0.1 always"
    mnist5k = setting.data.dataset == "mnist5k"
    rows = (
        # 16 networks each: 2.6 +- 0.2 (2.2 to 3.1) and 3.8 +- 0.6 (2.6 to 4.9)
        ("scaled", "N(0, 1) / sqrt(inputs)", (2.3, 3.1), "single networks: 2.2 to 3.1"),
        ("normal", "N(0, 1)", (3.2, 5.1), "single networks: 2.6 to 5.1"),
    )
    claims = [
        Claim(
            f"2.cost_random_{name}",
            f"the cost of a network that knows nothing is large (weights {words})",
            float(random[name].mean()),
            (KNOWS_NOTHING, None),
            expected,
            f"{source}; {more}",
            unit=f"mean of {config.networks}",
            needs="8 networks or more",
            scored=config.networks >= 8 and mnist5k,
        )
        for name, words, expected, more in rows
    ]
    return [
        *claims,
        Claim(
            "2.cost_trained",
            "the cost is small where the network answers right",
            trained,
            (0, KNOWS_NOTHING),
            (0.12, 0.2),
            source,
            unit=f"on new digits, mean of {batches.networks}",
            needs="mnist5k and the default trainings",
            scored=mnist5k and batches == batch_size.Config(),
        ),
        Claim(
            "2.cost_convention",
            "the guide's cost has no 1/2: its gradient is Nielsen's times 2, his rate "
            "3.0 is 1.5 here",
            ratio,
            (2 - 1e-5, 2 + 1e-5),  # float32
            (2 - 1e-5, 2 + 1e-5),
            "Nielsen, chap. 1, equation 6; 3Blue1Brown, Gradient descent",
        ),
    ]
