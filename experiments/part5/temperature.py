"""What temperature does to a text: from loops through language to noise.

At every temperature the model goes on with the same pieces of the validation text. What
it writes is judged by itself (how surprising each token was to it, at T = 1), by its
variety, by whether its words exist, and by whether it goes round in circles.

Source: 3Blue1Brown, "Transformers, the tech behind LLMs" (T = 0 is trite, T = 5 is
nonsense); loops: Holtzman et al., arXiv 1904.09751.
"""

import dataclasses
import math
import re
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from experiments.part5 import sample
from experiments.part5.ladder import COUNTED
from experiments.part5.setting import Setting, Speaker
from nnguide.config import InputError
from nnguide.language.next_token import surprise
from nnguide.language.sampling import SamplingConfig
from nnguide.plots import style
from nnguide.plots import temperature as pictures
from nnguide.results import Band, Claim

LOOP = 64  # tokens that no text repeats by chance
WORD = re.compile(r"[^\W\d_]{3,}")  # noise hits upon shorter ones
SENTENCE = re.compile(r"[a-z][.!?:]\s+(?=[A-Z][a-z])")


@dataclasses.dataclass(frozen=True)
class Config:
    """How temperature is swept.

    Attributes:
      values: temperatures, ascending; 0 takes the likeliest token.
      texts: how many are written at each.
      length: tokens of each.
    """

    values: tuple[float, ...] = (0.0, 0.25, 0.5, 0.8, 1.0, 1.5, 2.0, 5.0)
    texts: int = 16
    length: int = 1024

    def __post_init__(self) -> None:
        values = self.values
        given = f"--temperature.values={','.join(map(str, values))}"
        if not values or list(values) != sorted(set(values)):
            raise InputError(f"{given}: give one or more, ascending.")
        for value in values:
            try:
                SamplingConfig(value)
            except InputError as error:
                raise InputError(f"{given}: {error}") from None
        if self.texts < 1:
            raise InputError(f"--temperature.texts={self.texts}: give 1 or more.")
        if self.length < 8:
            raise InputError(f"--temperature.length={self.length}: give 8 or more.")


class Judged(NamedTuple):
    """What became of the texts of one temperature.

    Attributes:
      surprise: mean over all tokens, nats, as the model itself sees them at T = 1.
      distinct: share of different ones among a text's 3-grams of tokens.
      known: share of the words written that the training text has.
      loops: share of texts that end by repeating themselves.
      text: the first of them.
    """

    surprise: float
    distinct: float
    known: float
    loops: float
    text: str


def distinct_trigrams(tokens: Int[np.ndarray, "B N"]) -> float:
    """The share of different 3-grams among those of each text; mean of the texts."""
    shares = []
    for row in tokens:
        trigrams = np.stack([row[:-2], row[1:-1], row[2:]], axis=-1)
        shares.append(len(np.unique(trigrams, axis=0)) / len(trigrams))
    return float(np.mean(shares))


