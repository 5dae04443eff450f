"""Our decoding kernel beside XLA's loop: the same logits, and where it is refused."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernel_models import grown_params, needs_compiler, variants

from nnguide.config import InputError
from nnguide.language.generation import make_generator
from nnguide.language.sampling import SamplingConfig
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.decoding_kernels import fused

GPT2 = TransformerConfig(
    vocabulary=11, context=40, layers=2, embedding=32, heads=2, dropout=0.0
)
CONFIGS = variants(GPT2, grouped_heads=4)
PROMPTS = [[1, 2, 3, 4, 5, 6, 7], [4, 9], [8]]


def written(config: TransformerConfig, execution: Execution, copies: int = 3) -> Any:
    """Three prompts of different lengths, each gone on from several times."""
    generate = make_generator(
        config,
        execution,
        sampling=SamplingConfig(1.0),
        new_tokens=21,
        stop_tokens=(10,),
        keep_logits=True,
        copies=copies,
    )
    tokens = jnp.asarray([row + [0] * (7 - len(row)) for row in PROMPTS])
    lengths = jnp.asarray([len(row) for row in PROMPTS])
    return generate(grown_params(config, 0.2), tokens, lengths, jax.random.key(2))


@pytest.mark.smoke
@needs_compiler
@pytest.mark.parametrize("name", CONFIGS)
def test_the_kernel_writes_what_xla_writes(name):
    ours, xla = (
        written(CONFIGS[name], Execution(compute_dtype="float32", decoding=decoding))
        for decoding in ("fused", "xla")
    )
    np.testing.assert_array_equal(ours.tokens, xla.tokens)
    assert len(set(np.asarray(ours.lengths).tolist())) > 2  # ends are different
    size = np.abs(np.asarray(xla.logits)).max()
    np.testing.assert_allclose(ours.logits, xla.logits, atol=3e-6 * size)
    np.testing.assert_allclose(
        ours.log_probabilities, xla.log_probabilities, atol=1e-5 * size
    )


@needs_compiler
def test_its_products_are_rounded_as_xla_rounds_them():
    """Unrounded ones differ 100 times as much; a number near a half goes either way."""
    float32, ours, xla = (
        written(CONFIGS["nanogpt"], execution)
        for execution in (
            Execution(compute_dtype="float32", decoding="fused"),
            Execution(compute_dtype="bfloat16", decoding="fused"),
            Execution(compute_dtype="bfloat16", decoding="xla"),
        )
    )

    def apart(one: Any, other: Any) -> float:
        # Of the first tokens, before answers part.
        first = (np.asarray(each.logits)[:, 1] for each in (one, other))
        return float(np.abs(np.subtract(*first)).mean())

    assert apart(ours, xla) < apart(float32, ours) / 10


def test_log_probabilities_are_those_of_the_logits():
    found = written(GPT2, Execution(compute_dtype="float32", decoding="xla"), 1)
    all_of_them = jax.nn.log_softmax(found.logits)
    chosen = np.take_along_axis(np.asarray(all_of_them), found.tokens[..., None], -1)
    counted = np.arange(21)[None] < np.asarray(found.lengths)[:, None]
    wanted = np.where(counted, chosen[..., 0], 0)
    np.testing.assert_allclose(found.log_probabilities, wanted, atol=1e-6)


def test_what_the_kernel_does_not_know_is_refused():
    fused_alone = Execution(compute_dtype="float32", decoding="fused")
    for changes, message in (
        ({"positions": "rotary"}, r"does not know model\.positions=rotary"),
        ({"activation": "swiglu"}, r"does not know model\.activation=swiglu"),
        ({"embedding": 48}, r"model\.embedding=48 is not a multiple of 32"),
        ({"heads": 4}, r"heads=8 is not a multiple of 16"),
        ({"context": 20}, "rows may outgrow the context"),
    ):
        with pytest.raises(InputError, match=message):
            written(dataclasses.replace(GPT2, **changes), fused_alone)


def test_auto_leaves_few_rows_to_xla(caplog):
    with caplog.at_level("INFO", "absl"):
        written(dataclasses.replace(GPT2, vocabulary=12), Execution(), copies=1)
    assert "decoding: xla (auto; fused cannot: a thread takes whole rows" in caplog.text
    assert fused.unsuited(GPT2) == ""
