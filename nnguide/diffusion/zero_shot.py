"""What a space of pictures and captions is good for without further training.

Classes are named by prompts ("a person with a hat") instead of being learned; a
caption finds its picture; and the difference of two pictures points to the word for
what differs.

Sources: Radford et al., arXiv 2103.00020, section 3.1; 3Blue1Brown / Welch Labs, "But
how do AI images and videos actually work?".
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array


def ensemble(
    prompts: Float[Array, "N D"], class_of: Int[Array, "N"], classes: int
) -> Float[Array, "classes D"]:
    """One vector a class: the direction of the sum of its prompts' vectors.

    Args:
      prompts: vectors of all classes' prompts.
      class_of: the class that each prompt names.
      classes: how many there are.
    """
    sums = jax.ops.segment_sum(prompts, class_of, classes)
    return sums / jnp.linalg.norm(sums, axis=-1, keepdims=True)


def classify(
    pictures: Float[Array, "N D"], classes: Float[Array, "classes D"]
) -> Int[Array, "N"]:
    """The class whose vector each picture's fits best."""
    return jnp.argmax(pictures @ classes.T, axis=1)


def places(
    queries: Float[Array, "N D"],
    candidates: Float[Array, "M D"],
    right: Int[Array, "N"],
) -> Int[Array, "N"]:
    """How many wrong candidates fit a query at least as well as the right one.

    0 is the first place. Recall at k is the share of places below k; ties count
    against.

    Args:
      queries: of any length.
      candidates: of length 1.
      right: each query's candidate.
    """
    fit = queries @ candidates.T
    own = jnp.take_along_axis(fit, right[:, None], axis=1)
    return (fit >= own).sum(axis=1) - 1


def recall(places: Int[Array, "N"], k: int) -> Float[Array, ""]:
    """The share of queries whose right candidate is among the first k."""
    return (places < k).mean()
