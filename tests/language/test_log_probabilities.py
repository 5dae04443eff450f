"""Log-probabilities in chunks are those of the whole, and hold no more logits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.extend.core import jaxprs_in_params

from nnguide.language.log_probabilities import log_probabilities, of_answers
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer, initial_params

CONFIG = TransformerConfig(
    vocabulary=50, context=16, layers=1, embedding=8, heads=2, dropout=0.0
)
MODULE = Transformer(CONFIG, known_tokens=47)


@pytest.fixture(scope="module")
def params():
    wide = dataclasses.replace(CONFIG, initial_std=0.5)  # so that tokens differ
    return jax.jit(lambda key: nn.unbox(initial_params(wide, key)))(jax.random.key(0))


TOKENS = jax.random.randint(jax.random.key(1), (3, 12), 0, 47)


def whole(params, tokens):
    logits = jnp.asarray(MODULE.apply({"params": params}, tokens[:, :-1]))
    chosen = jax.nn.log_softmax(logits)
    return jnp.take_along_axis(chosen, tokens[:, 1:, None], -1)[..., 0]


def in_chunks(params, tokens, chunk):
    return log_probabilities(MODULE, params, tokens, chunk=chunk)


@pytest.mark.smoke
def test_chunks_give_the_values_and_gradients_of_the_whole(params):
    def both(function):
        def summed(params, tokens):
            each = function(params, tokens)
            return jnp.sin(each).sum(), each

        return jax.jit(jax.grad(summed, has_aux=True))(params, TOKENS)

    gradient, expected = both(whole)
    for chunk in (1, 12, 1000):  # a place at a time, 4 with a ragged end, all
        its_gradient, each = both(lambda p, t, c=chunk: in_chunks(p, t, c))
        np.testing.assert_allclose(each, expected, atol=2e-6)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4),
            its_gradient,
            gradient,
        )


def largest(jaxpr, vocabulary):
    """The most numbers in an array with a vocabulary's axis, in all inner programs."""
    sizes = [0]
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            shape = variable.aval.shape
            sizes.append(int(np.prod(shape)) if vocabulary in shape[1:] else 0)
        for inner in jaxprs_in_params(equation.params):
            sizes.append(largest(inner, vocabulary))
    return max(sizes)


def test_the_gradient_holds_the_logits_of_one_chunk_alone(params):
    def total(function):
        return lambda params: function(params, TOKENS).sum()

    def size(function):
        return largest(jax.make_jaxpr(jax.grad(total(function)))(params).jaxpr, 50)

    assert size(whole) == 3 * 11 * 50
    assert size(lambda p, t: in_chunks(p, t, 6)) == 3 * 2 * 50


def test_answers_of_one_token_and_of_none(params):
    """The last token of an answer is never read; of one token, none is."""
    prompts, lengths = TOKENS[:2, :5], jnp.asarray([3, 5])

    @jax.jit
    def likely(params, answers):
        return of_answers(MODULE, params, prompts, lengths, answers)

    two = TOKENS[:2, 5:7].repeat(2, axis=0)  # two answers to each prompt
    np.testing.assert_allclose(likely(params, two[:, :1]), likely(params, two)[:, :1],
                               atol=2e-6)  # fmt: skip
    assert likely(params, two[:, :0]).shape == (4, 0)
    assert in_chunks(params, TOKENS[:, :1], 4).shape == (3, 0)
