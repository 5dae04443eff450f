"""Texts by name with their tokenizer, and batches of windows.

A window is T + 1 tokens in a row: the first T go in, the last T are what to predict.
"""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from jaxtyping import Integer

from nnguide.config import InputError, cache_folder, run_only, user_path
from nnguide.data import download
from nnguide.data.batches import (
    Batches,
    RowStream,
    consecutive_windows,
    random_windows,
)
from nnguide.data.host import Loader, through_grain
from nnguide.data.identity import files_sha256
from nnguide.data.token_files import TokensDtype, map_tokens
from nnguide.text_files import read_text
from nnguide.tokenizer import files
from nnguide.tokenizer.byte_pairs import BytePairs, gpt2_folder
from nnguide.tokenizer.byte_values import Bytes
from nnguide.tokenizer.characters import Characters
from nnguide.tokenizer.protocol import Tokenizer

Tokens = Integer[np.ndarray, "_"]


@dataclasses.dataclass(frozen=True)
class TextConfig:
    """Which text, cut into which tokens, and how it reaches the device.

    Attributes:
      dataset: pydocs (the language reference that Python carries), tiny_shakespeare,
        text:PATH (UTF-8), or tokens:PATH (ids in nanoGPT's or llm.c's layout; a file,
        or a folder of train.bin and val.bin).
      tokenizer: characters (of this text; what texts take by default), bytes,
        byte_pairs:SIZE (learned from the training part), gpt2 (of data_dir where it
        holds vocab.json or encoder.json, else as installed), or the path of a saved
        tokenizer.
      vocabulary: number of token ids of tokens:PATH where no tokenizer is given.
      tokens_dtype: of the ids of tokens:PATH, where no header of llm.c says it.
      validation_fraction: the part at the end that is kept for validation, where the
        data set does not come in two parts.
      data_dir: folder of tiny_shakespeare.txt or input.txt, and of GPT-2's vocabulary.
      download: fetch tiny_shakespeare where it is missing, into data_dir or else the
        cache.
      loader: resident keeps the tokens on the device, grain sends each batch there.
      cache: folder of what is fetched; else $NNGUIDE_CACHE, else ~/.cache/nnguide.
    """

    dataset: str = "pydocs"
    tokenizer: str | None = None
    vocabulary: int | None = None
    tokens_dtype: TokensDtype = "uint16"
    validation_fraction: float = 0.1
    data_dir: str | None = run_only(None)
    download: bool = run_only(False)
    loader: Loader = run_only("resident")
    cache: str | None = run_only(None)

    def __post_init__(self) -> None:
        if not 0 < self.validation_fraction < 1:
            raise InputError(
                f"validation_fraction={self.validation_fraction}: must lie between 0 "
                "and 1"
            )
        if self.vocabulary is not None and (
            self.tokenizer or not self.dataset.startswith("tokens:")
        ):
            raise InputError(
                f"vocabulary={self.vocabulary}: goes with tokens:PATH without a "
                "tokenizer; leave it out, the tokenizer has its own"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class TextSource:
    """A text as tokens, with what made them.

    Attributes:
      train: token ids of the beginning; memory-mapped where they come from a file.
      validation: token ids of the rest.
      tokenizer: None where `tokens:PATH` came without one.
      vocabulary_size: number of token ids, V.
      origin: the text and where it was taken from, for people.
      validation_bytes: length of the validation part's text in UTF-8, for bits per
        byte; None where no tokenizer says which text the tokens are.
      characters: length of the text; None for a file of tokens.
      sha256: of the text in UTF-8, or of the files of tokens.
    """

    train: Tokens
    validation: Tokens
    tokenizer: Tokenizer | None
    vocabulary_size: int
    origin: str
    sha256: str
    validation_bytes: int | None = None
    characters: int | None = None

    @property
    def identity(self) -> dict[str, str]:
        """What a model that learned this text depends on: name -> sha256."""
        made: Any = self.tokenizer
        identity = {"text": self.sha256}
        if made is not None:
            content = files.to_json(made).encode()
            identity["tokenizer"] = hashlib.sha256(content).hexdigest()
        return identity


def load_text(config: TextConfig) -> TextSource:
    """Reads a text and its tokenizer. Never reaches for the network unless told to.

    Args:
      config: names the text, the tokenizer, and where the text may lie.

    Raises:
      InputError: the text is unknown, missing or damaged, the tokenizer cannot be had,
        or the one does not go with the other.
    """
    if config.dataset.startswith("tokens:"):
        return _load_tokens(config)
    text, origin = _read(config)
    if not text:
        raise InputError(f"{origin}: the text is empty; give one with characters")
    cut = int(len(text) * (1 - config.validation_fraction))
    tokenizer = _tokenizer(config, text, text[:cut])
    dtype = np.uint16 if tokenizer.vocabulary_size <= 2**16 else np.int32
    digest = hashlib.sha256(text.encode()).hexdigest()
    logging.info("data: %s, %d characters, sha256 %s", origin, len(text), digest)
    return TextSource(
        train=tokenizer.encode(text[:cut]).astype(dtype),
        validation=tokenizer.encode(text[cut:]).astype(dtype),
        tokenizer=tokenizer,
        vocabulary_size=tokenizer.vocabulary_size,
        origin=origin,
        sha256=digest,
        validation_bytes=len(text[cut:].encode()),
        characters=len(text),
    )


def _load_tokens(config: TextConfig) -> TextSource:
    path = user_path(config.dataset.removeprefix("tokens:"))
    tokenizer = _tokenizer(config, None, None) if config.tokenizer else None
    size = tokenizer.vocabulary_size if tokenizer else config.vocabulary
    if size is None:
        raise InputError(
            f"{config.dataset}: the ids do not say how many there can be; give the "
            "tokenizer they were made with, or the vocabulary (50257 for GPT-2)"
        )
    folder = path.is_dir()
    paths = [path / "train.bin", path / "val.bin"] if folder else [path]
    parts = [map_tokens(each, size, config.tokens_dtype) for each in paths]
    if not folder:
        cut = int(len(parts[0]) * (1 - config.validation_fraction))
        parts = [parts[0][:cut], parts[0][cut:]]
    train, validation = parts
    count = _count_bytes(tokenizer, validation) if tokenizer else None
    digest = files_sha256(paths)
    logging.info("data: %s, %s, sha256 %s", config.dataset, train.dtype, digest)
    return TextSource(train, validation, tokenizer, size, config.dataset, digest, count)


def _count_bytes(tokenizer: Tokenizer, tokens: Tokens) -> int:
    """The length of the tokens' text in UTF-8, without writing it out."""
    size = tokenizer.vocabulary_size
    lengths = np.array([len(tokenizer.token_bytes(token)) for token in range(size)])
    return int(lengths @ np.bincount(tokens, minlength=size))


def _tokenizer(config: TextConfig, text: str | None, train: str | None) -> Tokenizer:
    """The tokenizer asked for; text and its training part are None for token files."""
    name = config.tokenizer or "characters"
    if name == "bytes":
        return Bytes()
    if name == "gpt2":
        return _gpt2(config)
    if name == "characters" and text is not None:
        return Characters.of(text)
    if name.startswith("byte_pairs:") and train is not None:
        return BytePairs.train(train, _size(name))
    if not user_path(name).is_file():
        raise InputError(
            f"tokenizer {name!r}: known are bytes, gpt2, for texts characters and "
            "byte_pairs:SIZE, and the path of a tokenizer that a run saved"
        )
    return files.load(user_path(name))


def _gpt2(config: TextConfig) -> BytePairs:
    if config.data_dir is not None:
        folder = user_path(config.data_dir)
        if any((folder / name).is_file() for name in ("vocab.json", "encoder.json")):
            return BytePairs.gpt2(folder)
    return BytePairs.gpt2(gpt2_folder())


def _size(name: str) -> int:
    digits = name.removeprefix("byte_pairs:")
    if not digits.isascii() or not digits.isdigit():
        raise InputError(
            f"tokenizer {name!r}: SIZE is the number of tokens, for instance "
            "byte_pairs:1024"
        )
    return int(digits)


def _read(config: TextConfig) -> tuple[str, str]:
    """A text and what it is, for people."""
    name = config.dataset
    if name == "pydocs":
        from pydoc_data.topics import topics

        return "\n".join(topics[topic] for topic in sorted(topics)), name
    if name.startswith("text:"):
        path = user_path(name.removeprefix("text:"))
    elif name == "tiny_shakespeare":
        path = _tiny_shakespeare(config)
    else:
        raise InputError(
            f"text {name!r}: known are pydocs, tiny_shakespeare, text:PATH and "
            "tokens:PATH"
        )
    return read_text(path), f"{name} of {path}"


def _tiny_shakespeare(config: TextConfig) -> Path:
    if config.data_dir is None:
        root = cache_folder(config.cache)
    else:
        root = user_path(config.data_dir)
    places = [root / "tiny_shakespeare.txt", root / "input.txt"]
    if path := next(filter(Path.is_file, places), None):
        return path
    if not config.download:
        raise InputError(
            f"tiny_shakespeare: neither {places[0].name} nor {places[1].name} in "
            f"{root}; name their folder with the flag data_dir, or fetch the text with "
            "the flag download"
        )
    download.download_file(download.TINY_SHAKESPEARE, places[0])
    return places[0]


def text_batches(
    tokens: Tokens,
    batch_size: int,
    context: int,
    seed: int,
    loader: Loader = "resident",
) -> Batches:
    """Endless batches of windows drawn at random: {"tokens": (B, T + 1) int32}.

    Args:
      tokens: the text.
      batch_size: B, of the whole batch over all devices.
      context: T.
      seed: names the draw.
      loader: where the gathering is done; the batches are the same.

    Raises:
      InputError: the text holds no window, or too many tokens for the device's int32.
    """
    stream = random_windows(len(tokens), batch_size, context, seed)
    return _windows(tokens, context, stream, loader)


def text_evaluation(
    tokens: Tokens, batch_size: int, context: int, loader: Loader = "resident"
) -> Batches:
    """The text once, in windows that follow one another; the last batch may be short.

    Args:
      tokens: the text.
      batch_size: B, of the whole batch over all devices.
      context: T.
      loader: where the gathering is done; the batches are the same.

    Raises:
      InputError: the text holds no window, or too many tokens for the device's int32.
    """
    stream = consecutive_windows(len(tokens), batch_size, context)
    return _windows(tokens, context, stream, loader)


def _windows(
    tokens: Tokens, context: int, stream: RowStream, loader: Loader
) -> Batches:
    span = np.arange(context + 1, dtype=np.int32)[None]

    def gather(starts: Any) -> dict[str, Any]:
        return {"tokens": tokens[starts[:, None] + span].astype(np.int32)}

    def assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Any]:
        return {"tokens": arrays[rows[:, None] + span].astype("int32")}

    if loader == "grain":
        return Batches(through_grain(stream, gather), lambda _, rows, key: rows)
    if len(tokens) > 2**31:
        raise InputError(
            f"{len(tokens):,} tokens: the device counts to 2**31; use the loader grain"
        )
    return Batches(stream, assemble, tokens)
