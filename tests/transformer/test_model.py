"""Laws of the transformer, for configurations far apart."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Cache, Transformer, by_heads, initial_params

SMALL = TransformerConfig(
    vocabulary=11, context=12, layers=2, embedding=16, heads=4, dropout=0.0
)
CONFIGS = {
    "gpt2": SMALL,
    "llama": dataclasses.replace(
        SMALL,
        positions="rotary",
        norm="rms_norm",
        activation="swiglu",
        biases=False,
        tied=False,
        key_value_heads=2,
        qk_norm=True,
    ),
    "capped": dataclasses.replace(
        SMALL,
        positions="none",
        activation="relu_squared",
        attention_softcap=5.0,
        logit_softcap=3.0,
        key_value_heads=1,
    ),
    "attention alone": dataclasses.replace(SMALL, blocks="attention"),
    "mlp alone": dataclasses.replace(SMALL, blocks="mlp", activation="relu"),
}
REFERENCE = Execution(attention="written_out", layers="scan")


@pytest.fixture(params=CONFIGS, ids=str)
def config(request) -> TransformerConfig:
    return CONFIGS[request.param]


@functools.cache
def params_of(config, seed=0):
    make = jax.jit(lambda key: nn.unbox(initial_params(config, key)))
    return make(jax.random.key(seed))


@functools.cache
def grown(config, seed=0):
    """Parameters large enough that every part matters."""
    params, key = params_of(config, seed), jax.random.key(seed + 100)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    noisy = [
        leaf + 0.3 * jax.random.normal(k, leaf.shape)
        for leaf, k in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, noisy)


def tokens_of(config, batch=2, count=12, seed=1):
    shape, key = (batch, count), jax.random.key(seed)
    return jax.random.randint(key, shape, 0, config.vocabulary)


@functools.partial(jax.jit, static_argnames=("config", "execution"))
def logits_of(config, params, tokens, execution=REFERENCE, **others):
    module = Transformer(config, execution)
    return jnp.asarray(module.apply({"params": params}, tokens, **others))


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("name", "layers"), [("gpt2", "unroll"), ("gpt2", "loop"), ("llama", "loop")]
)
def test_layers_agree_however_they_are_run(name, layers):
    config = CONFIGS[name]
    params, tokens = grown(config), tokens_of(config)

    def loss(params, execution):
        logits = logits_of(config, params, tokens, execution)
        return jnp.mean(jnp.square(logits)), logits

    def both(how):
        execution = dataclasses.replace(REFERENCE, layers=how)
        function = jax.grad(lambda p: loss(p, execution), has_aux=True)
        return jax.jit(function)(params)

    (scan_gradient, scan_logits), (gradient, logits) = both("scan"), both(layers)
    np.testing.assert_allclose(logits, scan_logits, rtol=1e-6, atol=1e-6)
    for one, other in zip(
        *map(jax.tree.leaves, (gradient, scan_gradient)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("remat", "layers"),
    [("products", "scan"), ("everything", "unroll"), ("everything", "loop")],
)
def test_computing_anew_changes_no_gradient(remat, layers):
    params, tokens = grown(SMALL), tokens_of(SMALL)

    def gradient(remat):
        execution = Execution(layers=layers, remat=remat)
        return jax.jit(
            jax.grad(lambda p: jnp.sum(logits_of(SMALL, p, tokens, execution) ** 2))
        )(params)

    kept, anew = gradient("none"), gradient(remat)
    for one, other in zip(*map(jax.tree.leaves, (kept, anew)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


def test_later_tokens_get_no_gradient(config):
    params, tokens = grown(config), tokens_of(config, batch=1)
    module = Transformer(config, REFERENCE)
    vectors = jnp.asarray(
        module.apply({"params": params}, tokens, method=lambda m, t: m.embedding(t))
    )
    place = 5

    def at_place(shift):
        def run(module, tokens):
            x, _ = module.blocks(vectors + shift, *_blocks_arguments(module, tokens))
            return module.unembed(module.final_norm(x))[0, place].sum()

        return module.apply({"params": params}, tokens, method=run)

    gradient = jax.jit(jax.grad(at_place))(jnp.zeros_like(vectors))
    each = jnp.abs(gradient).sum(-1)[0]
    assert float(each[place + 1 :].max()) == 0
    assert float(each[place]) > 0
    reaches_back = float(each[:place].min()) > 0
    assert reaches_back == (config.blocks != "mlp")


def _blocks_arguments(module, tokens):
    from nnguide.transformer.attention import Sight
    from nnguide.transformer.blocks import all_layers

    rotation = module._rotation(tokens, None)
    return all_layers(module.config), Sight(rotation), None


def test_without_the_mask_later_tokens_matter():
    config = dataclasses.replace(SMALL, causal=False)
    params, tokens = grown(config), tokens_of(config, batch=1)
    changed = tokens.at[0, -1].set((tokens[0, -1] + 1) % config.vocabulary)
    first, second = (logits_of(config, params, t)[0, 0] for t in (tokens, changed))
    assert float(jnp.abs(first - second).max()) > 1e-3


def test_documents_in_one_row_do_not_see_each_other():
    config = CONFIGS["llama"]
    params, tokens = grown(config), tokens_of(config, batch=1)
    segments = jnp.asarray([[0] * 5 + [1] * 7])
    positions = jnp.asarray([[*range(5), *range(7)]])
    packed = logits_of(config, params, tokens, segments=segments, positions=positions)
    alone = [logits_of(config, params, t) for t in (tokens[:, :5], tokens[:, 5:])]
    np.testing.assert_allclose(packed, jnp.concatenate(alone, 1), atol=2e-5)


def test_going_on_from_a_cache_equals_reading_everything(config):
    if config.blocks == "mlp":
        pytest.skip("has no keys and values")
    params, tokens = grown(config), tokens_of(config)
    module = Transformer(config, REFERENCE)
    whole = logits_of(config, params, tokens)
    read: Any = module.apply({"params": params}, tokens[:, :7], method="read")
    # The second row has read two tokens fewer: what lies there must not be seen.
    filled = jnp.arange(9)[None] < jnp.asarray([7, 5])[:, None]
    cache = Cache(by_heads(read[1], 9), filled, jnp.int32(7))
    go_on = jax.jit(lambda *args: module.apply(*args, method="go_on"))
    for step in range(2):
        new = jnp.stack([tokens[0, 7 + step], tokens[1, 5 + step]])
        positions = jnp.asarray([7, 5]) + step
        logits, cache = go_on({"params": params}, new, positions, cache)
        expected = jnp.stack([whole[0, 7 + step], whole[1, 5 + step]])
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert cache.filled.sum(-1).tolist() == [9, 7]
    assert int(cache.place) == 0


def test_rotary_scores_depend_on_distance_alone():
    config = CONFIGS["llama"]
    params, tokens = grown(config), tokens_of(config)
    moved = jnp.broadcast_to(jnp.arange(12)[None] + 30, tokens.shape)
    here = logits_of(config, params, tokens)
    there = logits_of(config, params, tokens, positions=moved)
    np.testing.assert_allclose(here, there, atol=2e-5)


def test_padding_of_the_vocabulary_never_comes_out():
    params, tokens = grown(SMALL), tokens_of(SMALL) % 9
    module = Transformer(SMALL, REFERENCE, known_tokens=9)
    logits = jnp.asarray(module.apply({"params": params}, tokens))
    probabilities = jax.nn.softmax(logits)
    assert float(probabilities[..., 9:].max()) == 0
    every = logits_of(SMALL, params, tokens)
    np.testing.assert_allclose(logits[..., :9], every[..., :9], atol=1e-5)


def test_bfloat16_products_stay_near_float32(config):
    params, tokens = grown(config), tokens_of(config)
    exact = logits_of(config, params, tokens)

    def error(dtype):
        execution = Execution(layers="scan", compute_dtype=dtype)
        rough = logits_of(config, params, tokens, execution)
        return float(jnp.abs(rough - exact).max() / jnp.abs(exact).max())

    assert 1e-5 < error("bfloat16") < 0.1
    assert error("float32") < 1e-5


def test_bfloat16_gradients_point_the_same_way():
    params, tokens = grown(SMALL), tokens_of(SMALL)

    def gradient(dtype):
        execution = Execution(layers="unroll", compute_dtype=dtype)
        loss = lambda p: jnp.mean(logits_of(SMALL, p, tokens, execution) ** 2)  # noqa: E731
        return jnp.concatenate(
            [g.ravel() for g in jax.tree.leaves(jax.jit(jax.grad(loss))(params))]
        )

    one, other = gradient("float32"), gradient("bfloat16")
    cosine = one @ other / jnp.linalg.norm(one) / jnp.linalg.norm(other)
    assert 0.995 < float(cosine) < 1 - 1e-9


def test_dropout_is_the_key_s_and_nothing_else():
    config = dataclasses.replace(SMALL, dropout=0.3)
    params, tokens = grown(config), tokens_of(config)
    key = jax.random.key(3)

    def with_layers(layers, key):
        execution = Execution(attention="written_out", layers=layers)
        return logits_of(config, params, tokens, execution, key=key)

    one = with_layers("scan", key)
    np.testing.assert_allclose(with_layers("loop", key), one, rtol=1e-5, atol=1e-5)
    assert float(jnp.abs(with_layers("scan", jax.random.key(4)) - one).max()) > 0.01
    assert float(jnp.abs(with_layers("scan", None) - one).max()) > 0.01


def test_parameters_at_birth_are_gpt2_s():
    config = dataclasses.replace(SMALL, embedding=64, layers=8)
    blocks = params_of(config)["blocks"]
    stds = {
        "query": float(blocks["attention"]["query"]["kernel"].std()),
        "value_up": float(blocks["attention"]["value_up"]["kernel"].std()),
        "down_projection": float(blocks["mlp"]["down_projection"]["kernel"].std()),
    }
    assert stds["query"] == pytest.approx(0.02, rel=0.03)
    assert stds["value_up"] == pytest.approx(0.02 / 4, rel=0.03)
    assert stds["down_projection"] == pytest.approx(0.02 / 4, rel=0.03)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("heads", 5, "model.heads=5: does not divide model.embedding=16"),
        ("key_value_heads", 3, "model.key_value_heads=3: does not divide"),
        ("layers", 0, "model.layers=0: give 1 or more"),
        ("dropout", 1.0, "model.dropout=1.0: give a share"),
        ("initial_std", 0.0, "model.initial_std=0.0: give more than 0"),
        ("z_loss", -1.0, "model.z_loss=-1.0: give 0"),
    ],
)
def test_impossible_configs_name_field_value_and_remedy(field, value, says):
    with pytest.raises(InputError, match=says):
        dataclasses.replace(SMALL, **{field: value})


def test_rotary_needs_pairs():
    with pytest.raises(InputError, match="rotates pairs, but a head is 1 wide"):
        dataclasses.replace(SMALL, heads=16, positions="rotary")
