"""Generation: the loop with a cache writes what the loop without one writes."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.language.generation import make_generator, pad_prompts
from nnguide.language.sampling import SamplingConfig
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params

SMALL = TransformerConfig(
    vocabulary=11, context=8, layers=2, embedding=16, heads=4, dropout=0.0
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
    "rotary": dataclasses.replace(SMALL, positions="rotary", activation="gelu_exact"),
    "attention alone": dataclasses.replace(SMALL, blocks="attention"),
    "mlp alone": dataclasses.replace(SMALL, blocks="mlp", activation="relu"),
    "odd context": dataclasses.replace(SMALL, context=5, positions="none"),
    "context of one": dataclasses.replace(SMALL, context=1),
}
PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 1, 2]]  # the last one fills a context
FLOAT32 = Execution(compute_dtype="float32")


RARE = ("rotary", "odd context", "context of one", "attention alone")


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in RARE else [])
        for name in CONFIGS
    ]
)
def config(request) -> TransformerConfig:
    return CONFIGS[request.param]


@partial(jax.jit, static_argnums=0)
def grown(config):
    """Parameters large enough that tokens differ and every part matters."""
    params = nn.unbox(initial_params(config, jax.random.key(0)))
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    noisy = [
        leaf + 0.3 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return jax.tree.unflatten(tree, noisy)


def written(
    config, sampling, execution=FLOAT32, prompts=PROMPTS, count=13, **others
) -> Any:
    """What is generated from prompts cut to the context."""
    generator = make_generator(
        config,
        execution,
        sampling=sampling,
        new_tokens=count,
        keep_logits=True,
        **others,
    )
    cut = [prompt[: config.context] for prompt in prompts]
    padded = pad_prompts(cut, config.context, config.vocabulary)
    return generator(grown(config), *padded, jax.random.key(7))


@pytest.mark.parametrize(
    "sampling", [SamplingConfig(0.0), SamplingConfig(1.0, 7, 0.95)]
)
def test_the_cache_changes_nothing(config, sampling):
    cached, plain = (written(config, sampling, cached=c) for c in (True, False))
    np.testing.assert_array_equal(cached.tokens, plain.tokens)
    np.testing.assert_allclose(cached.logits, plain.logits, atol=1e-5, rtol=1e-5)
    assert cached.lengths.tolist() == [13, 13, 13]  # far past the context
    if config.context > 5 and sampling.temperature:
        assert len(set(np.asarray(cached.tokens).ravel().tolist())) > 3


def test_a_cache_may_be_shorter_than_half_a_context():
    cached, plain = (
        written(SMALL, SamplingConfig(0.0), prompts=[[1]], count=2, cached=c)
        for c in (True, False)
    )
    np.testing.assert_array_equal(cached.tokens, plain.tokens)


@pytest.mark.slow
@pytest.mark.smoke
def test_tokens_are_those_of_a_plain_python_loop():
    module, params = Transformer(SMALL, FLOAT32), grown(SMALL)
    generated = written(SMALL, SamplingConfig(0.0))
    for row, prompt in enumerate(PROMPTS):
        window = list(prompt)
        for token, logits in zip(
            generated.tokens[row].tolist(), generated.logits[row], strict=True
        ):
            row_logits: Any = module.apply({"params": params}, jnp.array([window]))
            reference = row_logits[0, -1]
            np.testing.assert_allclose(logits, reference, atol=1e-5, rtol=1e-5)
            assert token == int(jnp.argmax(reference))
            if len(window) == SMALL.context:
                window = window[SMALL.context // 2 :]
            window.append(token)


@pytest.mark.parametrize("layers", ["scan", "unroll", "loop"])
@pytest.mark.parametrize("name", ["gpt2", "mlp alone"])
def test_layers_may_be_run_in_any_way(layers, name):
    execution = dataclasses.replace(FLOAT32, layers=layers)
    one = written(CONFIGS[name], SamplingConfig(1.0), execution)
    other = written(CONFIGS[name], SamplingConfig(1.0), cached=False)
    np.testing.assert_array_equal(one.tokens, other.tokens)
    np.testing.assert_allclose(one.logits, other.logits, atol=1e-5, rtol=1e-5)


def test_a_row_is_written_as_it_is_alone():
    greedy, sampled = SamplingConfig(0.0), SamplingConfig(1.0)
    together = written(SMALL, greedy)
    for row, prompt in enumerate(PROMPTS):
        alone = written(SMALL, greedy, prompts=[prompt])
        np.testing.assert_array_equal(alone.tokens[0], together.tokens[row])
    together = written(SMALL, sampled)
    alone = written(SMALL, sampled, prompts=PROMPTS[:1])
    np.testing.assert_array_equal(alone.tokens[0], together.tokens[0])
    others = written(SMALL, sampled, prompts=[[3, 3], PROMPTS[1], [2]])
    np.testing.assert_array_equal(others.tokens[1], together.tokens[1])


@pytest.mark.smoke
def test_a_stop_token_ends_its_row_alone():
    free = written(SMALL, SamplingConfig(1.0), count=20)
    stop = int(free.tokens[0, 2])
    ended = written(SMALL, SamplingConfig(1.0), count=20, stop_tokens=(stop,))
    for row in range(3):
        tokens = free.tokens[row].tolist()
        length = tokens.index(stop) + 1 if stop in tokens else 20
        assert int(ended.lengths[row]) == length
        assert ended.tokens[row].tolist() == tokens[:length] + [0] * (20 - length)
        assert np.all(np.asarray(ended.logits[row, length:]) == 0)
    assert int(ended.lengths[0]) <= 3


def test_one_new_token_is_what_the_prompt_says():
    one, many = (written(SMALL, SamplingConfig(1.0), count=n) for n in (1, 13))
    np.testing.assert_array_equal(one.tokens, many.tokens[:, :1])


def test_temperatures_share_a_program_and_0_is_greedy():
    cold = written(SMALL, SamplingConfig(0.0))
    np.testing.assert_array_equal(cold.tokens, jnp.argmax(cold.logits, -1))
    hot = written(SMALL, SamplingConfig(3.0))
    assert np.any(np.asarray(hot.tokens) != np.asarray(cold.tokens))


def test_padding_of_the_vocabulary_is_never_drawn():
    generator = make_generator(SMALL, FLOAT32, 6, SamplingConfig(100.0), new_tokens=60)
    prompts = pad_prompts([[1], [2]], SMALL.context, 6)
    tokens = generator(grown(SMALL), *prompts, jax.random.key(0)).tokens
    assert set(np.asarray(tokens).ravel().tolist()) == set(range(6))


def test_bfloat16_products_write_finite_logits():
    half = Execution(compute_dtype="bfloat16")
    generated = written(CONFIGS["llama"], SamplingConfig(1.0), half)
    assert np.all(np.isfinite(generated.logits))
    exact = written(CONFIGS["llama"], SamplingConfig(1.0))
    first = np.abs(generated.logits[:, 0] - exact.logits[:, 0]).max()
    assert 0 < first < 0.2


def test_without_the_mask_the_window_is_read_anew_and_padding_is_unseen():
    config = dataclasses.replace(SMALL, causal=False)
    with pytest.raises(InputError, match=r"model\.causal=False: .*cached=False"):
        make_generator(config)
    together = written(config, SamplingConfig(0.0), cached=False)
    module, params = Transformer(config, FLOAT32), grown(config)
    for row, prompt in enumerate(PROMPTS):
        read: Any = module.apply({"params": params}, jnp.array([prompt]))
        alone = read[0, -1]
        np.testing.assert_allclose(together.logits[row, 0], alone, atol=1e-5, rtol=1e-5)


def test_prompts_are_padded_to_few_shapes():
    padded, lengths = pad_prompts([[1, 2, 3], [4]], 8, 11)
    assert padded.tolist() == [[1, 2, 3, 0], [4, 0, 0, 0]]
    assert lengths.tolist() == [3, 1]
    shapes = {pad_prompts([[1] * n], 1000, 11)[0].shape[1] for n in range(1, 1001)}
    assert shapes == {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000}


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ([], "there is none"),
        ([[1], []], "it is empty"),
        ([[1] * 9], "its 9 tokens are more than the model's context, 8"),
        ([[1, 11]], "token 11 is not in the vocabulary, 0 to 10"),
        ([[-1]], "token -1 is not in the vocabulary"),
    ],
)
def test_bad_prompts_are_named(prompts, says):
    with pytest.raises(InputError, match=rf"^--prompt: .*{says}.*\.$"):
        pad_prompts(prompts, 8, 11)


def test_other_bad_input_is_named():
    with pytest.raises(InputError, match=r"^--new_tokens=0: give 1 or more\.$"):
        make_generator(SMALL, new_tokens=0)
    with pytest.raises(InputError, match=r"^stop_tokens=11: not in the vocabulary"):
        make_generator(SMALL, stop_tokens=(11,))
