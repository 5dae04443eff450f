"""New tokens take from what is kept, and from each other, what the reference takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.transformer.attention_kernels import cached, written_out

CACHES, PLACES, WIDTH = 3, 7, 8


@pytest.mark.parametrize(("heads", "groups"), [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize(
    ("copies", "tokens", "softcap"), [(1, 1, 0.0), (2, 3, 0.0), (2, 3, 1.5)]
)
def test_new_tokens_take_what_the_reference_takes(
    key, heads, groups, copies, tokens, softcap
):
    keys = jax.random.split(key, 5)
    rows = CACHES * copies
    query = jax.random.normal(keys[0], (rows, tokens, heads, WIDTH))
    new = [jax.random.normal(k, (rows, tokens, groups, WIDTH)) for k in keys[1:3]]
    kept = [jax.random.normal(k, (CACHES, groups, PLACES, WIDTH)) for k in keys[3:]]
    filled = jnp.asarray(np.random.default_rng(0).random((CACHES, PLACES)) < 0.6)
    filled = filled.at[0].set(False)  # these rows have nothing before them
    earlier = jnp.repeat(filled, copies, axis=0)[:, None]
    among_new = jnp.tril(jnp.ones((tokens, tokens), bool))[None]
    valid = jnp.concatenate(
        [
            jnp.broadcast_to(earlier, (rows, tokens, PLACES)),
            jnp.broadcast_to(among_new, (rows, tokens, tokens)),
        ],
        axis=-1,
    )

    def reference(query, kept, new):
        before = [jnp.repeat(a.swapaxes(1, 2), copies, axis=0) for a in kept]
        joined = [jnp.concatenate(pair, 1) for pair in zip(before, new, strict=True)]
        return written_out.attend(
            query, *joined, causal=False, valid=valid, softcap=softcap
        )

    def ours(query, kept, new):
        return cached.attend(query, tuple(kept), filled, tuple(new), softcap)

    (found, slopes), (wanted, wanted_slopes) = (
        (mixed, gradients(jnp.cos(mixed)))
        for mixed, gradients in (
            jax.vjp(each, query, kept, new) for each in (ours, reference)
        )
    )
    for one, other in zip(
        jax.tree.leaves((found, slopes)),
        jax.tree.leaves((wanted, wanted_slopes)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=3e-6)
    alone = jnp.repeat(new[1][0, 0], heads // groups, axis=0)
    np.testing.assert_allclose(found[0, 0], alone, atol=1e-6)


def test_empty_places_are_never_read(key):
    kept = jax.random.normal(key, (CACHES, 2, PLACES, WIDTH))
    filled = jnp.arange(PLACES)[None] < jnp.asarray([1, 4, 7])[:, None]
    dirty = jnp.where(filled[:, None, :, None], kept, 1e3)
    ones = jnp.ones((CACHES, 1, 2, WIDTH))
    clean, other = (cached.attend(ones, (each, each), filled) for each in (kept, dirty))
    np.testing.assert_array_equal(clean, other)


def test_a_token_kept_first_is_one_given_beside_the_cache(key):
    keys = jax.random.split(key, 3)
    query = jax.random.normal(keys[0], (CACHES, 1, 2, WIDTH))
    kept = jax.random.normal(keys[1], (CACHES, 2, PLACES, WIDTH))
    new = jax.random.normal(keys[2], (CACHES, 1, 2, WIDTH))
    filled = jnp.arange(PLACES)[None] < jnp.asarray([0, 4, 6])[:, None]
    beside = cached.attend(query, (kept, kept), filled, (new, new))
    among = kept.at[:, :, -1].set(new[:, 0])
    found = cached.attend(query, (among, among), filled.at[:, -1].set(True))
    np.testing.assert_allclose(found, beside, atol=1e-6)
