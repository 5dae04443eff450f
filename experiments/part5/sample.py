"""Texts that the model goes on with, from prompts of the command line.

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from experiments.part5.setting import Speaker
from nnguide.language.generation import Generated, make_generator, pad_prompts
from nnguide.language.sampling import SamplingConfig
from nnguide.transformer.config import Execution


@dataclasses.dataclass(frozen=True)
class Config:
    """How text is written.

    Attributes:
      sampling: how the next token is drawn.
      samples: continuations of each prompt.
      new_tokens: at most so many in each.
    """

    sampling: SamplingConfig = SamplingConfig()
    samples: int = 1
    new_tokens: int = 300


def generate(
    speaker: Speaker,
    prompts: Sequence[Sequence[int]],
    config: Config,
    seed: int,
    stop_tokens: tuple[int, ...] = (),
    keep_logits: bool = False,
) -> Generated:
    """Goes on with prompts; each comes `config.samples` times in a row.

    Raises:
      InputError: a prompt is empty, longer than the context or not of the vocabulary.
    """
    model = speaker.model
    repeated = [prompt for prompt in prompts for _ in range(config.samples)]
    known = speaker.tokenizer.vocabulary_size
    padded, lengths = pad_prompts(repeated, model.config.context, known)
    generator = make_generator(
        model.config,
        execution_for(speaker),
        model.known_tokens,
        config.sampling,
        config.new_tokens,
        stop_tokens,
        keep_logits=keep_logits,
    )
    return generator(speaker.params, padded, lengths, jax.random.key(seed))


def execution_for(speaker: Speaker) -> Execution:
    """How to compute while writing: a kernel chosen for training may know no cache."""
    return dataclasses.replace(speaker.model.execution, attention="auto")


def texts(speaker: Speaker, generated: Generated) -> list[str]:
    """What was written, without the prompts."""
    tokens, lengths = np.asarray(generated.tokens), np.asarray(generated.lengths)
    return [
        speaker.tokenizer.decode(row[:length])
        for row, length in zip(tokens, lengths, strict=True)
    ]


def write(speaker: Speaker, config: Config, prompts: Sequence[str], seed: int) -> None:
    """Prints each prompt with its continuations; a new line where none is given.

    Raises:
      InputError: the model cannot read a prompt.
    """
    asked = list(prompts) or ["\n"]
    encoded = [speaker.tokenizer.encode(prompt).tolist() for prompt in asked]
    written = texts(speaker, generate(speaker, encoded, config, seed))
    for place, text in enumerate(written):
        print(f"{asked[place // config.samples]}{text}\n{'-' * 15}")
