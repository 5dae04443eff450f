"""Two directions on their own: cats - cat and woman - man, and random ones beside them.

How far a word lies along a direction is its dot product with it, on the vectors as they
were learned, as in the series.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.part6.word_setting import GUIDE, NEEDS, Words
from nnguide.facts.directions import cosine, left_out, pairwise_cosines
from nnguide.plots import style
from nnguide.plots import word_directions as pictures
from nnguide.results import Caveat, Claim

PLURALS = (
    ("cat", "cats"), ("dog", "dogs"), ("student", "students"), ("puppy", "puppies"),
    ("octopus", "octopuses"), ("house", "houses"), ("car", "cars"), ("tree", "trees"),
    ("book", "books"), ("bird", "birds"), ("king", "kings"), ("city", "cities"),
    ("country", "countries"), ("apple", "apples"), ("computer", "computers"),
    ("mouse", "mice"), ("foot", "feet"), ("child", "children"), ("man", "men"),
    ("woman", "women"), ("tooth", "teeth"), ("goose", "geese"), ("wolf", "wolves"),
    ("knife", "knives"), ("leaf", "leaves"),
)  # fmt: skip
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
GENDERS = (  # the first spans the direction
    ("man", "woman"), ("father", "mother"), ("uncle", "aunt"), ("brother", "sister"),
    ("papa", "mama"), ("son", "daughter"), ("nephew", "niece"), ("boy", "girl"),
    ("actor", "actress"), ("king", "queen"),
)  # fmt: skip
FAMILY = ("mother", "aunt", "niece", "sister", "daughter")
RANDOM = 1000  # directions and differences to compare with
COMMON = 10_000  # the words they are drawn from


def random_differences(words: Words, count: int) -> Float[np.ndarray, "count D"]:
    """Differences of two common words each, drawn at random."""
    vectors = np.asarray(words.vocabulary.vectors[:COMMON])
    rng = np.random.default_rng(words.setting.seed)
    start = rng.integers(len(vectors), size=count)
    end = (start + rng.integers(1, len(vectors), size=count)) % len(vectors)
    return vectors[end] - vectors[start]


def _ends(words: Words, pairs: list[tuple[str, ...]]) -> Float[np.ndarray, "pairs 2 D"]:
    """The vectors of both words of each pair."""
    flat = words.vocabulary[[word for pair in pairs for word in pair]]
    return np.asarray(flat).reshape(len(pairs), 2, -1)


def study_plural(words: Words) -> tuple[list[Claim], list[str]]:
    """Plurals and numbers along cats - cat, and along directions drawn at random."""
    pairs = words.known(PLURALS, "plurals")
    numbers = words.known([NUMBERS], "numbers")
    if len(pairs) < 3 or not numbers or pairs[0] != PLURALS[0]:
        return [], []
    ends, counted = _ends(words, pairs), np.asarray(words.vocabulary[NUMBERS])
    differences = ends[:, 1] - ends[:, 0]
    direction, others = differences[0], ends[1:]
    random = random_differences(words, RANDOM)
    scaled = random * np.linalg.norm(direction)
    scaled = scaled / np.linalg.norm(random, axis=1, keepdims=True)
    shares = (differences[1:] @ scaled.T > 0).mean(axis=0)
    median = scaled[np.argsort(shares)[len(shares) // 2]]
    along, control = others @ direction, others @ median
    picture = style.save(
        pictures.plurality(
            words.setting.theme, pairs[1:], (along, control), NUMBERS,
            (counted @ direction, counted @ median), shares,
        ),
        words.setting.workdir, "directions_plural", pairs=pairs[1:], along=along,
        control=control, numbers=NUMBERS, numbers_along=counted @ direction,
        random_shares=shares,
    )  # fmt: skip
    alike = pairwise_cosines(jnp.asarray(differences))
    unlike = pairwise_cosines(jnp.asarray(random[: len(pairs)]))
    held_out = np.asarray(left_out(jnp.asarray(differences)))
    number_line = counted @ direction
    return _claims_of_plural(
        words,
        {
            "direction": float((along[:, 1] > along[:, 0]).mean()),
            "held_out": float((held_out > 0).mean()),
            "random": float(shares.mean()),
            "alike": float(alike.mean()),
            "alike_random": float(unlike.mean()),
        },
        [pair[1] for pair, step in zip(pairs, held_out, strict=True) if step <= 0],
    ) + _claims_of_numbers(words, number_line), [picture]


def _claims_of_plural(
    words: Words, measured: dict[str, float], against: list[str]
) -> list[Claim]:
    seen = f"{GUIDE}; measured on the same vectors"
    control = "chance; the control"
    ahead = Caveat((0.9, 1), f"all but few pairs do; not {', '.join(against)}")
    shared = Caveat((0.2, 0.8), "the pairs share a direction; it is a part of what "
                    "tells them apart")  # fmt: skip
    # (id, statement, stated, caveat, expected, unit, source)
    rows = [
        ("direction", "plurals lie further along cats - cat than their singulars",
         (1, 1), ahead, (0.95, 1), "of the pairs", seen),
        ("held_out", "and along the mean of all other pairs' differences", (1, 1),
         ahead, (0.95, 1), "of the pairs, each left out", seen),
        ("random", "along a random direction half of them do", (0.4, 0.6), None,
         (0.4, 0.6), f"of the pairs, mean of {RANDOM:,} directions", control),
        ("alike", "plural is one direction, the same in every pair", (0.8, 1), shared,
         (0.3, 0.42), "mean cosine of two pairs' differences",
         f"{seen}; that .8 is one is ours"),
        ("alike_random", "random differences share no direction", (-0.1, 0.1), None,
         (-0.1, 0.1), "mean cosine of two differences", control),
    ]  # fmt: skip
    return [
        Claim(f"6.plural_{name}", statement, measured[name], stated, expected, source,
              unit=unit, caveat=caveat, needs=NEEDS, scored=words.scored)
        for name, statement, stated, caveat, expected, unit, source in rows
    ]  # fmt: skip


def _claims_of_numbers(words: Words, line: Float[np.ndarray, "8"]) -> list[Claim]:
    code = "3Blue1Brown's code, _2024/transformers/embedding.py"
    steps, step = np.diff(line), "dot product, least step between numbers"
    # (id, statement, measured, stated, expected, unit, source)
    rows = [
        ("numbers_to_five", "one to five lie ever further along cats - cat",
         steps[:4].min(), (0, None), (0.2, 0.25), step, GUIDE),
        ("numbers_to_eight", "and so do one to eight", steps.min(), (0, None),
         (-0.24, -0.2), step, "measured on the same vectors"),
        ("number_four", "four lies where the video draws it, at 1.80", line[3],
         (1.75, 1.85), (1.46, 1.52), "dot product with cats - cat", code),
        ("octopodes", "octopodes is among the words that the video places",
         words.vocabulary.find("octopodes") is not None, (1, 1), (0, 0), "vectors",
         f"{code}, which sets it at 2.3"),
    ]  # fmt: skip
    return [
        Claim(f"6.{name}", statement, float(measured), stated, expected, source,
              unit=unit, needs=NEEDS, scored=words.scored)
        for name, statement, measured, stated, expected, unit, source in rows
    ]  # fmt: skip


def study_gender(words: Words) -> tuple[list[Claim], list[str]]:
    """Women and men along woman - man, and how alike the pairs' differences are."""
    pairs = words.known(GENDERS, "pairs of a woman and a man")
    if len(pairs) < 3 or pairs[0] != GENDERS[0]:
        return [], []
    ends = _ends(words, pairs)
    differences = jnp.asarray(ends[:, 1] - ends[:, 0])
    direction = differences[:1]
    along = ends[1:] @ np.asarray(direction[0])
    random = jnp.asarray(random_differences(words, RANDOM))
    turned, at_random = (
        np.asarray(cosine(each, jnp.broadcast_to(direction, each.shape)))
        for each in (differences[1:], random)
    )
    picture = style.save(
        pictures.gender(words.setting.theme, pairs[1:], along, turned, at_random),
        words.setting.workdir, "directions_gender",
        pairs=pairs[1:], along=along, cosines=turned, random_cosines=at_random,
    )  # fmt: skip
    alike = {pair[1]: float(turned[place]) for place, pair in enumerate(pairs[1:])}
    family = [alike[name] for name in FAMILY if name in alike]
    ahead = float((along[:, 1] > along[:, 0]).mean())
    if "queen" not in alike or not family:
        return [], [picture]
    source = f"{GUIDE}; measured elsewhere on the same vectors"
    return [
        Claim(
            "6.gender_direction",
            "women lie further along woman - man than men",
            ahead, (0.9, 1), (1, 1), source, unit="of the pairs",
            needs=NEEDS, scored=words.scored,
        ),
        Claim(
            "6.gender_family",
            "family relations illustrate the direction better than king and queen",
            float(np.mean(family)) - alike["queen"], (0, None), (0.09, 0.15), source,
            unit="cosine with woman - man above queen - king's",
            needs=NEEDS, scored=words.scored,
        ),
    ], [picture]  # fmt: skip
