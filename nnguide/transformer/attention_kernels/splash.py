"""Attention by JAX's splash kernel, on TPUs: blocks that the mask hides are skipped.

It is a Pallas (Mosaic) kernel and does not partition by itself: under a mesh of several
devices it runs inside `jax.shard_map`, each device on its rows of the batch and, where
the mesh has a tensor axis, on its heads.

Source: jax.experimental.pallas.ops.tpu.splash_attention.
"""

import functools
import math
from typing import Any

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Float, Int

from nnguide.array_types import Array
from nnguide.transformer.attention_kernels.mask import Segments, blind_to_zero

BLOCKS = (512, 256, 128)  # tokens; larger ones lose more where the diagonal cuts them
BATCH_AXES = ("data", "fsdp")
HEADS_AXIS = "tensor"
INTERPRET = False  # True runs the kernel where there is no TPU, slowly: for the tests


def attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    value: Float[Array, "B S G K"],
    *,
    causal: bool = True,
    segments: Segments | None = None,
    softcap: float = 0.0,
) -> Float[Array, "B T H K"]:
    """What each query's token takes from the others; see `attention_kernels.attend`."""
    whole = functools.partial(_on_one_device, causal=causal, softcap=softcap)
    arrays = (query, key, value, *(segments or ()))
    if specs := partition(query.shape[0], key.shape[2]):
        of_segments = (PartitionSpec(specs[0]),) * len(segments or ())
        whole = jax.shard_map(
            whole,
            in_specs=(specs, specs, specs, *of_segments),
            out_specs=specs,
            check_vma=False,
        )
    shape = query.shape[1], key.shape[1]
    return blind_to_zero(whole(*arrays), shape, causal, segments)


def partition(rows: int, groups: int) -> PartitionSpec | None:
    """How the arrays (rows, tokens, heads, width) lie on the mesh around the call.

    None where there is nothing to split: no mesh, one device, or code that already runs
    on each device by itself. An axis that does not divide its dimension stays whole.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.size <= 1 or mesh.manual_axes:
        return None
    batch_axes = [axis for axis in BATCH_AXES if axis in mesh.axis_names]
    while batch_axes and rows % math.prod(mesh.shape[axis] for axis in batch_axes):
        batch_axes.pop()
    splits_heads = groups % mesh.shape.get(HEADS_AXIS, groups + 1) == 0
    return PartitionSpec(
        tuple(batch_axes) or None, None, HEADS_AXIS if splits_heads else None
    )


def _on_one_device(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    value: Float[Array, "B S G K"],
    *segments: Int[Array, "B _"],
    causal: bool,
    softcap: float,
) -> Float[Array, "B T H K"]:
    # Here, for Pallas takes longer to import than the rest of the package.
    from jax.experimental.pallas.ops.tpu import splash_attention

    kernel = _kernel(query.shape[2], (query.shape[1], key.shape[1]), causal, softcap)
    scaled = query / math.sqrt(query.shape[-1])  # the kernel does not scale
    heads_first = [x.swapaxes(1, 2) for x in (scaled.astype(query.dtype), key, value)]
    if segments:
        ids = splash_attention.SegmentIds(*segments)
        weighted_sums = jax.vmap(kernel)(*heads_first, ids)
    else:
        weighted_sums = jax.vmap(kernel)(*heads_first)
    return weighted_sums.swapaxes(1, 2).astype(query.dtype)


def _kernel(heads: int, shape: tuple[int, int], causal: bool, softcap: float) -> Any:
    """The kernel of one row of the batch: (H, T, K), (G, S, K), (G, S, K)."""
    from jax.experimental.pallas.ops.tpu.splash_attention import (
        splash_attention_kernel as kernels,
    )
    from jax.experimental.pallas.ops.tpu.splash_attention import (
        splash_attention_mask as masks,
    )

    queries, keys = shape
    mask = (
        masks.CausalMask(shape, offset=keys - queries)
        if causal
        else masks.FullMask(shape)
    )
    block_q, block_kv = (block_size(tokens) for tokens in shape)
    return kernels.make_splash_mha(
        masks.MultiHeadMask([mask] * heads),
        block_sizes=kernels.BlockSizes(
            block_q=block_q,
            block_kv=block_kv,
            block_q_dkv=block_q,
            block_kv_dkv=block_kv,
            block_q_dq=block_q,
            block_kv_dq=block_kv,
        ),
        head_shards=1,
        q_seq_shards=1,
        attn_logits_soft_cap=softcap or None,
        interpret=INTERPRET,
    )


def block_size(tokens: int) -> int:
    """The largest block that divides the tokens."""
    return next(block for block in BLOCKS if tokens % block == 0)
