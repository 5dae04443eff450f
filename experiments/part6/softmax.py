"""Softmax with temperature: from logits to probabilities, from bold to timid.

p_i is proportional to exp(l_i / T). The entropy of p grows with T, by exactly the
variance of the logits under p over T^3 for each unit of T.

Source: 3Blue1Brown, "Transformers, the tech behind LLMs": a larger T gives "more weight
to the lower values", T = 0 puts all of it on the maximum.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.part6.setting import Setting, logits_of, network, windows
from experiments.study import check
from nnguide.array_types import Array
from nnguide.language.sampling import SamplingConfig, entropy, likely
from nnguide.plots import style
from nnguide.plots.softmax_temperature import softmax_temperature
from nnguide.results import Claim

TEMPERATURES = np.geomspace(0.05, 20, 61)  # of the curve
SHOWN = (0.2, 1.0, 5.0)  # the guide's: nearly sure, the model's own, nonsense
COLD, HOT = 1e-3, 1e3


@dataclasses.dataclass(frozen=True)
class Config:
    """Which predictions are looked at.

    Attributes:
      predictions: places of the validation text.
    """

    predictions: int = 512

    def __post_init__(self) -> None:
        check("softmax", self, predictions=1)


@jax.jit
def entropies(
    logits: Float[Array, "N V"], temperatures: Float[Array, "M"]
) -> Float[Array, "N M"]:
    """The entropy of each prediction at each temperature, in nats."""
    return jax.vmap(entropy, in_axes=(None, 0), out_axes=1)(logits, temperatures)


@jax.jit
def slopes(
    logits: Float[Array, "N V"], temperatures: Float[Array, "M"]
) -> tuple[Float[Array, "N M"], Float[Array, "N M"]]:
    """dH/dT, differentiated and by the closed form Var(l) / T^3."""

    def closed_form(row: Array, temperature: Array) -> Array:
        p = jax.nn.softmax(row / temperature)
        mean = (p * row).sum()
        return (p * jnp.square(row - mean)).sum() / temperature**3

    def everywhere(slope: Callable[[Array, Array], Array]) -> Array:
        over_temperatures = jax.vmap(slope, in_axes=(None, 0))
        return jax.vmap(over_temperatures, in_axes=(0, None))(logits, temperatures)

    return everywhere(jax.grad(entropy, argnums=1)), everywhere(closed_form)


@partial(jax.jit, static_argnums=1)
def at(logits: Float[Array, "N V"], temperature: float) -> Float[Array, "N V"]:
    """The probabilities at one temperature."""
    return likely(logits, SamplingConfig(temperature=temperature))


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Takes predictions of a trained network from cold to hot, and draws one."""
    model, params = setting.model, network(setting.trained())
    texts = windows(setting.text, model, max(1, model.context // 8))
    read = jnp.asarray(texts[: config.predictions, :-1])
    logits = logits_of(model, params, read)[:, -1]
    curve = np.asarray(entropies(logits, jnp.asarray(TEMPERATURES, jnp.float32)))
    # float32 cannot tell e^-100 from 0: the law is checked from T = 0.3 on
    warm = jnp.asarray(TEMPERATURES[TEMPERATURES >= 0.3], jnp.float32)
    differentiated, closed = (np.asarray(each) for each in slopes(logits, warm))
    error = np.abs(differentiated - closed).max() / closed.max()
    chosen = int(np.argsort(curve[:, _nearest(1.0)])[len(curve) // 3])
    shown = {t: np.asarray(at(logits, t))[chosen] for t in SHOWN}
    prompt = setting.tokenizer.decode(read[chosen].tolist())
    order = np.argsort(-shown[1.0])[:10]
    words = [setting.tokenizer.token_text(token) for token in order.tolist()]
    picture = style.save(
        softmax_temperature(
            setting.theme,
            prompt,
            words,
            {t: p[order] for t, p in shown.items()},
            TEMPERATURES,
            curve,
            logits.shape[-1],
        ),
        setting.workdir,
        "softmax",
        prompt=prompt,
        words=words,
        temperatures=TEMPERATURES,
        entropies=curve,
        shown=np.stack([p[order] for p in shown.values()]),
        shown_at=list(shown),
    )
    return _claims(logits, curve, float(error)), [picture]


def _nearest(temperature: float) -> int:
    return int(np.argmin(np.abs(TEMPERATURES - temperature)))


def _claims(logits: Array, curve: np.ndarray, error: float) -> list[Claim]:
    guide = "3Blue1Brown, Transformers, the tech behind LLMs"
    cold, hot = at(logits, COLD), at(logits, HOT)
    vocabulary = logits.shape[-1]
    top = jnp.take_along_axis(cold, logits.argmax(-1)[:, None], axis=-1)
    spread = float((logits.max(-1) - logits.min(-1)).max())
    return [
        Claim(
            "6.softmax_sums",
            "softmax makes any list of numbers a list of probabilities",
            float(jnp.abs(at(logits, 1.0).sum(-1) - 1).max()),
            (0, 1e-5),
            (0, 1e-5),
            f"{guide}; float32",
            unit="largest distance of a sum from 1",
        ),
        Claim(
            "6.entropy_rises",
            "the higher the temperature, the more even the probabilities",
            # where a prediction is certain to seven digits, rounding is all there is
            float(np.diff(curve, axis=1).min()),
            (-1e-5, None),
            (-1e-5, 0.05),
            f"{guide}; dH/dT = Var(l) / T^3 >= 0",
            unit="nats, least rise of the entropy from one T to the next",
        ),
        Claim(
            "6.entropy_slope",
            "the entropy grows by the variance of the logits over T^3",
            error,
            (0, 1e-3),
            (0, 1e-3),
            "closed form",
            unit="of the largest slope, largest difference to autodiff",
        ),
        Claim(
            "6.cold_is_argmax",
            "T = 0 puts all weight on the most likely token",
            float(top.mean()),
            (0.98, 1.0001),
            (0.98, 1.0001),
            f"{guide}; all but near ties",
            unit=f"its mean probability at T = {COLD:g}",
        ),
        Claim(
            "6.hot_is_uniform",
            "a very large T makes all tokens alike",
            float(jnp.abs(hot * vocabulary - 1).max()),
            (0, 0.1),
            (0, spread / HOT * 1.1),
            f"{guide}; e^x - 1 of the logits' range over T",
            unit=f"largest relative distance from 1/V at T = {HOT:g}",
        ),
    ]
