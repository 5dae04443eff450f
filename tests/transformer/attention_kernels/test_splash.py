"""Splash without a TPU: interpreted on a mesh of eight devices, and lowered for TPU."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from nnguide.transformer.attention_kernels import attend, splash


def arrays(batch=4, tokens=128, keys=128, dtype=jnp.float32, groups=2):
    shapes = [
        (batch, tokens, 4, 16),
        (batch, keys, groups, 16),
        (batch, keys, groups, 16),
    ]
    return [
        jax.random.normal(jax.random.key(number), shape).astype(dtype)
        for number, shape in enumerate(shapes)
    ]


def gradients(kernel, arrays, **asked):
    return jax.jit(
        jax.value_and_grad(lambda x: jnp.sum(jnp.sin(attend(kernel, *x, **asked))))
    )(arrays)


def assert_equal(ours, right):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, right
    )


def mesh(data=2, fsdp=2, tensor=2):
    axes = ("data", "fsdp", "tensor")
    return jax.make_mesh((data, fsdp, tensor), axes, axis_types=(AxisType.Auto,) * 3)


def test_on_a_mesh_of_eight_devices_it_equals_the_reference(monkeypatch):
    monkeypatch.setattr(splash, "INTERPRET", True)
    ids = (jnp.arange(128)[None] >= jnp.array([[9], [50], [64], [127]])).astype(int)
    reference = gradients("written_out", arrays(), segments=(ids, ids))
    with jax.set_mesh(mesh()):
        ours = gradients("splash", arrays(), segments=(ids, ids))
    assert_equal(ours, reference)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tokens", "keys", "causal"),
    [(128, 256, True), (256, 128, True), (256, 128, False)],
)
def test_other_keys_than_the_queries_own(tokens, keys, causal, monkeypatch):
    monkeypatch.setattr(splash, "INTERPRET", True)
    x = arrays(2, tokens, keys)
    ours = gradients("splash", x, causal=causal)
    assert_equal(ours, gradients("written_out", x, causal=causal))


@pytest.mark.smoke
@pytest.mark.parametrize("on_mesh", [False, True])
def test_it_lowers_for_tpu_as_three_kernels(on_mesh):
    shapes = [jax.ShapeDtypeStruct(x.shape, jnp.bfloat16) for x in arrays(8, 256, 256)]

    def program():
        step = jax.jit(
            jax.grad(lambda x: attend("splash", *x).astype(jnp.float32).sum())
        )
        return step.trace(shapes).lower(lowering_platforms=("tpu",)).as_text()

    if on_mesh:
        with jax.set_mesh(mesh()):
            text = program()
        assert '[{"data", "fsdp"}, {}, {"tensor"}, {}]' in text
    else:
        text = program()
    assert text.count("tpu_custom_call") == 3  # forward; dq; dk and dv


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("rows", "groups", "spec"),
    [
        (8, 4, P(("data", "fsdp"), None, "tensor")),
        (2, 4, P(("data",), None, "tensor")),
        (8, 3, P(("data", "fsdp"), None, None)),
        (1, 1, P(None, None, None)),
    ],
)
def test_an_axis_that_does_not_divide_stays_whole(rows, groups, spec):
    with jax.set_mesh(mesh()):
        assert splash.partition(rows, groups) == spec


@pytest.mark.smoke
def test_there_is_nothing_to_split_without_a_mesh_or_inside_shard_map():
    assert splash.partition(8, 4) is None
    with jax.set_mesh(jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))):
        assert splash.partition(8, 4) is None
    with jax.set_mesh(mesh(8, 1, 1)):

        def inside(x):
            assert splash.partition(8, 4) is None
            return x

        jax.shard_map(inside, in_specs=P("data"), out_specs=P("data"))(jnp.ones(8))


@pytest.mark.parametrize(
    ("tokens", "block"), [(128, 128), (384, 128), (768, 256), (4096, 512)]
)
def test_blocks_are_the_largest_that_divide(tokens, block):
    assert splash.block_size(tokens) == block
