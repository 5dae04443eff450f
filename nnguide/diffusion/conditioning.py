"""What a denoiser is told beside the noisy image: how noisy it is, and of what.

Both networks of this package take the same three things: images, one number an image
that grows with its noise, and a condition: class numbers, vectors of a text, or None.
All that fits into one vector an image is joined here; the text's single vectors are
attended to besides.

Sources: sinusoids: Vaswani et al., arXiv 1706.03762; their use for noise: Ho et al.,
arXiv 2006.11239; the class added to them: Dhariwal and Nichol, arXiv 2105.05233.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Float, Int

from nnguide.array_types import Array
from nnguide.config import InputError
from nnguide.transformer.dense import Dense

# Class numbers, or the vectors of a text's tokens; any leaf leads with the batch.
Condition = Int[Array, "B"] | Float[Array, "B S E"] | None
FASTEST, SLOWEST = 100.0, 0.1  # radians by which a noise level of 1 turns a sinusoid


def sinusoids(noise_level: Float[Array, "B"], width: int) -> Float[Array, "B width"]:
    """Sines, then cosines, of the noise level at frequencies a constant ratio apart.

    Args:
      noise_level: of order 1, as the logarithm of sigma over 4 or a time from 0 to 1.
      width: even.
    """
    half = width // 2
    ratio = math.log(SLOWEST / FASTEST) / max(1, half - 1)
    frequencies = FASTEST * jnp.exp(ratio * jnp.arange(half, dtype=jnp.float32))
    angles = noise_level.astype(jnp.float32)[:, None] * frequencies[None]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)


class Conditioning(nn.Module):
    """Noise level and condition as one vector an image.

    Attributes:
      sinusoids: how many the noise level becomes.
      features: width of the vector.
      classes: rows of the table of classes; 0 has none.
      text_width: of a text's vectors; 0 takes no text.
      dtype: of the products' inputs.
    """

    sinusoids: int
    features: int
    classes: int
    text_width: int
    dtype: Any

    @nn.compact
    def __call__(
        self, noise_level: Float[Array, "B"], condition: Condition
    ) -> Float[Array, "B F"]:
        """The vector, before the SiLU that each of its readers begins with."""
        check_kind(self.classes, self.text_width, condition)
        vector = sinusoids(noise_level, self.sinusoids)
        vector = jax.nn.silu(self._dense("first", vector))
        vector = self._dense("second", vector)
        if self.classes:
            table = self._class_table()
            vector = vector + table[condition].astype(vector.dtype)
        if self.text_width:
            assert condition is not None
            whole = condition.astype(jnp.float32).mean(1)
            vector = vector + self._dense("text", whole)
        return vector

    def _class_table(self) -> Any:
        names = ("vocabulary", "embedding")
        initial = nn.with_logical_partitioning(nn.initializers.normal(1.0), names)
        shape = (self.classes, self.features)
        return self.param("classes", initial, shape, jnp.float32)

    def _dense(self, name: str, x: Array) -> Array:
        std = x.shape[-1] ** -0.5
        names = ("embedding", "neurons")
        return Dense(self.features, names, True, std, self.dtype, name=name)(x)


def check_kind(classes: int, text_width: int, condition: Condition) -> None:
    """Checks that the condition is of the kind that a network was built for.

    Raises:
      InputError: it is missing, not wanted, or of another shape.
    """
    if text_width:
        wanted = f"vectors of a text, (B, S, {text_width})"
        fits = (
            condition is not None
            and condition.ndim == 3
            and condition.shape[-1] == text_width
        )
    elif classes:
        wanted = f"class numbers (B,), whole, below {classes}"
        fits = (
            condition is not None
            and condition.ndim == 1
            and jnp.issubdtype(condition.dtype, jnp.integer)
        )
    else:
        wanted, fits = "no condition: the network has neither classes nor text", True
        fits = condition is None
    if not fits:
        given = "None" if condition is None else f"{condition.dtype}{condition.shape}"
        raise InputError(f"condition={given}: give {wanted}.")


def check_classes(classes: int, numbers: Int[np.ndarray, "..."]) -> None:
    """Checks class numbers that a user gave, before they index the table.

    An index that is out of range would silently take the last row.

    Raises:
      InputError: one is out of range.
    """
    wrong = numbers[(numbers < 0) | (numbers >= classes)]
    if len(wrong):
        raise InputError(
            f"class {wrong[0]}: the network knows the classes 0 to {classes - 1}."
        )
