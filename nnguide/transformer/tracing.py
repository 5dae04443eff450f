"""Everything a transformer computes on the way, layer by layer, for pictures."""

import dataclasses
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array, Params
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer


class Trace(NamedTuple):
    """What each layer left on the residual stream, and what its heads looked at.

    A field that the blocks do not have (`TransformerConfig.blocks`) is None.

    Attributes:
      embedding: the stream before the first block.
      after_attention: the stream in the middle of each block.
      after_mlp: the stream after each block.
      pattern: how much query t of each head takes from key s; rows sum to 1.
      neurons: the MLPs' activations.
      logits: of the next tokens.
    """

    embedding: Float[Array, "B T D"]
    after_attention: Float[Array, "L B T D"] | None
    after_mlp: Float[Array, "L B T D"] | None
    pattern: Float[Array, "L B H T S"] | None
    neurons: Float[Array, "L B T F"] | None
    logits: Float[Array, "B T V"]


def trace(
    config: TransformerConfig,
    params: Params,
    tokens: Int[Array, "B T"],
    execution: Execution = Execution(),  # noqa: B008, a constant
) -> Trace:
    """Runs the transformer and keeps what passes by; pure, may be jitted.

    Args:
      config: of the transformer.
      params: its parameters.
      tokens: what it reads.
      execution: how it is computed; the layers are scanned in any case.
    """
    scanned = dataclasses.replace(execution, layers="scan")
    module, variables = Transformer(config, scanned), {"params": params}
    logits, kept = module.apply(variables, tokens, mutable=["intermediates"])
    blocks: Any = kept["intermediates"]["blocks"]

    def sown(*path: str) -> Any:
        node: Any = blocks
        for name in path:
            node = node.get(name, {})
        return node[0] if node else None

    return Trace(
        embedding=jnp.asarray(
            module.apply(variables, tokens, method=lambda m, t: m.embedding(t))
        ),
        after_attention=sown("after_attention"),
        after_mlp=sown("after_mlp"),
        pattern=sown("attention", "pattern"),
        neurons=sown("mlp", "neurons"),
        logits=jnp.asarray(logits),
    )