def goes_round(tokens: Int[np.ndarray, "N"]) -> bool:
    """Whether a text ends in a loop: its end stands in it before, verbatim.

    The end is `LOOP` tokens, or a quarter of a shorter text. At temperature 0 a model
    that has come back to where it was can only go on as it did.
    """
    end = min(LOOP, len(tokens) // 4)
    earlier = np.lib.stride_tricks.sliding_window_view(tokens[:-1], end)
    return bool((earlier == tokens[-end:][None]).all(axis=-1).any())


def openings(text: str, count: int, longest: int) -> list[str]:
    """Beginnings of sentences, spread evenly over a text; fewer where it has fewer.

    Sentences, for a piece out of a table goes on with blanks for ever.
    """
    starts = [match.end() for match in SENTENCE.finditer(text[:-longest])] or [0]
    chosen = np.unique(np.linspace(0, len(starts) - 1, count).astype(int))
    return [text[starts[place] : starts[place] + longest] for place in chosen]


def words_of(text: str) -> list[str]:
    """The whole words of a text; those that its ends may have cut are left out."""
    inside = [
        match.group()
        for match in WORD.finditer(text)
        if match.start() > 0 and match.end() < len(text)
    ]
    return [word.lower() for word in inside]


def known_share(texts: list[str], vocabulary: set[str]) -> float:
    """The share of the texts' words that a vocabulary has; 0 where there are none."""
    words = [word for text in texts for word in words_of(text)]
    return sum(word in vocabulary for word in words) / max(len(words), 1)


def judge(
    speaker: Speaker, prompts: list[list[int]], config: Config, value: float,
    seed: int, vocabulary: set[str],
) -> Judged:  # fmt: skip
    """Writes the texts of one temperature and measures them."""
    asked = sample.Config(SamplingConfig(value), new_tokens=config.length)
    written = sample.generate(speaker, prompts, asked, seed, keep_logits=True)
    assert written.logits is not None
    tokens = np.asarray(written.tokens)
    texts = sample.texts(speaker, written)
    return Judged(
        float(_mean_surprise(written.logits, written.tokens)),
        distinct_trigrams(tokens),
        known_share(texts, vocabulary),
        float(np.mean([goes_round(row) for row in tokens])),
        texts[0],
    )


@jax.jit
def _mean_surprise(
    logits: Float[jax.Array, "B N V"], tokens: Int[jax.Array, "B N"]
) -> Float[jax.Array, ""]:
    return jnp.mean(surprise(logits, tokens)[0])


def study(
    config: Config, setting: Setting, speaker: Speaker
) -> tuple[list[Claim], list[str]]:
    """Sweeps the temperature, and draws what it does."""
    decode: Callable[..., str] = speaker.tokenizer.decode
    heldout = decode(setting.text.validation[:COUNTED])
    half = max(speaker.model.config.context // 2, 1)
    encoded = map(speaker.tokenizer.encode, openings(heldout, config.texts, half))
    prompts = [tokens[:half].tolist() for tokens in encoded]
    vocabulary = set(words_of(decode(setting.text.train[:COUNTED])))
    of_people = known_share([heldout], vocabulary)
    judged = {
        value: judge(speaker, prompts, config, value, setting.seed, vocabulary)
        for value in config.values
    }
    columns = [np.array(column) for column in zip(*judged.values(), strict=True)]
    values = np.array(config.values)
    shown = {
        value: judged[value].text
        for value in {values[0], values[np.abs(values - 1).argmin()], values[-1]}
    }
    picture = style.save(
        pictures.temperature(
            setting.theme,
            values,
            pictures.Measures(*columns[:4]),
            (of_people, math.log(setting.text.vocabulary_size)),
            (decode(prompts[0]), dict(sorted(shown.items()))),
            setting.unit,
        ),
        setting.workdir,
        "temperature",
        temperature=values,
        **dict(zip(Judged._fields, columns, strict=True)),
        known_of_people=of_people,
    )
    return _claims(config, setting, judged, columns[0]), [picture]


# Where we take the guide's words to hold, and where trainings here landed.
_LOOPS: tuple[Band, Band] = ((0.5, 1), (0.3, 1))
_SENSE: tuple[Band, Band] = ((0.5, 1), (0.52, 0.8))
_NONSENSE: tuple[Band, Band] = ((0, 0.5), (0, 0.1))
_TOLD = (0.8, 5.0)  # temperatures
_Row = tuple[float, str, str, float, Band, Band, str]


def _claims(
    config: Config, setting: Setting, judged: dict[float, Judged], surprises: np.ndarray
) -> list[Claim]:
    source = (
        "3Blue1Brown, Transformers, the tech behind LLMs; expected is what 8 trainings "
        "on both texts measured here"
    )
    scored = setting.recipe in ("default", "nanogpt_cpu") and config == Config()
    needs = "the default recipe or part5_nanogpt_cpu, and the default sweep"
    warm = surprises[np.array(config.values) >= 0.5]  # loops surprise less and less
    rises = float(np.mean(np.diff(warm) > 0)) if len(warm) > 1 else 1.0
    loops = judged[0.0].loops if 0.0 in judged else math.nan
    words = [judged[value].known if value in judged else math.nan for value in _TOLD]
    known = "share of words known"
    rows: tuple[_Row, ...] = (
        (0.0, "loops", "repeats itself for ever", loops, *_LOOPS, "share of texts"),
        (0.8, "words", "mostly writes words that exist", words[0], *_SENSE, known),
        (5.0, "words", "writes nonsense", words[1], *_NONSENSE, known),
    )
    claims = [
        Claim(
            f"5.{name}_at_{value:g}",
            f"at temperature {value:g} the model {says}",
            measured,
            stated,
            expected,
            source,
            unit=unit,
            needs=needs,
            scored=scored,
        )
        for value, name, says, measured, stated, expected, unit in rows
        if value in judged
    ]
    return [
        *claims,
        Claim(
            "5.surprise_rises",
            "from 0.5 up, the higher the temperature, the less likely what is written",
            rises,
            (1, 1),
            (1, 1),
            f"{source}; the mean of -log p rises with T",
            unit="share of the sweep's steps that go up",
            needs=needs,
            scored=scored,
        ),
    ]
