"""The table against the kernels: every claim kept, every other need refused."""

import itertools
import logging
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import logging as absl_logging

from nnguide.config import InputError
from nnguide.transformer.attention_kernels import TABLE, Wants, attend, choose, splash
from nnguide.transformer.attention_kernels.table import (
    FASTEST_FIRST,
    WHY_NOT,
    WORDS,
    announced,
)

NOTHING = Wants(*[False] * len(Wants._fields))
HERE = ["xla", "blockwise", "splash"]  # cudnn: see test_cudnn


def wanting(*needs):
    return NOTHING._replace(**dict.fromkeys(needs, True))


def able(kernel):
    return [need for need in Wants._fields if getattr(TABLE[kernel], need)]


def lacking(kernel):
    return [need for need in Wants._fields if not getattr(TABLE[kernel], need)]


def cases(kernels):
    """Each kernel with no need, with each of its abilities, and with all of them."""
    return [
        pytest.param(
            kernel,
            needs,
            id=f"{kernel}-{'+'.join(needs)}",
            # Interpreted, splash takes long to compile: all of them together suffice.
            marks=[pytest.mark.slow] if kernel == "splash" and len(needs) < 2 else [],
        )
        for kernel in kernels
        for needs in [(), *((claim,) for claim in able(kernel)), tuple(able(kernel))]
        if needs != ("float32",)  # all are tried in it
    ]


