"""Analogies by both conventions: the guide's three, a reader's own, a test set.

The guide's sums are of the vectors as they were learned; the test set is scored as the
field does, on unit vectors (3CosAdd). Each question is answered twice: with the
question's own words among the candidates, and without them.
"""

from collections.abc import Sequence

import numpy as np
from rich.text import Text

from experiments import tables
from experiments.part6.word_setting import GUIDE, NEEDS, Words
from nnguide.config import InputError
from nnguide.data.word_tests import Questions
from nnguide.facts import analogies
from nnguide.facts.directions import (
    Found,
    Neighbours,
    in_three_dimensions,
    parse_analogy,
    solve,
)
from nnguide.plots import analogies as pictures
from nnguide.plots import style
from nnguide.results import Claim

OF_GUIDE = {
    "queen": "king-man+woman=queen",
    "mussolini": "hitler-germany+italy=mussolini",
    "bratwurst": "sushi-japan+germany=bratwurst",
}
SEMANTIC = 5  # the first sections of Google's set; the others are of grammar
HEADINGS = (
    "analogy",
    "nearest, (its own words)\nallowed",
    "nearest, its own words\nexcluded",
    "word expected",
    "its rank, allowed\nand excluded",
)


def of_guide(words: Words) -> dict[str, Found]:
    """The guide's sums by the word expected, those whose words are all known."""
    asked = {name: parse_analogy(text) for name, text in OF_GUIDE.items()}
    groups = [(*analogy.words, name) for name, analogy in asked.items()]
    kept = words.known(groups, "the guide's sums")
    return {group[-1]: solve(words.vocabulary, asked[group[-1]]) for group in kept}


def solve_asked(words: Words, asked: Sequence[str]) -> list[Found]:
    """A reader's own sums.

    Raises:
      InputError: a word is not in the vocabulary.
    """
    found = []
    for text in asked:
        try:
            found.append(solve(words.vocabulary, parse_analogy(text)))
        except InputError as error:
            raise InputError(f"--directions.analogies={text}: {error}") from None
    return found


def show(found: Sequence[Found]) -> None:
    """Prints what sums find, by both conventions."""
    rows = []
    for each in found:
        own, answer = each.analogy.words, each.analogy.answer
        ranks = f"{each.rank_allowed:,} and {each.rank_excluded:,}"
        rows.append((
            each.analogy.text.partition("=")[0], _listed(each.allowed, own, answer),
            _listed(each.excluded, own, answer),
            *((f"{answer} {each.cosine:.3f}", ranks) if answer else ()),
        ))  # fmt: skip
    tables.print_table(HEADINGS, rows, least=100)


def _listed(found: Neighbours, own: Sequence[str], answer: str | None) -> Text:
    """Words with their cosines; the question's own in brackets, the answer bold."""
    lines = []
    for word, cosine in zip(found.words, found.cosines, strict=True):
        shown = f"({word})" if word in own else word
        style = "bold" if word == answer else ""
        lines.append(Text.assemble((shown, style), f" {cosine:.3f}"))
    return Text("\n").join(lines)


def study(words: Words, found: dict[str, Found]) -> tuple[list[Claim], list[str]]:
    """The guide's sums, drawn and judged."""
    if not found:
        return [], []
    drawn = [_to_draw(words, name, each) for name, each in found.items()]
    picture = style.save(
        pictures.parallelograms(words.setting.theme, drawn),
        words.setting.workdir,
        "directions_analogies",
        words=[each.words for each in drawn],
        places=[each.places for each in drawn],
        ranks=[each.ranks for each in drawn],
        cosines=[each.cosine for each in drawn],
    )
    return _claims_of_guide(words, found), [picture]


def _to_draw(words: Words, answer: str, found: Found) -> pictures.Drawn:
    b, a, c = found.analogy.words
    four = (a, c, b, answer)
    places = in_three_dimensions(np.asarray(words.vocabulary[four], np.float64))
    ranks = (found.rank_allowed, found.rank_excluded)
    return pictures.Drawn(four, places, ranks, found.cosine)


