"""From logits to the next token: greedy, temperature, top-k, nucleus.

Softmax with temperature T gives token i a probability in proportion to exp(l_i / T).
T near 0 leaves the most likely token alone, T = 1 is what the model was trained to say,
and a large T makes all tokens alike.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs"; top-k: Fan et al., arXiv
1805.04833; nucleus (top-p): Holtzman et al., arXiv 1904.09751.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array, Key
from nnguide.config import InputError

COLDEST, HOTTEST = 1e-6, 1e6  # temperatures that a float32 can be divided by


@dataclasses.dataclass(frozen=True)
class SamplingConfig:
    """How the next token is drawn.

    Attributes:
      temperature: 0 takes the most likely token, 1 the model's own probabilities; more
        is more adventurous.
      top_k: draws among the k most likely tokens only; 0 is off.
      top_p: then among the fewest of those that together reach probability p; 1 is
        off.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        self._check(
            "temperature",
            self.temperature == 0 or COLDEST <= self.temperature <= HOTTEST,
            f"give 0 for the most likely token, or {COLDEST:g} to {HOTTEST:g}",
        )
        self._check("top_k", self.top_k >= 0, "give 0 (off) or more")
        self._check("top_p", 0 < self.top_p <= 1, "give more than 0, up to 1 (off)")

    def _check(self, name: str, fits: bool, remedy: str) -> None:
        if not fits:
            raise InputError(f"--sampling.{name}={getattr(self, name)}: {remedy}.")


def likely(
    logits: Float[Array, "*before V"], sampling: SamplingConfig
) -> Float[Array, "*before V"]:
    """The probabilities a token is drawn with: after temperature, top-k and top-p.

    Args:
      logits: of the next token.
      sampling: at temperature 0 the first of the most likely tokens has probability 1.
    """
    if sampling.temperature == 0:
        return jax.nn.one_hot(
            jnp.argmax(logits, -1), logits.shape[-1], dtype=jnp.float32
        )
    temperature = sampling.temperature
    kept = keep_likely(logits, temperature, sampling.top_k, sampling.top_p)
    return jax.nn.softmax(_scaled(kept, temperature))


def draw(
    logits: Float[Array, "B V"], key: Key, sampling: SamplingConfig
) -> Int[Array, "B"]:
    """The next token of each row, drawn with `likely`'s probabilities.

    Args:
      logits: of the next tokens.
      key: row r is drawn with fold_in(key, r), whatever the other rows are.
      sampling: how.
    """
    temperature = sampling.temperature
    kept = keep_likely(logits, temperature, sampling.top_k, sampling.top_p)
    return draw_at(kept, key, temperature)


def draw_at(
    logits: Float[Array, "B V"], key: Key, temperature: Float[Array, ""] | float
) -> Int[Array, "B"]:
    """`draw` for logits that went through `keep_likely`; any temperature, traced.

    The largest of l + T g, g being Gumbel noise, is drawn from softmax(l / T).
    At temperature 0 it is the largest logit.
    """
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(len(logits)))
    shape = logits.shape[1:]
    noise = jax.vmap(lambda key: jax.random.gumbel(key, shape, jnp.float32))(keys)
    return jnp.argmax(logits + temperature * noise, -1)


def keep_likely(
    logits: Float[Array, "*before V"],
    temperature: Float[Array, ""] | float,
    top_k: int = 0,
    top_p: float = 1.0,
) -> Float[Array, "*before V"]:
    """The logits, with -infinity where top-k and top-p leave a token out.

    Of equal logits the first ones stay.

    Args:
      logits: of the next token.
      temperature: which top-p's probabilities have.
      top_k: as in `SamplingConfig`.
      top_p: as in `SamplingConfig`.
    """
    vocabulary = logits.shape[-1]
    count = min(top_k or vocabulary, vocabulary)
    if count == vocabulary and top_p == 1:
        return logits  # nothing to sort
    descending, ids = jax.lax.top_k(logits, count)
    if top_p < 1:
        probabilities = jax.nn.softmax(_scaled(descending, temperature))
        before = jnp.cumsum(probabilities, -1) - probabilities
        descending = jnp.where(before < top_p, descending, -jnp.inf)
    none = jnp.full_like(logits, -jnp.inf)
    return jnp.put_along_axis(none, ids, descending, -1, inplace=False)


def entropy(
    logits: Float[Array, "*before V"], temperature: Float[Array, ""] | float = 1.0
) -> Float[Array, "*before"]:
    """How undecided softmax(logits / T) is, in nats: 0 is certain, ln V uniform.

    It grows with T: dH/dT is the variance of the logits under these probabilities,
    divided by T^3.

    Args:
      logits: of the next token.
      temperature: T, more than 0.
    """
    scaled = _scaled(logits, temperature)
    return jax.scipy.special.entr(jax.nn.softmax(scaled)).sum(-1)


def _scaled(
    logits: Float[Array, "*before V"], temperature: Float[Array, ""] | float
) -> Float[Array, "*before V"]:
    """Logits / T, the largest being 0, so that a small T overflows to -infinity.

    T = 0 is taken for the smallest T that `SamplingConfig` allows.
    """
    highest = jax.lax.stop_gradient(logits.max(-1, keepdims=True))
    return (logits - highest) / jnp.maximum(temperature, COLDEST)
