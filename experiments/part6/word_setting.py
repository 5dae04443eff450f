"""What the studies of word vectors are given, and how they do without a word."""

from collections.abc import Sequence
from typing import NamedTuple

from absl import logging

from experiments.part6.setting import Setting
from nnguide.facts.directions import Vocabulary

GUIDE = "3Blue1Brown, Transformers, the tech behind LLMs"
NEEDS = "all of GloVe 6B 50d and the test sets of the gensim wheel"


class Words(NamedTuple):
    """Word vectors, and the setting of part 6.

    Attributes:
      vocabulary: the words.
      scored: whether vectors and test sets are the defaults.
      setting: where results go, and what is random.
    """

    vocabulary: Vocabulary
    scored: bool
    setting: Setting

    def known(
        self, groups: Sequence[tuple[str, ...]], what: str
    ) -> list[tuple[str, ...]]:
        """The groups of words that are all in the vocabulary; warns of the others."""
        missing = [
            word for group in groups for word in group
            if self.vocabulary.find(word) is None
        ]  # fmt: skip
        if missing:
            logging.warning(
                "%s: %s not among the %d words, so they are left out; "
                "--directions.words=0 reads all of the file.",
                what, ", ".join(missing[:3]) + (", ..." if missing[3:] else ""),
                len(self.vocabulary.words),
            )  # fmt: skip
        return [group for group in groups if not set(group) & set(missing)]