def _claims_of_guide(words: Words, found: dict[str, Found]) -> list[Claim]:
    source = f"{GUIDE}; ranks measured elsewhere in GloVe 6B 50d"
    # (id, word, statement, allowed or not, stated, expected)
    rows = [
        ("queen", "queen", "the word nearest to king - man + woman is queen", True,
         (1, 1), (2, 2)),
        ("queen_excluded", "queen", "but for king itself, the nearest is queen", False,
         (1, 1), (1, 1)),
        ("mussolini", "mussolini", "the word nearest to Hitler - Germany + Italy is "
         "Mussolini", True, (1, 1), (1, 1)),
        ("bratwurst", "bratwurst", "the word nearest to sushi - Japan + Germany is "
         "bratwurst", False, (1, 1), (106, 106)),
    ]  # fmt: skip
    claims = [
        Claim(
            f"6.{name}", statement,
            found[word].rank_allowed if allowed else found[word].rank_excluded,
            stated, expected, source,
            unit=f"rank of {word}{'' if allowed else ', the three inputs excluded'}",
            needs=NEEDS, scored=words.scored,
        )
        for name, word, statement, allowed, stated, expected in rows
        if word in found
    ]  # fmt: skip
    if "queen" in found:
        cosine = Claim(
            "6.queen_cosine", "king - man + woman points nearly where queen does",
            found["queen"].cosine, (0.8, 1), (0.8605, 0.8615),
            f"{source}; that .8 is nearly is ours", unit="cosine",
            needs=NEEDS, scored=words.scored,
        )  # fmt: skip
        claims.append(cosine)
    return claims


def rows_of(words: Words, questions: Questions) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the questions whose words are all known, and their sections.

    Raises:
      InputError: there is none.
    """
    find = words.vocabulary.find
    rows = [[find(word) for word in each] for each in questions.words]
    answerable = np.array([None not in each for each in rows])
    if not answerable.any():
        raise InputError(
            f"--directions.questions: none of the {len(rows):,} analogies has all its "
            f"words among the {len(words.vocabulary.words):,}; give others."
        )
    kept = [each for each in rows if None not in each]
    return np.array(kept, np.int32), questions.section[answerable]


def study_test_set(words: Words, questions: Questions) -> tuple[list[Claim], list[str]]:
    """A whole test set, section by section."""
    rows, section = rows_of(words, questions)
    found = analogies.ranks(words.vocabulary.unit, rows)
    right = np.stack([found.excluded == 1, found.allowed == 1], axis=1)
    asked = [name for n, name in enumerate(questions.sections) if (section == n).any()]
    shares = {
        name: right[section == questions.sections.index(name)].mean(axis=0)
        for name in asked
    }
    picture = style.save(
        pictures.accuracy_by_section(
            words.setting.theme, shares, right.mean(axis=0), len(rows),
            len(words.vocabulary.words), len(questions.words) - len(rows),
        ),
        words.setting.workdir, "directions_accuracy",
        sections=list(shares), shares=list(shares.values()), all=right.mean(axis=0),
        ranks=np.stack(found, axis=1), section=section,
    )  # fmt: skip
    return _claims_of_set(words, right, section, shares), [picture]


def _claims_of_set(
    words: Words, right: np.ndarray, section: np.ndarray, shares: dict[str, np.ndarray]
) -> list[Claim]:
    source = "measured elsewhere on the same vectors and questions"
    part = section < SEMANTIC
    # (id, statement, measured, stated, expected): shares of the questions, in percent
    rows = [
        ("all", "directions answer most analogies", right[:, 0].mean(),
         (50, 100), 46.22),
        ("inputs_allowed", "they do so with the question's own words as candidates",
         right[:, 1].mean(), (50, 100), 30.43),
        ("semantic", "directions answer most analogies of meaning",
         right[part, 0].mean() if part.any() else np.nan, (50, 100), 48.46),
        ("grammar", "directions answer most analogies of grammar",
         right[~part, 0].mean() if (~part).any() else np.nan, (50, 100), 44.36),
        ("family", "family relations are directions",
         shares.get("family", [np.nan])[0], (50, 100), 69.0),
        ("nationality", "nationality is a direction",
         shares.get("gram6-nationality-adjective", [np.nan])[0], (50, 100), 86.0),
        ("currency", "a country's currency is a direction",
         shares.get("currency", [np.nan])[0], (50, 100), 8.3),
    ]  # fmt: skip
    return [
        Claim(
            f"6.analogies_{name}", statement, 100 * float(measured), stated,
            (expected - 0.15, expected + 0.15), f"{GUIDE}; that half is most is ours; "
            + source, unit="% right" + ("" if "own words" in statement
                                        else ", inputs excluded"),
            needs=NEEDS, scored=words.scored,
        )
        for name, statement, measured, stated, expected in rows
        if np.isfinite(measured)
    ]  # fmt: skip
