"""One new token a row: what it takes from a cache is what the reference takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.transformer.attention_kernels import cached, written_out

BATCH, PLACES, WIDTH = 3, 7, 8


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize("softcap", [0.0, 1.5])
def test_a_new_token_takes_what_the_reference_takes(key, heads, groups, softcap):
    keys = jax.random.split(key, 3)
    query = jax.random.normal(keys[0], (BATCH, 1, heads, WIDTH))
    others = (BATCH, PLACES + 1, groups, WIDTH)  # the new token's own come last
    key_of, value = (jax.random.normal(each, others) for each in keys[1:])
    filled = jnp.asarray(np.random.default_rng(0).random((BATCH, PLACES)) < 0.6)
    filled = filled.at[0].set(False)  # this row's new token has nothing before it
    itself = jnp.ones((BATCH, 1), bool)
    wanted = written_out.attend(
        query,
        key_of,
        value,
        causal=False,
        valid=jnp.concatenate([filled, itself], 1)[:, None],
        softcap=softcap,
    )
    kept_keys, kept_values = (a[:, :-1].swapaxes(1, 2) for a in (key_of, value))
    new_key, new_value = (a[:, -1] for a in (key_of, value))
    found = cached.attend(
        query[:, 0], new_key, new_value, kept_keys, kept_values, filled, softcap
    )
    np.testing.assert_allclose(found, wanted[:, 0], atol=1e-6)
    alone = jnp.repeat(value[0, -1], heads // groups, axis=0)
    np.testing.assert_allclose(found[0], alone, atol=1e-6)


def test_empty_places_are_never_read(key):
    shape = (BATCH, 2, PLACES, WIDTH)
    kept = jax.random.normal(key, shape)
    filled = jnp.arange(PLACES)[None] < jnp.asarray([1, 4, 7])[:, None]
    dirty = jnp.where(filled[:, None, :, None], kept, 1e3)
    ones = jnp.ones((BATCH, 2, WIDTH))
    clean, other = (
        cached.attend(ones, ones, ones, each, each, filled) for each in (kept, dirty)
    )
    np.testing.assert_array_equal(clean, other)
