"""What the tests of our C++ kernels for transformers share."""

import dataclasses
import os
import shutil
from typing import Any

import jax
import pytest
from flax import linen as nn

from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import initial_params

needs_compiler = pytest.mark.skipif(
    not (os.environ.get("CXX") or shutil.which("c++")),
    reason="no C++ compiler on this machine",
)


def variants(
    gpt2: TransformerConfig, grouped_heads: int
) -> dict[str, TransformerConfig]:
    """GPT-2's kind and three others, which have all that the kernels know."""
    return {
        "gpt2": gpt2,
        "nanogpt": dataclasses.replace(gpt2, activation="gelu_exact", biases=False),
        "grouped": dataclasses.replace(
            gpt2,
            embedding=2 * gpt2.embedding,
            heads=grouped_heads,
            key_value_heads=2,
            neurons=96,
            positions="none",
            norm="rms_norm",
            activation="relu_squared",
            tied=False,
        ),
        "relu": dataclasses.replace(gpt2, activation="relu"),
    }


def grown_params(config: TransformerConfig, deviation: float) -> Any:
    """Parameters none of which is 0 or 1."""
    params = nn.unbox(initial_params(config, jax.random.key(0)))
    keys = iter(jax.random.split(jax.random.key(1), len(jax.tree.leaves(params))))
    return jax.tree.map(
        lambda leaf: leaf + deviation * jax.random.normal(next(keys), leaf.shape),
        params,
    )
