"""Directions in real word vectors: analogies, plural, gender, similarity, and why.

The series shows them in GloVe's vectors of 50 dimensions; here the same vectors are
asked, all 400,000, with the test sets of the field, the controls the guide leaves out,
and a planted language that says why sums of vectors answer questions at all.
"""

import dataclasses

from experiments.part6 import (
    asked_analogies,
    planted_analogies,
    plural_and_gender,
    similarity,
)
from experiments.part6.setting import Setting
from experiments.part6.word_setting import Words
from experiments.study import check
from nnguide.config import InputError, run_only
from nnguide.data.identity import files_sha256
from nnguide.data.word_tests import (
    load_questions,
    load_rated_pairs,
    questions_file,
    rated_pairs_file,
)
from nnguide.data.word_vectors import load_word_vectors, vector_files
from nnguide.facts.directions import parse_analogy, vocabulary
from nnguide.results import Claim


@dataclasses.dataclass(frozen=True)
class Config:
    """Which vectors are asked what.

    Attributes:
      vectors: glove is GloVe 6B 50d of the extra guide; text:PATH a text file of GloVe
        or word2vec.
      words: only the first so many of the file; 0 is all.
      questions: google is Mikolov's 19,544 analogies; text:PATH a file laid out alike.
      similarity: wordsim353, or text:PATH of lines of two words and a rating, apart by
        tabs.
      analogies: sums to look up beside the guide's three, for instance
        paris-france+italy,mice-mouse+cat=cats; the word behind = is the one expected.
        Blanks go around the signs where a word has a hyphen.
    """

    vectors: str = "glove"
    words: int = 0
    questions: str = "google"
    similarity: str = "wordsim353"
    analogies: tuple[str, ...] = run_only(())

    def __post_init__(self) -> None:
        check("directions", self, words=0)
        if 0 < self.words < 1000:
            raise InputError(
                f"--directions.words={self.words}: give 1000 or more, or 0 for all."
            )
        for text in self.analogies:
            parse_analogy(text)

    @property
    def scored(self) -> bool:
        """Whether vectors and test sets are the defaults."""
        default = Config(analogies=self.analogies)
        return self == default


def data(config: Config) -> dict[str, str]:
    """What the vectors and the test sets are, name -> sha256."""
    return {
        "word vectors": files_sha256(vector_files(config.vectors)),
        "questions": files_sha256([questions_file(config.questions)]),
        "similarity": files_sha256([rated_pairs_file(config.similarity)]),
    }


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Asks the vectors everything, prints the analogies asked for."""
    words = Words(
        vocabulary(*load_word_vectors(config.vectors, config.words)),
        config.scored,
        setting,
    )
    questions = load_questions(config.questions)
    rated = load_rated_pairs(config.similarity)
    asked = asked_analogies.solve_asked(words, config.analogies)
    guide = asked_analogies.of_guide(words)
    if guide or asked:
        asked_analogies.show([*guide.values(), *asked])
    found = [
        asked_analogies.study(words, guide),
        asked_analogies.study_test_set(words, questions),
        plural_and_gender.study_plural(words),
        plural_and_gender.study_gender(words),
        similarity.study(words, rated),
        planted_analogies.study(setting),
    ]
    return (
        [claim for claims, _ in found for claim in claims],
        [picture for _, pictures in found for picture in pictures],
    )
