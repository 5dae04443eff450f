"""How long it would take: to read what a model has read, to compute what it computed.

Plain arithmetic, with its assumptions as arguments. Training costs about 6 floating
point operations a parameter and token (2 forward, 4 backward).

Sources: 3Blue1Brown, "Large Language Models explained briefly"; the cost of training:
Kaplan et al., arXiv 2001.08361, section 2.1; GPT-3: Brown et al., arXiv 2005.14165,
tables 2.2 and D.1; PaLM: Chowdhery et al., arXiv 2204.02311; Llama 3.1: Grattafiori et
al., arXiv 2407.21783 (3.8e25, its own count); GPT-4: an estimate by Epoch AI, OpenAI
published none; words a minute: Brysbaert 2019, "How many words do we read per minute?"
"""

from typing import NamedTuple

from nnguide.results import Number

SECONDS_A_YEAR = 365.25 * 24 * 3600
WORDS_A_TOKEN = 0.75
WORDS_A_MINUTE = 238.0  # silent reading of English, Brysbaert's mean
GUIDE_RATE = 1e9  # operations a second, in the guide
GUIDE_YEARS = 100e6
GUIDE_READING_YEARS = 2600.0
GPT3_TOKENS = 300e9  # that it was trained on
GPT3_CORPUS = 499e9  # that its corpus holds


class Training(NamedTuple):
    """A training and what it cost.

    Attributes:
      name: of the model.
      flop: floating point operations in all.
      how: where the number comes from.
    """

    name: str
    flop: float
    how: str


def training_flop(parameters: Number, tokens: Number) -> float:
    """6 N D: about what a training on so many tokens costs, in FLOP."""
    return 6 * parameters * tokens


TRAININGS = (
    Training("GPT-3", 3.14e23, "its paper, table D.1"),
    Training("PaLM", training_flop(540.35e9, 780e9), "6 N D"),
    Training("GPT-4", 2.1e25, "estimated by Epoch AI"),
    Training("Llama 3.1 405B", 3.8e25, "its paper"),
)


def compute_years(flop: Number, per_second: Number = GUIDE_RATE) -> float:
    """Years of computing.

    Args:
      flop: floating point operations.
      per_second: how many of them are done each second, day and night.
    """
    return flop / per_second / SECONDS_A_YEAR


def reading_years(
    tokens: Number,
    words_a_minute: Number = WORDS_A_MINUTE,
    words_a_token: Number = WORDS_A_TOKEN,
) -> float:
    """Years of reading without a pause, day and night.

    Args:
      tokens: of the text.
      words_a_minute: how fast.
      words_a_token: an English text has about 3 words in 4 tokens of GPT-3.
    """
    return tokens * words_a_token / words_a_minute * 60 / SECONDS_A_YEAR


def words_a_minute_for(
    years: Number, tokens: Number, words_a_token: Number = WORDS_A_TOKEN
) -> float:
    """How fast one must read to need just so many years."""
    return reading_years(tokens, 1.0, words_a_token) / years
