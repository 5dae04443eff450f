"""Tokens: how a text is cut, what merges do, and that nothing is lost.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs" (50,257 tokens; "tokens can
be words, pieces of words, punctuation"); Radford et al. 2019, section 2.2.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.part6.setting import Setting
from experiments.study import check
from nnguide.config import InputError
from nnguide.plots import style
from nnguide.plots.token_merges import token_merges
from nnguide.results import Caveat, Claim
from nnguide.tokenizer.byte_pairs import BytePairs, gpt2_folder
from nnguide.tokenizer.byte_values import Bytes
from nnguide.tokenizer.protocol import ByteTokenizer

# Ids of the guide's words in GPT-2's and GPT-3's vocabulary.
GUIDE_WORDS = {
    " Michael": 3899,
    " Jordan": 8078,
    " basketball": 9669,
    " mole": 9411,
    " king": 5822,
}
SENTENCE = "Michael Jordan plays basketball; the king eats a bratwurst."


@dataclasses.dataclass(frozen=True)
class Config:
    """What is done with tokens.

    Attributes:
      sizes: numbers of tokens of the vocabularies that are learned, ascending; 256 is
        the bytes alone.
      strings: random strings of bytes that must come back as they were.
    """

    sizes: tuple[int, ...] = (256, 512, 1024, 2048, 4096)
    strings: int = 1000

    def __post_init__(self) -> None:
        check("tokens", self, strings=1)
        if (
            len(self.sizes) < 2
            or self.sizes[0] < 256
            or list(self.sizes) != sorted(set(self.sizes))
        ):
            given = ",".join(map(str, self.sizes))
            raise InputError(
                f"--tokens.sizes={given}: give two or more, ascending, from 256 on."
            )


class Cut(NamedTuple):
    """How many characters a token holds.

    Attributes:
      train: of the text that the merges were learned from, one a vocabulary.
      validation: of a text they have not seen.
      gpt2: of that text, cut by GPT-2's merges.
    """

    train: Float[np.ndarray, "sizes"]
    validation: Float[np.ndarray, "sizes"]
    gpt2: float


def measure(config: Config, setting: Setting, gpt2: BytePairs) -> Cut:
    """Learns merges from the training part, and cuts both parts with them."""
    train, validation = (
        setting.tokenizer.decode(part)
        for part in (setting.text.train, setting.text.validation)
    )
    learned = [BytePairs.train(train, size) for size in config.sizes]
    lengths = np.array(
        [
            [len(text) / len(tokenizer.encode(text)) for tokenizer in learned]
            for text in (train, validation)
        ]
    )
    return Cut(*lengths, gpt2=len(validation) / len(gpt2.encode(validation)))


def round_trips(
    tokenizers: tuple[ByteTokenizer, ...], count: int, seed: int
) -> Float[np.ndarray, "tokenizers"]:
    """The share of random strings of bytes that come back as they were.

    Half of the strings are random bytes, which are hardly ever UTF-8; the other half
    are random characters of all of Unicode.
    """
    draw = np.random.default_rng(seed)
    strings = [draw.bytes(int(draw.integers(1, 60))) for _ in range(count - count // 2)]
    for _ in range(count // 2):
        points = draw.integers(0, 0x110000 - 0x800, draw.integers(1, 20))
        points += 0x800 * (points >= 0xD800)  # surrogates are no characters
        strings.append("".join(map(chr, points)).encode())
    return np.array(
        [
            np.mean([t.decode_bytes(t.encode_bytes(one)) == one for one in strings])
            for t in tokenizers
        ]
    )


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Cuts a sentence as GPT-3 does, learns merges, and checks that nothing is lost."""
    gpt2 = BytePairs.gpt2(gpt2_folder())
    cut = measure(config, setting, gpt2)
    some = BytePairs.train(
        setting.tokenizer.decode(setting.text.train), config.sizes[1]
    )
    same = round_trips((Bytes(), some, gpt2), config.strings, setting.seed)
    ids = gpt2.encode(SENTENCE)
    words = [gpt2.token_text(token) for token in ids]
    sizes = np.array(config.sizes)
    picture = style.save(
        token_merges(
            setting.theme, words, ids, sizes, cut.train, cut.validation, cut.gpt2
        ),
        setting.workdir,
        "tokens",
        words=words,
        ids=ids,
        sizes=sizes,
        **cut._asdict(),
        round_trips=same,
    )
    return _claims(config, setting, gpt2, cut, same), [picture]


def _claims(
    config: Config, setting: Setting, gpt2: BytePairs, cut: Cut, same: np.ndarray
) -> list[Claim]:
    guide = "3Blue1Brown, Transformers, the tech behind LLMs"
    files = "GPT-2's vocabulary as published"
    known = sum(
        gpt2.encode(word).tolist() == [token] for word, token in GUIDE_WORDS.items()
    )
    on_pydocs = setting.text.origin == "pydocs"
    scored = on_pydocs and config == Config()
    needs = "pydocs and the default sizes"
    return [
        Claim(
            "6.vocabulary",
            "GPT-3's vocabulary has 50,257 tokens: 256 bytes, 50,000 merges, one end",
            gpt2.vocabulary_size,
            (50_257, 50_257),
            (50_257, 50_257),
            f"{guide}; {files}",
            unit="tokens",
        ),
        Claim(
            "6.guide_words",
            "the guide's Michael, Jordan, basketball, mole, king are one token each",
            known,
            (5, 5),
            (5, 5),
            f"{guide}; {files}",
            unit="of 5",
        ),
        Claim(
            "6.bratwurst",
            "a token may be a part of a word: bratwurst is cut into several",
            len(gpt2.encode(" bratwurst")),
            (2, None),
            (4, 4),
            f"{guide}; {files}",
            unit="tokens",
        ),
        Claim(
            "6.round_trip",
            "cutting into tokens loses nothing: any bytes come back as they were",
            float(same.min()),
            (1, 1),
            (1, 1),
            "the 256 bytes are tokens themselves",
            unit=f"of {config.strings:,} random strings, worst of 3 vocabularies",
        ),
        Claim(
            "6.merges_lengthen_tokens",
            "the more merges, the longer the tokens, also of a text not yet seen",
            float(np.diff(cut.validation).min()),
            (0, None),
            (0.2, 1.5),
            "Sennrich et al., arXiv 1508.07909; expected: measured on this text",
            unit="characters a token, least gain of a larger vocabulary",
            needs=needs,
            scored=scored,
        ),
        Claim(
            "6.characters_of_own_token",
            f"{config.sizes[-1]:,} tokens learned from a text hold several characters",
            float(cut.validation[-1]),
            (2, None),
            (3.4, 4.4),
            "Sennrich et al., arXiv 1508.07909; expected: measured on this text",
            unit="characters",
            needs=needs,
            scored=scored,
        ),
        Claim(
            "6.characters_of_gpt2_token",
            "a token of GPT-3 is about four characters of English",
            cut.gpt2,
            (3.5, 4.5),
            (2.5, 3.1),
            "OpenAI's rule of thumb; expected: measured on this text",
            unit="characters",
            caveat=Caveat(
                (2, 3.5), "of prose; in a manual full of code they are shorter"
            ),
            needs="pydocs",
            scored=on_pydocs,
        ),
    ]
