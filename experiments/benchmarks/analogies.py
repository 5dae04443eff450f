"""Analogies over GloVe's 400,000 words, both conventions at once, against gensim.

Ours answers all 19,544 questions. gensim looks through all words once a question; it
gets every 200th question and answers them by one convention, inputs excluded.
"""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from experiments.benchmark import Case
from nnguide.data.word_tests import load_questions
from nnguide.data.word_vectors import WordVectors, load_word_vectors
from nnguide.facts import analogies
from nnguide.facts.directions import unit

EVERY = 200


def cases(peers: bool) -> list[Case]:
    """All questions in JAX; if asked for, some of them beside gensim."""
    loaded = load_word_vectors("glove")
    questions = [tuple(map(str.lower, each)) for each in load_questions("google").words]
    ours = {"nnguide": _ours(loaded, questions)}
    words = f"{len(loaded.words):,} words"
    found = [Case(f"all {len(questions):,} questions, {words}", len(questions),
                  "questions", ours)]  # fmt: skip
    few = questions[::EVERY]
    gensim = _gensim(loaded, few) if peers else None
    if gensim:
        name = f"{len(few)} of {len(questions):,} questions (every {EVERY}th), {words}"
        both = {"nnguide": _ours(loaded, few), "gensim": gensim}
        found.append(Case(name, len(few), "questions", both))
    return found


def _ours(
    loaded: WordVectors, questions: list[tuple[str, ...]]
) -> Callable[[], float | None]:
    row = {word: number for number, word in enumerate(loaded.words)}
    rows = np.array([[row[word] for word in each] for each in questions], np.int32)
    vectors = unit(jnp.asarray(loaded.vectors))

    def turn() -> None:
        analogies.ranks(vectors, rows)

    return turn


def _gensim(
    loaded: WordVectors, questions: list[tuple[str, ...]]
) -> Callable[[], float | None] | None:
    try:
        from gensim.models import KeyedVectors
    except ModuleNotFoundError:
        print(
            "gensim is not installed, so it is left out: pip install -e '.[guide]'",
            file=sys.stderr,
        )
        return None
    keyed = KeyedVectors(loaded.vectors.shape[1])
    keyed.add_vectors(list(loaded.words), loaded.vectors)
    folder = tempfile.TemporaryDirectory()  # removed with the last turn's function
    path = Path(folder.name, "questions.txt")
    lines = [": questions", *(" ".join(each) for each in questions)]
    path.write_text("\n".join(lines) + "\n")

    def turn() -> None:
        assert folder
        keyed.evaluate_word_analogies(
            str(path), restrict_vocab=len(loaded.words), case_insensitive=False
        )

    return turn
