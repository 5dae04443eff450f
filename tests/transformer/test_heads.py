from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import unbox

from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.heads import (
    after_occurrences,
    attention_to,
    token_before,
    without_heads,
)
from nnguide.transformer.model import Transformer, initial_params
from nnguide.transformer.tracing import trace

CONFIG = TransformerConfig(
    vocabulary=11, context=8, layers=2, embedding=12, heads=3, dropout=0.0
)
TOKENS = jnp.array([[3, 1, 4, 1, 5, 1, 2, 3]])


@pytest.fixture(scope="module")
def params() -> Any:
    return jax.jit(lambda key: unbox(initial_params(CONFIG, key)))(jax.random.key(0))


@jax.jit
def logits(params):
    return jnp.asarray(Transformer(CONFIG).apply({"params": params}, TOKENS))


@pytest.mark.smoke
def test_aims_by_hand():
    every = np.asarray(after_occurrences(TOKENS))[0]
    latest = np.asarray(after_occurrences(TOKENS, latest=True))[0]
    # token 1 stands at 1, 3 and 5, so 2 and 4 came after it; 3 stands at 0 and 7
    assert np.argwhere(every).tolist() == [[3, 2], [5, 2], [5, 4], [7, 1]]
    assert np.argwhere(latest).tolist() == [[3, 2], [5, 4], [7, 1]]
    one_back = np.asarray(token_before(TOKENS))[0]
    assert np.argwhere(one_back).tolist() == [[t, t - 1] for t in range(1, 8)]


@pytest.mark.smoke
def test_the_share_of_attention_is_a_mean_over_what_counts():
    pattern = np.zeros((1, 1, 2, 8, 8), np.float32)
    pattern[0, 0, 0, 3, 2], pattern[0, 0, 0, 5, [2, 4]] = 0.5, [0.25, 0.5]
    pattern[0, 0, 1, 7, 1] = 1.0
    counts = jnp.zeros((1, 8)).at[0, jnp.array([3, 5, 7])].set(1.0)
    every = attention_to(jnp.asarray(pattern), after_occurrences(TOKENS), counts)
    np.testing.assert_allclose(every, [[1.25 / 3, 1 / 3]])
    latest = after_occurrences(TOKENS, latest=True)
    np.testing.assert_allclose(
        attention_to(jnp.asarray(pattern), latest, counts), [[1 / 3, 1 / 3]]
    )


def test_a_head_that_is_removed_writes_nothing(params):
    """Its queries, keys and values make no difference any more."""
    kept = jnp.ones((2, 3)).at[1, 2].set(0)
    changed = jax.tree.map(jnp.array, params)
    for name in ("query", "key", "value_down"):
        kernel = changed["blocks"]["attention"][name]["kernel"]
        changed["blocks"]["attention"][name]["kernel"] = kernel.at[1, :, 8:].add(1.0)
    assert not np.array_equal(logits(params), logits(changed))
    np.testing.assert_array_equal(
        logits(without_heads(params, kept)), logits(without_heads(changed, kept))
    )
    assert not np.array_equal(logits(params), logits(without_heads(params, kept)))
    np.testing.assert_array_equal(
        logits(params), logits(without_heads(params, jnp.ones((2, 3))))
    )


def test_without_any_head_no_token_hears_of_another(params):
    alone = without_heads(params, jnp.zeros((2, 3)))
    other = TOKENS.at[0, 2].set(9)
    got = jax.jit(lambda tokens: trace(CONFIG, alone, tokens).logits)
    changed = np.any(np.asarray(got(other) != got(TOKENS)), axis=(0, 2))
    assert np.flatnonzero(changed).tolist() == [2]


def test_uniform_attention_finds_the_previous_token_by_its_share(params):
    """A model that has learned nothing looks at all it may see alike."""
    flat = jax.tree.map(jnp.array, params)
    flat["blocks"]["attention"]["query"]["kernel"] *= 0
    pattern = jax.jit(lambda: trace(CONFIG, flat, TOKENS).pattern)()
    assert pattern is not None
    got = attention_to(pattern, token_before(TOKENS), jnp.ones((1, 8)))
    shares = np.mean([0.0] + [1 / (t + 1) for t in range(1, 8)])
    np.testing.assert_allclose(got, np.full((2, 3), shares), rtol=1e-5)
