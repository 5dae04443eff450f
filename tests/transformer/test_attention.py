"""The attention block: cross-attention, what watchers see, heads taken out."""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nnguide.transformer.attention import Attention
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params
from nnguide.transformer.tracing import trace

CONFIG = TransformerConfig(
    vocabulary=7, context=8, layers=2, embedding=12, heads=3, dropout=0.0
)
LOOP = Execution(attention="written_out", layers="loop")


def params_of(config):
    return nn.unbox(initial_params(config, jax.random.key(0)))


def test_cross_attention_mixes_the_source_alone(key):
    module = Attention(dataclasses.replace(CONFIG, biases=False), LOOP)
    x = jax.random.normal(key, (2, 4, 12))
    source = jax.random.normal(jax.random.key(1), (2, 6, 5))
    params = module.init(key, x, source=source)
    result: Any = module.apply(params, x, source=source)
    added, kept = result
    assert added.shape == (2, 4, 12)
    assert kept.keys.shape == (2, 6, 3, 4)
    # No mask: every place of the source reaches every token.
    jacobian = jax.jacobian(lambda s: module.apply(params, x, source=s)[0])(source)
    reach = jnp.abs(jacobian).sum((2, 5))  # (B, T, B, S)
    assert float(reach[0, :, 0].min()) > 0
    assert float(reach[0, :, 1].max()) == 0
    # Where all places of the source are the same, the query does not matter.
    same = jnp.broadcast_to(source[:, :1], source.shape)
    added, _ = module.apply(params, x, source=same)
    np.testing.assert_allclose(
        added, np.broadcast_to(added[:, :1], (2, 4, 12)), atol=1e-6
    )


def test_watchers_see_each_layer_in_the_loop():
    params, tokens = params_of(CONFIG), jnp.zeros((1, 8), jnp.int32)
    module, seen = Transformer(CONFIG, LOOP), []

    def watch(call, args, kwargs, context):
        is_call = context.method_name == "__call__"
        if is_call and isinstance(context.module, Attention):
            seen.append(context.module.path)
        return call(*args, **kwargs)

    with nn.intercept_methods(watch):
        result: Any = module.apply(
            {"params": params}, tokens, mutable=["intermediates"]
        )
    assert seen == [("blocks", f"layer_{n}", "attention") for n in range(2)]
    layers = result[1]["intermediates"]["blocks"]
    assert sorted(layers) == ["layer_0", "layer_1"]
    assert layers["layer_1"]["attention"]["pattern"][0].shape == (1, 3, 8, 8)


def test_a_trace_is_what_the_loop_computes():
    params = params_of(dataclasses.replace(CONFIG, initial_std=0.5))
    tokens = jnp.asarray([[1, 2, 3, 4, 5, 6, 0, 1]])
    traced: Any = trace(CONFIG, params, tokens)
    module = Transformer(CONFIG, LOOP)
    result: Any = module.apply({"params": params}, tokens, mutable=["intermediates"])
    logits, kept = result
    np.testing.assert_allclose(traced.logits, logits, atol=1e-4)
    for number in range(2):
        layer = kept["intermediates"]["blocks"][f"layer_{number}"]
        for name in ("after_attention", "after_mlp"):
            found = getattr(traced, name)[number]
            np.testing.assert_allclose(found, layer[name][0], atol=1e-4)
        pattern = layer["attention"]["pattern"][0]
        np.testing.assert_allclose(traced.pattern[number], pattern, atol=1e-5)
    np.testing.assert_allclose(traced.pattern.sum(-1), 1, atol=1e-6)
    assert float(jnp.triu(traced.pattern[0, 0, 0], 1).max()) == 0


def test_a_trace_without_mlps_says_so():
    config = dataclasses.replace(CONFIG, blocks="attention")
    traced: Any = trace(config, params_of(config), jnp.zeros((1, 3), jnp.int32))
    assert traced.after_mlp is None
    assert traced.neurons is None
    assert traced.pattern.shape == (2, 1, 3, 3, 3)


def test_a_head_is_taken_out_by_its_rows_of_value_up():
    params = params_of(dataclasses.replace(CONFIG, layers=1))["blocks"]["attention"]
    layer = jax.tree.map(lambda leaf: leaf[0], params)
    x = jax.random.normal(jax.random.key(2), (1, 5, 12))
    module = Attention(CONFIG, LOOP)

    def without(head):
        rows = layer["value_up"]["kernel"].at[head * 4 : head * 4 + 4].set(0)
        value_up = {**layer["value_up"], "kernel": rows}
        return module.apply({"params": {**layer, "value_up": value_up}}, x)[0]

    whole = module.apply({"params": layer}, x)[0]
    parts = [whole - without(head) for head in range(3)]
    np.testing.assert_allclose(sum(parts), whole, atol=1e-6)
    assert min(float(jnp.abs(part).max()) for part in parts) > 1e-6
