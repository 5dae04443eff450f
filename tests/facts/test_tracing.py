"""Reading and restoring activations, and the laws of causal tracing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import unbox

from nnguide.facts.tracing import (
    PARTS,
    Prompts,
    effects,
    logits_with,
    probability,
    read,
    trace_facts,
)
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer, initial_params
from nnguide.transformer.tracing import trace

CONFIG = TransformerConfig(
    vocabulary=12, context=6, layers=2, embedding=8, heads=2, initial_std=0.5
)
PARAMS = unbox(initial_params(CONFIG, jax.random.key(0)))
PROMPTS = Prompts(
    tokens=jnp.array([[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 0]]),
    places=jnp.array([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]),
    answers=jnp.array([3, 4]),
)


@pytest.mark.smoke
def test_what_is_read_is_what_the_scanned_model_computes():
    seen, passed = jax.jit(
        lambda tokens: (read(CONFIG, PARAMS, tokens), trace(CONFIG, PARAMS, tokens))
    )(PROMPTS.tokens)
    np.testing.assert_allclose(seen.logits, passed.logits, atol=1e-5)
    np.testing.assert_allclose(seen.embedding, passed.embedding)
    np.testing.assert_allclose(seen.state, passed.after_mlp, atol=1e-5)
    np.testing.assert_allclose(seen.neurons, passed.neurons, atol=1e-5)
    before = jnp.concatenate([seen.embedding[None], seen.state[:-1]])
    np.testing.assert_allclose(  # the stream is a sum of what its parts add
        before + seen.attention + seen.mlp, seen.state, atol=1e-5
    )


def test_a_change_reaches_the_part_layer_and_token_it_names_and_no_other():
    seen = []

    def change(part, layer, output):
        seen.append((part, layer))
        if (part, layer) == ("mlp", 1):
            return output.at[:, 3, 0].add(1.0)  # norms take a common part out
        return output

    clean, changed = jax.jit(
        lambda tokens: (
            Transformer(CONFIG).apply({"params": PARAMS}, tokens),
            logits_with(CONFIG, PARAMS, tokens, change),
        )
    )(PROMPTS.tokens)
    assert sorted(seen) == sorted(
        [("embedding", 0), *((part, layer) for part in PARTS for layer in (0, 1))]
    )
    moved = jnp.abs(changed - clean).max(axis=(0, 2))
    assert (moved > 1e-3).tolist() == [False, False, False, True, False, False]


def test_tracing_obeys_its_laws():
    traced = jax.jit(
        lambda: trace_facts(
            CONFIG, PARAMS, PROMPTS, (1, 2), jax.random.key(1), samples=3
        )
    )()
    logits = Transformer(CONFIG).apply({"params": PARAMS}, PROMPTS.tokens)
    np.testing.assert_allclose(
        traced.clean, probability(jnp.asarray(logits), PROMPTS), rtol=1e-5
    )
    state, attention = (traced.restored[PARTS.index(p)] for p in ("state", "attention"))
    # the last vector of the last layer is all that the answer is read from
    np.testing.assert_allclose(state[-1, -1], traced.clean, rtol=1e-5)
    # after it nothing moves between tokens: other tokens come too late
    np.testing.assert_allclose(state[-1, 1], traced.corrupted, rtol=1e-5)
    # tokens before the subject do not see it: nothing to restore
    for part in traced.restored:
        np.testing.assert_allclose(
            part[:, 0], traced.corrupted[None].repeat(2, 0), rtol=1e-5
        )
    # the first layer's attention reads the subject: there is something to restore
    assert not np.allclose(attention[0, -1], traced.corrupted)
    total, shares = effects(traced)
    assert float(total) == pytest.approx(
        float(traced.clean.mean() - traced.corrupted.mean()), rel=1e-5
    )
    assert shares[PARTS.index("state"), -1, -1] == pytest.approx(1.0, abs=1e-4)
