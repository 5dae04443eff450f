"""What every stage and study of part 5 is given: the text, the model, the folder."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

from nnguide.array_types import Params
from nnguide.config import InputError
from nnguide.data.text import TextConfig, TextSource, load_text
from nnguide.plots.style import Theme
from nnguide.tokenizer.characters import Characters
from nnguide.tokenizer.protocol import Tokenizer
from nnguide.transformer.config import Execution, TransformerConfig


class Model(NamedTuple):
    """A transformer as it is computed here.

    Attributes:
      config: what it is; its vocabulary is as large as its table.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: none is.
    """

    config: TransformerConfig
    execution: Execution = Execution()
    known_tokens: int = 0

    def countable(self) -> "Model":
        """The same written out in XLA, whose FLOPs can be counted anywhere."""
        execution = dataclasses.replace(
            self.execution, attention="written_out", blocks="xla"
        )
        return self._replace(execution=execution)


class Setting(NamedTuple):
    """A text, the transformer that learns it, and where results go.

    Attributes:
      data: which text.
      text: its tokens in two parts, and its tokenizer.
      model: the transformer.
      seed: of all that is random.
      workdir: of the run.
      theme: of the pictures.
      recipe: which of the launcher's `RECIPES` is trained; "" for any other. Bands are
        known for some of them.
    """

    data: TextConfig
    text: TextSource
    model: Model
    seed: int
    workdir: Path
    theme: Theme
    recipe: str

    @property
    def unit(self) -> str:
        """What one token is called."""
        return "character" if isinstance(self.text.tokenizer, Characters) else "token"


class Trained(NamedTuple):
    """A trained model.

    Attributes:
      params: its parameters (their running average where the optimizer keeps one).
      history: the rows of metrics.jsonl.
      step: how many steps it was trained for.
    """

    params: Params
    history: list[dict[str, Any]]
    step: int


def read_text(data: TextConfig, model: TransformerConfig) -> TextSource:
    """Loads the text; `model.vocabulary` counts the ids of tokens that say nothing.

    Raises:
      InputError: the text or its tokenizer cannot be had.
    """
    silent = data.tokenizer is None and data.vocabulary is None
    if data.dataset.startswith("tokens:") and silent and model.vocabulary:
        data = dataclasses.replace(data, vocabulary=model.vocabulary)
    return load_text(data)


class Speaker(NamedTuple):
    """A trained model that can be spoken with.

    Attributes:
      model: the transformer.
      params: its parameters.
      tokenizer: what turns text into its tokens.
    """

    model: Model
    params: Params
    tokenizer: Tokenizer


def fitted(config: TransformerConfig, execution: Execution, known: int) -> Model:
    """The model with a vocabulary for a tokenizer of `known` ids.

    Raises:
      InputError: the vocabulary asked for is smaller than the tokenizer's.
    """
    if not config.vocabulary:
        return Model(dataclasses.replace(config, vocabulary=known), execution)
    if config.vocabulary < known:
        raise InputError(
            f"--model.vocabulary={config.vocabulary}: the text has {known:,} different "
            "tokens; give 0 (as many) or more."
        )
    return Model(config, execution, known if known < config.vocabulary else 0)


def unread(setting: Setting) -> Speaker:
    """Who will speak once it is trained.

    Raises:
      InputError: the text has no tokenizer.
    """
    if setting.text.tokenizer is None:
        raise InputError(
            f"--dataset={setting.data.dataset}: nothing can be said without a "
            "tokenizer; name one with --tokenizer."
        )
    return Speaker(setting.model, None, setting.text.tokenizer)
