"""Tables on a mesh are looked up whole, or split where their rows divide."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from jax.sharding import AxisType

from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.embedding import Embedding


@pytest.mark.parametrize(("vocabulary", "split"), [(64, "tensor"), (65, None)])
def test_a_vocabulary_that_does_not_divide_stays_whole(vocabulary, split, key):
    config = TransformerConfig(vocabulary=vocabulary, context=8, embedding=4, heads=1)
    module, tokens = Embedding(config), jnp.zeros((2, 8), jnp.int32)
    params = jax.eval_shape(lambda: nn.unbox(module.init(key, tokens)))
    kinds = (AxisType.Auto,) * 2
    mesh = jax.make_mesh((2, 4), ("fsdp", "tensor"), axis_types=kinds)
    rules = (("vocabulary", "tensor"), ("embedding", "fsdp"))
    with jax.set_mesh(mesh), nn.logical_axis_rules(rules):
        traced = jax.make_jaxpr(module.apply)(params, tokens)
    specs = [
        equation.params["sharding"].spec
        for equation in traced.jaxpr.eqns
        if equation.primitive.name == "sharding_constraint"
    ]
    assert [spec[0] for spec in specs] == [split, None]  # tokens, then places