def call(kernel, needs, tokens, dtype=jnp.float32, seed=0):
    """Value and gradients of a call that has exactly these needs."""
    keys = jax.random.split(jax.random.key(seed), 5)
    batch, heads, width = 2, 4, 16
    groups = 2 if "grouped_heads" in needs else heads
    dtype = jnp.float32 if "float32" in needs else dtype
    shapes = [(batch, tokens, number, width) for number in (heads, groups, groups)]
    arrays = [
        jax.random.normal(key, shape, jnp.bfloat16).astype(dtype)
        for key, shape in zip(keys[:3], shapes, strict=True)
    ]
    asked: dict[str, Any] = {"causal": "causal" in needs}
    if "segments" in needs:
        borders = jnp.array([tokens // 3, tokens // 2])
        of_tokens = (jnp.arange(tokens)[None] >= borders[:, None]).astype(jnp.int32)
        asked["segments"] = (of_tokens, of_tokens)
    if "cache" in needs:
        valid = jax.random.bernoulli(keys[3], 0.7, (batch, tokens, tokens))
        asked["valid"] = valid.at[:, tokens // 2].set(False)  # a query that sees none
    if "softcap" in needs:
        asked["softcap"] = 1.5
    if "dropout" in needs:
        asked |= {"dropout": 0.3, "dropout_key": keys[4]}

    @jax.jit
    def run(arrays):
        result, pull_back = jax.vjp(lambda *x: attend(kernel, *x, **asked), *arrays)
        d_result = jnp.cos(jnp.arange(result.size)).astype(jnp.bfloat16).astype(dtype)
        return result, *pull_back(d_result.reshape(result.shape))

    return run(arrays)


@pytest.mark.parametrize(("kernel", "needs"), cases(HERE))
def test_each_kernel_keeps_every_claim_of_its_row(kernel, needs, monkeypatch):
    monkeypatch.setattr(splash, "INTERPRET", True)
    monkeypatch.setattr(splash, "BLOCKS", (128,))
    tokens = {"splash": 256}.get(kernel, 200)  # of several blocks, the last one ragged
    ours = call(kernel, (*needs, "float32"), tokens)
    reference = call("written_out", (*needs, "float32"), tokens)
    for mine, right in zip(ours, reference, strict=True):
        assert jnp.all(jnp.isfinite(mine))
        np.testing.assert_allclose(mine, right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", ["xla", "blockwise"])
def test_in_bfloat16_they_differ_by_rounding_only(kernel):
    needs = [need for need in able("xla") if need != "float32"]
    ours = call(kernel, needs, 160, jnp.bfloat16)
    reference = call("written_out", [*needs, "float32"], 160)
    for mine, right in zip(ours, reference, strict=True):
        assert mine.dtype == jnp.bfloat16
        error = jnp.linalg.norm((mine - right).ravel()) / jnp.linalg.norm(right.ravel())
        assert error < 0.01


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("kernel", "need"), [(kernel, need) for kernel in TABLE for need in lacking(kernel)]
)
def test_each_kernel_refuses_what_its_row_denies_with_the_reason(kernel, need):
    reason = rf"attention={kernel}: not with .*{WHY_NOT[kernel, need][:20]}"
    with pytest.raises(InputError, match=reason):
        call(kernel, [need], 128, jnp.bfloat16)
    dtype = jnp.float32 if need == "float32" else jnp.bfloat16
    platform = (*TABLE[kernel].platforms, "cpu")[0]
    with pytest.raises(InputError, match=reason):
        choose(kernel, wanting(need), platform, dtype, 64, 128)


def test_every_denial_has_a_reason_and_every_need_a_word():
    denials = {(kernel, need) for kernel in TABLE for need in lacking(kernel)}
    assert set(WHY_NOT) == denials
    assert tuple(WORDS) == Wants._fields


@pytest.mark.smoke
@pytest.mark.parametrize("platform", FASTEST_FIRST)
def test_auto_takes_the_first_that_can_whatever_is_wanted(platform):
    for bools in itertools.product([False, True], repeat=len(Wants._fields)):
        wants = Wants(*bools)
        dtype = jnp.float32 if wants.float32 else jnp.bfloat16
        taken, reason = choose("auto", wants, platform, dtype, 64, 256)
        order = FASTEST_FIRST[platform]
        for passed_over in order[: order.index(taken)]:
            assert f"{passed_over} cannot: not with" in reason
        assert all(
            getattr(TABLE[taken], need)
            for need in Wants._fields
            if getattr(wants, need)
        )


@pytest.mark.parametrize(
    ("platform", "dtype", "width", "tokens", "taken"),
    [
        ("cpu", jnp.float32, 32, 64, "blockwise"),
        ("gpu", jnp.bfloat16, 64, 1024, "cudnn"),
        ("gpu", jnp.float32, 64, 1024, "xla"),
        ("gpu", jnp.bfloat16, 60, 1024, "xla"),
        ("gpu", jnp.bfloat16, 136, 1024, "xla"),
        ("tpu", jnp.bfloat16, 64, 1024, "splash"),
        ("tpu", jnp.float32, 64, 1024, "splash"),
        ("tpu", jnp.bfloat16, 64, 1000, "xla"),
        ("a new one", jnp.bfloat16, 64, 1000, "xla"),
    ],
)
def test_auto_by_platform_type_and_sizes(platform, dtype, width, tokens, taken):
    wants = wanting("causal")
    assert choose("auto", wants, platform, dtype, width, tokens)[0] == taken


@pytest.mark.parametrize(
    ("kernel", "platform", "width", "tokens", "reason"),
    [
        ("cudnn", "cpu", 64, 128, "runs on gpu, not on cpu"),
        ("splash", "gpu", 64, 128, "runs on tpu, not on gpu"),
        ("cudnn", "gpu", 20, 128, "head width 20 is not a multiple of 8"),
        ("cudnn", "gpu", 256, 128, "head width 256 is more than 128"),
        ("splash", "tpu", 64, 100, "100 tokens are not a multiple of 128"),
    ],
)
def test_a_kernel_asked_for_is_never_replaced(kernel, platform, width, tokens, reason):
    with pytest.raises(InputError, match=reason) as refusal:
        choose(kernel, wanting("causal"), platform, jnp.bfloat16, width, tokens)
    assert "Give auto, or one of: written_out, xla, blockwise" in str(refusal.value)


def test_a_choice_is_logged_once_and_warns_where_the_fused_kernel_is_left(caplog):
    announced.cache_clear()
    absl_logging.get_absl_logger().propagate = True
    caplog.set_level(logging.INFO, "absl")
    for _ in range(3):
        choose("auto", wanting("causal"), "gpu", jnp.bfloat16, 64, 256)
        choose("auto", wanting("softcap"), "gpu", jnp.bfloat16, 64, 256)
    said = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert said[0] == ("INFO", "attention: cudnn (auto on gpu)")
    assert said[1][0] == "WARNING"
    assert said[1][1].startswith("attention: blockwise (auto on gpu; cudnn cannot: not")
    assert len(said) == 2


def test_an_unknown_kernel_and_a_missing_dropout_key_are_refused():
    x = jnp.ones((1, 4, 1, 8))
    with pytest.raises(InputError, match="attention=flash: no such kernel"):
        attend("flash", x, x, x)
    with pytest.raises(InputError, match=r"dropout=0.5: no dropout_key"):
        attend("written_out", x, x, x, dropout=0.5)
