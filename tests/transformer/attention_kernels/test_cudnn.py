"""cuDNN's kernel without a GPU: the lowered program holds the fused calls.

Lowering for CUDA asks for cuDNN's version, which a machine without one does not have;
the tests answer for it.
"""

import re

import jax
import jax.numpy as jnp
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from nnguide.config import InputError
from nnguide.transformer.attention_kernels import TABLE, attend


@pytest.fixture
def cudnn_9_10(monkeypatch):
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91000)


def lowered(width=64, groups=4, keys=256, **asked):
    shapes = [(2, 256, 4, width), (2, keys, groups, width), (2, keys, groups, width)]
    arrays = [jax.ShapeDtypeStruct(shape, jnp.bfloat16) for shape in shapes]

    def gradients(arrays):
        return jax.grad(
            lambda x: attend("cudnn", *x, **asked).astype(jnp.float32).sum()
        )(arrays)

    program = jax.jit(gradients).trace(arrays).lower(lowering_platforms=("cuda",))
    return program.as_text()


@pytest.mark.smoke
@pytest.mark.usefixtures("cudnn_9_10")
@pytest.mark.parametrize("groups", [4, 2])
@pytest.mark.parametrize(("causal", "mask"), [(True, "CAUSAL"), (False, "NO_MASK")])
def test_forward_and_backward_are_one_fused_call_each(groups, causal, mask):
    text = lowered(groups=groups, causal=causal)
    assert set(re.findall(r"__cudnn\$\w+", text)) == {
        "__cudnn$fmhaSoftmax",
        "__cudnn$fmhaSoftmaxBackward",
    }
    masks = re.findall(r"mask_type\W+(\w+)", text.replace(r"\22", '"'))
    assert masks == [mask] * 2
    assert "256x256" not in text  # no array of all scores


@pytest.mark.usefixtures("cudnn_9_10")
@pytest.mark.parametrize("width", [8, 120, TABLE["cudnn"].width_most])
def test_the_widths_of_the_table_are_those_cudnn_takes(width):
    assert "__cudnn$fmhaSoftmaxBackward" in lowered(width)


@pytest.mark.usefixtures("cudnn_9_10")
def test_other_keys_are_fine_without_a_mask_and_refused_with():
    assert "__cudnn$fmhaSoftmax" in lowered(keys=128, causal=False)
    with pytest.raises(
        InputError, match="256 queries and 128 keys under a causal mask"
    ):
        lowered(keys=128, causal=True)


def test_without_cudnn_it_fails_clearly():
    with pytest.raises(RuntimeError, match="cuDNN is not detected"):
        lowered()


@pytest.mark.gpu
def test_on_a_gpu_it_equals_the_reference():
    arrays = [
        jax.random.normal(jax.random.key(n), (2, 256, 4, 64), jnp.bfloat16)
        for n in range(3)
    ]

    def gradients(kernel, arrays):
        return jax.grad(lambda x: attend(kernel, *x).astype(jnp.float32).sum())(arrays)

    ours = gradients("cudnn", arrays)
    reference = gradients("written_out", [x.astype(jnp.float32) for x in arrays])
    for mine, right in zip(ours, reference, strict=True):
        assert jnp.linalg.norm((mine - right).ravel()) < 0.02 * jnp.linalg.norm(
            right.ravel()
        )
