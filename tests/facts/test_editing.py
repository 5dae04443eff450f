"""The rank-one edit against its closed form, and edits of a small transformer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.linen import unbox

from nnguide.facts import editing
from nnguide.facts.tracing import Prompts, logits_with, read
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer, initial_params

CONFIG = TransformerConfig(
    vocabulary=12, context=6, layers=2, embedding=8, heads=2, initial_std=0.5
)
PARAMS = unbox(initial_params(CONFIG, jax.random.key(0)))
PROMPTS = Prompts(
    tokens=jnp.array([[1, 2, 3, 4, 5]]),
    places=jnp.array([[1, 2, 4]]),
    answers=jnp.array([7]),
)


@pytest.mark.smoke
def test_the_edit_is_the_nearest_kernel_that_gives_the_value():
    """Against the constrained least squares: min E|k (W' - W)|^2 with k W' = v."""
    rng = np.random.default_rng(0)
    keys, kernel = rng.normal(size=(50, 6)), rng.normal(size=(6, 4))
    own, move = rng.normal(size=6), rng.normal(size=4)
    moment = editing.second_moment(jnp.asarray(keys, jnp.float32))
    plain = keys.T @ keys / 50
    ridge = editing.RIDGE * np.trace(plain) / 6
    np.testing.assert_allclose(moment, plain + ridge * np.eye(6), rtol=1e-4, atol=1e-5)
    edited = np.asarray(
        editing.rank_one(
            jnp.asarray(kernel, jnp.float32),
            jnp.asarray(own, jnp.float32),
            jnp.asarray(move, jnp.float32),
            moment,
        )
    )
    np.testing.assert_allclose(own @ edited, own @ kernel + move, rtol=1e-4)
    change = edited - kernel
    assert np.linalg.matrix_rank(change, tol=1e-4) == 1
    # Lagrange: C (W' - W) is a multiple of k in every column
    normal = np.asarray(moment) @ change
    np.testing.assert_allclose(normal, np.outer(own, normal[0] / own[0]), atol=1e-3)


@pytest.fixture(scope="module")
def edited():
    """The move at the last token in layer 1, and that layer's kernels after it."""
    text = jax.random.randint(jax.random.key(1), (200, 5), 0, CONFIG.vocabulary)

    @jax.jit
    def both(layer):
        move = editing.wanted_move(
            CONFIG, PARAMS, layer, PROMPTS, 2, steps=60, rate=0.2, pull=1e-3
        )
        own = read(CONFIG, PARAMS, PROMPTS.tokens).neurons[layer, 0, 4]
        keys = read(CONFIG, PARAMS, text).neurons[layer].reshape(1000, -1)
        kernel = editing.down_projection(PARAMS, layer)
        return (
            move,
            editing.rank_one(kernel, own, move, editing.second_moment(keys)),
            editing.fine_tuned(CONFIG, PARAMS, layer, PROMPTS, steps=60, rate=0.03),
        )

    return both(jnp.array(1))


def test_the_edited_model_gives_what_the_move_gives(edited):
    move, rank_one, fine_tuned = edited

    def change(part, layer, output):
        moved = output.at[:, 4].add(move[None])
        return moved if (part, layer) == ("mlp", 1) else output

    expected = jax.jit(
        lambda tokens: logits_with(CONFIG, PARAMS, tokens, change)[:, 4]
    )(PROMPTS.tokens)
    np.testing.assert_allclose(_logits(_with(rank_one)), expected, rtol=1e-3, atol=1e-3)
    assert jnp.argmax(_logits(PARAMS)) != 7
    assert jnp.argmax(expected) == 7
    assert jnp.argmax(_logits(_with(fine_tuned))) == 7


def test_an_edit_leaves_all_other_parameters(edited):
    changed = _with(edited[1])
    differ = jax.tree.map(lambda a, b: int((a != b).sum()), PARAMS, changed)
    of_kernel = differ["blocks"]["mlp"]["down_projection"]["kernel"]
    assert sum(jax.tree.leaves(differ)) == of_kernel > 0
    np.testing.assert_array_equal(
        editing.down_projection(changed, 0), editing.down_projection(PARAMS, 0)
    )


def _with(kernel):
    return editing.with_down_projection(PARAMS, 1, kernel)


@jax.jit
def _logits(params):
    logits = Transformer(CONFIG).apply({"params": params}, PROMPTS.tokens)
    return jnp.asarray(logits)[:, 4]
