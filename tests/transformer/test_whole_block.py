"""Our kernel of whole blocks beside XLA: the same numbers, and where it is refused."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from kernel_models import grown_params, needs_compiler, variants

from nnguide.config import InputError
from nnguide.transformer.block_kernels import whole_block
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params
from nnguide.transformer.tracing import trace

GPT2 = TransformerConfig(
    vocabulary=11, context=80, layers=2, embedding=64, heads=2, dropout=0.0
)
ONE_LAYER = dataclasses.replace(GPT2, layers=1)
CONFIGS = variants(ONE_LAYER, grouped_heads=8) | {"gpt2": GPT2}
CONFIGS["relu"] = dataclasses.replace(CONFIGS["relu"], embedding=96)
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name == "relu" else name
    for name in CONFIGS
]
OURS = Execution(compute_dtype="float32", blocks="fused")
XLA = Execution(compute_dtype="float32", blocks="xla")
TEXTS = jax.random.randint(jax.random.key(0), (3, 77), 0, 11)  # more than one chunk
LENGTHS = jnp.asarray([35, 2, 1])
ANSWERS = jax.random.randint(jax.random.key(1), (6, 21), 0, 11)


def texts(module: Transformer, params: Any) -> jax.Array:
    logits: Any = module.apply({"params": params}, TEXTS)
    return jnp.sin(logits)


def answers(module: Transformer, params: Any) -> jax.Array:
    """What was read of questions (without padding) and of two answers to each."""
    read: Any = module.apply(
        {"params": params}, TEXTS[:, :35], LENGTHS, ANSWERS, method="read_answers"
    )
    real = (jnp.arange(35)[None] < LENGTHS[:, None])[..., None]
    questions = jnp.where(real, read[0], 0)
    return jnp.sin(jnp.concatenate([questions.ravel(), read[1].ravel()]))


def short_answers(module: Transformer, params: Any) -> jax.Array:
    """Of one token each, to questions of one."""
    given = TEXTS[:, :1], jnp.ones(3, jnp.int32), ANSWERS[:, :1]
    read: Any = module.apply({"params": params}, *given, method="read_answers")
    return jnp.sin(jnp.concatenate([read[0].ravel(), read[1].ravel()]))


def long_answers(module: Transformer, params: Any) -> jax.Array:
    given = TEXTS[:, :9], jnp.full(3, 9), TEXTS[:, 6:77]
    read: Any = module.apply({"params": params}, *given, method="read_answers")
    return jnp.sin(read[1])


def keys_and_values(module: Transformer, params: Any) -> jax.Array:
    read: Any = module.apply({"params": params}, TEXTS, method="read")
    return jnp.sin(jnp.concatenate([read[1].keys.ravel(), 2 * read[1].values.ravel()]))


def assert_close(ours: Any, wanted: Any, share: float) -> None:
    """To a share of the largest number of each array, if it is not 0 by symmetry."""
    sizes = jax.tree.map(lambda leaf: float(jnp.abs(leaf).max()), wanted)
    least = max(jax.tree.leaves(sizes)) / 100
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(wanted), strict=True):
        size = max(float(jnp.abs(other).max()), least)
        np.testing.assert_allclose(one, other, rtol=0, atol=share * size)


def with_gradient(
    of: Any, config: TransformerConfig, execution: Execution, params: Any
) -> Any:
    """What is read, and the gradient of a sum of it that weighs each number."""
    module = Transformer(config, execution)

    def total(params: Any) -> tuple[jax.Array, jax.Array]:
        found = of(module, params).ravel()
        return (found * jnp.sin(jnp.arange(found.size))).sum(), found

    gradient, found = jax.jit(jax.grad(total, has_aux=True))(params)
    return found, gradient


def everything(module: Transformer, params: Any) -> jax.Array:
    read = texts, answers, short_answers, long_answers, keys_and_values
    return jnp.concatenate([of(module, params).ravel() for of in read])


@pytest.mark.smoke
@needs_compiler
@pytest.mark.parametrize("name", NAMES)
def test_the_kernel_reads_what_xla_reads_and_its_gradient_is_the_same(name):
    config, params = CONFIGS[name], grown_params(CONFIGS[name], 0.1)
    ours, wanted = (
        with_gradient(everything, config, each, params) for each in (OURS, XLA)
    )
    assert_close(ours[0], wanted[0], 1e-5)
    assert_close(ours[1], wanted[1], 1e-5)


@needs_compiler
def test_without_a_gradient_it_reads_the_same():
    """Then nothing is kept."""
    params, module = grown_params(GPT2, 0.1), Transformer(GPT2, OURS)
    kept = with_gradient(answers, GPT2, OURS, params)[0]
    read = jax.jit(lambda params: answers(module, params))(params)
    assert_close(read, kept, 1e-6)


@needs_compiler
def test_neither_padding_nor_other_answers_nor_later_tokens_are_seen():
    params, module = grown_params(GPT2, 0.1), Transformer(GPT2, OURS)
    variables = {"params": params}
    shown: Any = module.apply(variables, TEXTS)
    cut: Any = module.apply(variables, TEXTS.at[:, 70:].set(0))
    np.testing.assert_array_equal(shown[:, :70], cut[:, :70])

    def read(questions: jax.Array, answers: jax.Array) -> Any:
        given = (questions, LENGTHS, answers)
        return module.apply(variables, *given, method="read_answers")

    padded = TEXTS[:, :35].at[1, 2:].set(7)  # the second question has two tokens
    other = ANSWERS.at[3].set(7)  # its second answer
    before, after = read(TEXTS[:, :35], ANSWERS)[1], read(padded, other)[1]
    np.testing.assert_array_equal(before[:3], after[:3])
    assert jnp.abs(before[3] - after[3]).max() > 0.01


@needs_compiler
def test_it_can_be_mapped_and_rematerialized():
    params = grown_params(GPT2, 0.1)
    module = Transformer(GPT2, OURS)

    def loss(params: Any, tokens: jax.Array) -> jax.Array:
        logits: Any = module.apply({"params": params}, tokens[None])
        return logits.sum()

    each = jax.vmap(jax.grad(loss), (None, 0))(params, TEXTS)
    whole = jax.grad(jax.checkpoint(lambda p: sum(loss(p, t) for t in TEXTS)))(params)
    assert_close(jax.tree.map(lambda leaf: leaf.sum(0), each), whole, 1e-5)


@needs_compiler
def test_what_the_kernel_does_not_know_is_refused():
    key = jax.random.key(0)
    for model, execution, given, message in (
        ({"positions": "rotary"}, {}, {}, r"does not know model\.positions=rotary"),
        ({"activation": "swiglu"}, {}, {}, r"does not know model\.activation=swiglu"),
        ({"causal": False}, {}, {}, r"does not know model\.causal=False"),
        ({"embedding": 48}, {}, {}, r"heads are 48 numbers, not a multiple of 32"),
        ({"heads": 8}, {}, {}, r"heads=8 is not a multiple of 16"),
        ({"dropout": 0.5}, {}, {"key": key}, "it drops nothing out"),
        ({}, {}, {"segments": TEXTS}, "rows hold several documents"),
        ({}, {"compute_dtype": "bfloat16"}, {}, "its products are in float32"),
        ({}, {"remat": "everything"}, {}, "remat=everything is asked for"),
        ({}, {"layers": "loop"}, {}, "layers=loop is asked for"),
        ({}, {"attention": "written_out"}, {}, "attention=written_out is asked for"),
    ):
        config = dataclasses.replace(GPT2, **model)
        module = Transformer(config, dataclasses.replace(OURS, **execution))
        shapes = jax.eval_shape(partial(initial_params, config), key)
        variables = {"params": nn.unbox(shapes)}
        with pytest.raises(InputError, match=message):
            jax.eval_shape(partial(module.apply, **given), variables, TEXTS)
    with pytest.raises(InputError, match="what happens inside is watched"):
        trace(GPT2, grown_params(GPT2, 0.1), TEXTS, OURS)


def test_auto_leaves_few_tokens_and_wide_models_to_xla(monkeypatch):
    monkeypatch.setattr(whole_block, "_threads", lambda: 2)
    assert "32 tokens for each of 2 threads" in whole_block.too_little(GPT2, 63)
    assert whole_block.too_little(GPT2, 64) == ""
    wide = dataclasses.replace(GPT2, embedding=768)
    assert "XLA is as fast for 768 numbers" in whole_block.too_little(wide, 64)


def test_parameters_of_another_shape_are_refused():
    """C++ would read past their ends."""
    layer = jax.tree.map(lambda leaf: leaf[0], grown_params(GPT2, 0.1)["blocks"])
    config = dataclasses.replace(GPT2, neurons=512)
    with pytest.raises(ValueError, match=r"up_projection/kernel is \(64, 256\)"):
        whole_block.parts_of(config, layer)
    layer["mlp"]["up_projection"]["bias"] = jnp.zeros(255)
    with pytest.raises(ValueError, match=r"up_projection/bias is \(255,\)"):
        whole_block.parts_of(GPT2, layer)


@needs_compiler
@pytest.mark.parametrize("activation", ["relu", "relu_squared", "gelu_exact"])
def test_nan_is_not_hidden(activation):
    config = dataclasses.replace(ONE_LAYER, activation=activation)
    params = grown_params(config, 0.1)
    bias = params["blocks"]["mlp"]["up_projection"]["bias"]
    params["blocks"]["mlp"]["up_projection"]["bias"] = bias.at[0, 0].set(jnp.nan)
    logits: Any = Transformer(config, OURS).apply({"params": params}, TEXTS)
    assert jnp.isnan(logits).all()
