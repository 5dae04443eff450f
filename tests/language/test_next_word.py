"""The likeliest next words, and how a text came about."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.language.generation import Generated
from nnguide.language.next_word import next_words, step_by_step
from nnguide.language.sampling import SamplingConfig

LOGITS = jnp.log(jnp.asarray([0.1, 0.6, 0.3]))


def name(token: int) -> str:
    return "abc"[token]


def test_the_likeliest_come_first_with_their_probabilities():
    found = next_words(LOGITS, name, 2)
    assert [word.text for word in found] == ["b", "c"]
    assert [word.probability for word in found] == pytest.approx([0.6, 0.3])


def test_what_sampling_excludes_is_not_listed():
    found = next_words(LOGITS, name, 3, SamplingConfig(temperature=1.0, top_k=1))
    assert [(word.text, word.probability) for word in found] == [("b", 1.0)]


def test_every_step_has_its_candidates_and_its_choice():
    logits = jnp.stack([LOGITS, LOGITS[::-1]])[None]
    tokens, likely = jnp.asarray([[0, 1]]), jnp.zeros((1, 2))
    generated = Generated(tokens, jnp.asarray([2]), likely, logits)
    steps = step_by_step(generated, 0, name, 1)
    assert [step.candidates[0].text for step in steps] == ["b", "b"]
    assert [step.chosen.text for step in steps] == ["a", "b"]
    np.testing.assert_allclose(
        [step.chosen.probability for step in steps], [0.1, 0.6], rtol=1e-5
    )


def test_without_logits_there_are_no_steps():
    generated = Generated(jnp.asarray([[0]]), jnp.asarray([1]), jnp.zeros((1, 1)), None)
    with pytest.raises(TypeError, match="keep_logits"):
        step_by_step(generated, 0, name)
