"""A transformer with one number a place beside, or instead of, its logits.

A reward model reads it at an answer's last token, PPO's critic at every place. The
parameters are {"transformer": ..., "head": {"kernel": (D, 1), "bias": (1,)}}; the head
starts at 0, so that nothing is liked or expected yet.
"""

import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array, Key, Params
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import initial_params


def with_head(params: Params, width: int) -> Params:
    """A transformer's parameters with a head of zeros.

    Args:
      params: of the transformer.
      width: of its residual stream, D.
    """
    head = {
        "kernel": jnp.zeros((width, 1), jnp.float32),
        "bias": jnp.zeros(1, jnp.float32),
    }
    return {"transformer": params, "head": head}


def initial_with_head(config: TransformerConfig, key: Key) -> Params:
    """Random parameters of the transformer, boxed, and a head of zeros."""
    return with_head(initial_params(config, key), config.embedding)


def read_head(params: Params, x: Float[Array, "*before D"]) -> Float[Array, "*before"]:
    """The number of each place, float32.

    Args:
      params: with a head.
      x: the residual stream after the last norm.
    """
    head, flat = params["head"], x.reshape(-1, x.shape[-1]).astype(jnp.float32)
    return (flat @ head["kernel"] + head["bias"][None]).reshape(x.shape[:-1])
