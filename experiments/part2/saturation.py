"""Saturation: a neuron that is sure of the wrong answer hardly learns.

One sigmoid neuron with input 1 shall say 0. Where sigma(z) is flat, the gradient of the
squared error, 2 (a - y) sigma'(z), is next to nothing although the answer is wrong; the
cross-entropy's, a - y, is not. Weights drawn from N(0, 1) start most hidden neurons out
on the flat parts; divided by the root of the number of inputs they start none there.

Source: Nielsen, chap. 3, "The cross-entropy cost function" and "Weight initialization".
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.part2.setting import GUIDE, Setting, check, labelled, random_networks
from nnguide.array_types import Array
from nnguide.network.activations import sigmoid
from nnguide.network.cost import CostName, cross_entropy, squared_error
from nnguide.network.mlp import MlpConfig, forward
from nnguide.plots import slow_learning as pictures
from nnguide.plots import style
from nnguide.results import Claim

STARTS = {"a fair start": (0.6, 0.9), "a bad start": (2.0, 2.0)}  # Nielsen's w and b
COSTS: dict[str, CostName] = {
    "squared error": "squared_error",
    "cross-entropy": "cross_entropy",
}
RATE, STEPS = 0.15, 300  # Nielsen's
FLAT = 4.0  # |z| above it: sigma' is below 0.018, a fourteenth of its highest value


@dataclasses.dataclass(frozen=True)
class Config:
    """How saturation at birth is measured.

    Attributes:
      networks: random networks of each kind.
    """

    networks: int = 16

    def __post_init__(self) -> None:
        check("saturation", self, networks=1)


def neuron_cost(name: CostName, w_and_b: Float[Array, "2"]) -> Float[Array, ""]:
    """The cost of one neuron with input 1 that shall say 0."""
    z = w_and_b.sum()
    if name == "cross_entropy":  # a sigmoid is a softmax over (0, z)
        return cross_entropy(
            jnp.stack([jnp.zeros((), jnp.float32), z])[None],
            jnp.eye(2, dtype=jnp.float32)[:1],
        )[0]
    # Nielsen's quadratic cost, for the sake of his numbers: half of the guide's
    return squared_error(sigmoid(z)[None, None], jnp.zeros((1, 1), jnp.float32))[0] / 2


def outputs(name: CostName, start: tuple[float, float]) -> Float[np.ndarray, "steps"]:
    """The neuron's output before the first step of gradient descent, after it, ..."""
    slope = jax.grad(partial(neuron_cost, name))

    def step(w_and_b: Array, _: None) -> tuple[Array, Array]:
        return w_and_b - RATE * slope(w_and_b), sigmoid(w_and_b.sum())

    _, a = jax.lax.scan(step, jnp.array(start), None, length=STEPS + 1)
    return np.asarray(a)


def first_weighted_sums(
    config: MlpConfig, count: int, seed: int, images: Array
) -> Float[np.ndarray, "networks N 16"]:
    """Weighted sums z of the first hidden layer of random networks, for all images."""
    networks = random_networks(config, count, seed)
    return np.asarray(jax.vmap(lambda p: forward(config, p, images).z[0])(networks))


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Runs the neuron from two starts with two costs, and looks at z at birth."""
    curves = {
        (start, words): outputs(name, place)
        for start, place in STARTS.items()
        for words, name in COSTS.items()
    }
    neuron = style.save(
        pictures.saturated_neuron(setting.theme, curves),
        setting.workdir,
        "saturated_neuron",
        **{
            f"{start} {name}".replace(" ", "_"): a
            for (start, name), a in curves.items()
        },
    )
    images, _ = labelled(setting.train)
    sums = {
        initial: first_weighted_sums(
            dataclasses.replace(GUIDE, initial=initial),
            config.networks,
            setting.seed,
            images,
        )
        for initial in ("normal", "scaled")
    }
    at_birth = style.save(
        pictures.weighted_sums(setting.theme, sums, FLAT),
        setting.workdir,
        "weighted_sums",
        **{name: z[0] for name, z in sums.items()},
    )
    claims = _neuron_claims(curves) + _birth_claims(config, images, sums)
    return claims, [neuron, at_birth]


def _neuron_claims(curves: dict[tuple[str, str], np.ndarray]) -> list[Claim]:
    source = "Nielsen, chap. 3; his formulas give "
    claims = []
    # (start, cost, after so many steps, stated, a number that counts a step less)
    for start, name, steps, stated, number in (
        ("a bad start", "squared error", 150, (0.9, 1.0), 0.934),
        ("a bad start", "cross-entropy", 150, (0.0, 0.1), 0.026),
        ("a fair start", "squared error", 150, (0.0, 0.2), 0.154),
    ):
        claims.append(
            Claim(
                f"2.neuron_{start.split()[1]}_{COSTS[name]}",
                f"from {start} the {name} "
                + ("leaves it badly wrong" if stated[0] else "brings it near 0"),
                float(curves[start, name][steps]),
                stated,
                (number - 0.002, number + 0.002),
                f"{source}{number}",
                unit=f"output after {steps} steps, 0 is right",
            )
        )
    return claims


def _birth_claims(
    config: Config, images: Array, sums: dict[str, np.ndarray]
) -> list[Claim]:
    energy = float(jnp.mean(jnp.sum(images**2, axis=(1, 2, 3))))
    inputs = images[0].size
    by_form = {"normal": np.sqrt(energy + 1), "scaled": np.sqrt(energy / inputs)}
    source = "Nielsen, chap. 3, Weight initialization"
    claims = []
    for name, words, stated_z, stated_flat, flat in (
        ("normal", "N(0, 1)", (5, None), (0.5, 1), (0.55, 0.75)),
        ("scaled", "N(0, 1) / sqrt(inputs)", (0, 1), (0, 0.01), (0, 0.001)),
    ):
        z, closed = sums[name], float(by_form[name])
        claims += [
            Claim(
                f"2.z_spread_{name}",
                f"weights {words} make weighted sums "
                + ("far too wide" if name == "normal" else "of the width of the slope"),
                float(z.std(axis=(1, 2)).mean()),
                stated_z,
                (0.9 * closed, 1.1 * closed),  # 16 neurons share a draw of the weights
                f"{source}; closed form: root of the mean of w.x squared",
                unit=f"standard deviation, mean of {config.networks}",
            ),
            Claim(
                f"2.saturated_{name}",
                ("most" if name == "normal" else "none")
                + f" of the first hidden neurons start out flat, |z| > {FLAT:g}",
                float((abs(z) > FLAT).mean()),
                stated_flat,
                flat,
                f"{source}; 65% and 0% measured elsewhere",
                unit=f"of activations, mean of {config.networks}",
            ),
        ]
    return claims
