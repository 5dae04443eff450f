"""What each token counts in a loss: three ways to divide, by name.

`token` lets every token count the same, so that long answers count more. `sequence`
lets every answer count the same: its tokens share 1. `group` lets all answers to one
prompt share 1. A share is a row's own number, known before rows are split over
microbatches and devices: the step adds up totals and weights and divides once, so that
any split gives the same loss.

Sources: sequence: Shao et al., arXiv 2402.03300, equation 3; token: Yu et al., arXiv
2503.14476, section 3.3.
"""

from typing import Literal

import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array

Normalization = Literal["token", "sequence", "group"]


def token_shares(
    counts: Float[Array, "B T"], normalization: Normalization, group: int = 1
) -> Float[Array, "B T"]:
    """What each token counts; 0 where `counts` is 0.

    Args:
      counts: 1 for tokens that count at all.
      normalization: who shares.
      group: answers to one prompt, which follow one another; divides B.
    """
    if normalization == "token":
        return counts
    own = counts.sum(-1)
    if normalization == "group":
        own = jnp.repeat(own.reshape(-1, group).sum(-1), group)
    return counts / jnp.maximum(own, 1.0)[:, None]
