"""cuDNN's kernel without a GPU: the lowered program holds the fused calls.

Lowering for CUDA asks for cuDNN's version, which a machine without one does not have;
the tests answer for it.
"""

import itertools
import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax._src.cudnn import fused_attention_stablehlo

from nnguide import target
from nnguide.config import InputError
from nnguide.transformer.attention_kernels import TABLE, Wants, attend, choose
from nnguide.transformer.attention_kernels.table import Case, cannot


@pytest.fixture
def cudnn_9_10(monkeypatch):
    monkeypatch.setattr(fused_attention_stablehlo, "check_cudnn_version", lambda: 91000)


@pytest.fixture
def capability(monkeypatch):
    """Sets the compute capability of the GPU that JAX and we believe to be here."""

    def set_to(value):
        def at_least(text):
            return value is not None and value >= tuple(map(int, text.split(".")))

        monkeypatch.setattr(target, "compute_capability", lambda: value)
        monkeypatch.setattr(
            fused_attention_stablehlo, "check_compute_capability", at_least
        )

    return set_to


def lowered(
    width=64, groups=4, queries=256, keys=256, training=True, dtype=jnp.bfloat16,
    attention=attend, **asked,
):  # fmt: skip
    shapes = [(queries, 4), (keys, groups), (keys, groups)]
    arrays = [jax.ShapeDtypeStruct((2, *shape, width), dtype) for shape in shapes]

    def total(arrays):
        return attention("cudnn", *arrays, **asked).astype(jnp.float32).sum()

    traced = jax.jit(jax.grad(total) if training else total).trace(arrays)
    return traced.lower(lowering_platforms=("cuda",)).as_text()


def jax_itself(kernel, *arrays, causal):
    """What `attend` calls, without any check of ours."""
    return jax.nn.dot_product_attention(
        *arrays, is_causal=causal, implementation=kernel
    )


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


NOTHING = Wants(*[False] * len(Wants._fields))
SIZES = list(
    itertools.product(
        [jnp.bfloat16, jnp.float16, jnp.float32],
        [8, 60, 64, 128, 136, 256, 264],  # head widths
        [(64, 64), (77, 77), (1, 1), (64, 77), (77, 64), (49, 16)],  # queries, keys
        [False, True],  # training
        [None, (8, 0), (9, 0), (12, 0)],  # compute capabilities
    )
)


@pytest.mark.smoke
def test_the_tables_answer_is_that_of_jaxs_own_check(capability):
    """Its check of the operands and its check of what the kernel can do."""
    try:
        layout = fused_attention_stablehlo.AttentionLayout.BTNH
        of_operands: Any = fused_attention_stablehlo.check_layout
        of_kernel: Any = fused_attention_stablehlo.check_is_flash_attention
    except AttributeError as error:
        if jax.__version_info__[:2] in ((0, 10), (0, 12)):
            raise
        pytest.skip(f"JAX {jax.__version__} has another check: {error}")

    def jaxs(dtype, width, queries, keys, training):
        shapes = [(2, queries, 4, width), *[(2, keys, 4, width)] * 2]
        arrays = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
        try:
            of_operands(*arrays, *[None] * 7, layout)
            # Calls without a bias hand an empty array over, which counts as one.
            of_kernel(*arrays, layout.value, 91100, True, training)
        except NotImplementedError as error:
            return str(error)
        return None

    refused = 0
    for dtype, width, (queries, keys), training, value in SIZES:
        capability(value)
        theirs = jaxs(dtype, width, queries, keys, training)
        case = Case(NOTHING, dtype, width, queries, keys)
        ours = cannot("cudnn", case, "gpu", training)
        assert (ours is None) == (theirs is None), (case, training, value, ours, theirs)
        refused += ours is not None
    assert 0 < refused < len(SIZES)


@pytest.mark.usefixtures("cudnn_9_10")
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("tokens", "width", "value"),
    [(77, 64, None), (64, 136, None), (64, 256, (9, 0)), (64, 64, None)],
)
def test_whole_calls_pass_where_the_table_says_so(
    capability, training, tokens, width, value
):
    """As the check above, through everything that JAX does before it."""
    capability(value)
    case = Case(NOTHING, jnp.bfloat16, width, tokens, tokens)
    sizes = {"width": width, "queries": tokens, "keys": tokens, "causal": True}
    if why := cannot("cudnn", case, "gpu", training):
        with pytest.raises(NotImplementedError):
            lowered(attention=jax_itself, training=training, **sizes)
        with pytest.raises(InputError, match=f"attention=cudnn: {why}"):
            lowered(training=training, **sizes)
    else:
        assert "__cudnn$fmhaSoftmax" in lowered(training=training, **sizes)


@pytest.mark.parametrize("sizes", [(77, 77), (64, 77), (77, 64)])
def test_auto_trains_odd_lengths_by_the_next_kernel(sizes):
    """CLIP's texts have 77 tokens, and many a picture has an odd number of patches."""
    taken, reason = choose("auto", NOTHING, "gpu", jnp.bfloat16, 64, *sizes)
    assert taken == "xla"
    assert "77 tokens are not a multiple of 2, as its gradient needs" in reason


def test_gpus_older_than_cudnns_kernel_are_left_to_the_next(capability):
    capability((7, 5))
    taken, reason = choose("auto", NOTHING, "gpu", jnp.bfloat16, 64, 64)
    assert taken == "xla"
    assert "it needs an Ampere GPU" in reason


def test_float64_is_no_type_of_cudnns():
    reason = "not with float32: it takes bfloat16 or float16 only"
    case = Case(NOTHING, jnp.float64, 64, 64, 64)
    assert cannot("cudnn", case) == reason


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
