"""Part 6's pictures of word vectors."""

import numpy as np
import pytest

from nnguide.plots import analogies, planted, similarity, word_directions


def finding(figure):
    return " ".join(figure.texts[0].get_text().split())


@pytest.mark.smoke
def test_the_true_and_the_predicted_end_are_both_drawn(check_readable):
    places = np.array([[0, 0, 0], [3, 0, 0], [2, 5, 0], [4.2, 4.5, 2.4]])
    words = ("man", "woman", "king", "queen")
    drawn = analogies.Drawn(words, places, (2, 1), 0.861)
    far = drawn._replace(ranks=(107, 106), places=1.3 * places)
    figure = analogies.parallelograms("light", [drawn, far, drawn])
    check_readable(figure)
    assert finding(figure) == (
        "Ranks by nearness to the sum: queen 2, queen 107, queen 2; of other words "
        "1, 106, 1"
    )
    limits = [(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes]
    widths = {tuple(round(float(np.ptp(each)), 6) for each in pair) for pair in limits}
    assert len(widths) == 1  # one scale
    said = [text.get_text() for text in figure.axes[0].texts]
    assert "the sum,\n2.6 away" in said  # (5, 5, 0) to (4.2, 4.5, 2.4)


def test_both_conventions_stand_side_by_side(check_readable):
    names = ("capital", "currency", "family", "plural")
    shares = {
        name: np.array([0.9 / (n + 1), 0.5 / (n + 1)]) for n, name in enumerate(names)
    }
    every = np.array([0.4622, 0.3043])
    figure = analogies.accuracy_by_section("dark", shares, every, 19_000, 400_000, 544)
    check_readable(figure)
    assert "46.2% of 19,000 analogies" in finding(figure)
    assert finding(figure).endswith("30.4%")
    assert "544 questions with unknown words" in figure.texts[1].get_text()
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names[:2] == ["all questions", "capital"]  # best first


def test_plurals_have_a_random_direction_beside_them(check_readable):
    pairs = [("dog", "dogs"), ("mouse", "mice"), ("leaf", "leaves")]
    along = np.array([[-4, 2], [-5, 2], [-2.6, -2.8]])
    control = np.array([[1, -1], [0, 2], [2.0, 1.8]])
    numbers = np.linspace(-2, 2, 8)
    figure = word_directions.plurality(
        "light", pairs, (along, control), [f"n{n}" for n in range(8)],
        (numbers, 0.3 * numbers), np.array([0.25, 0.75]),
    )  # fmt: skip
    check_readable(figure)
    assert "67% of 3 plurals" in finding(figure)
    assert finding(figure).endswith("along random directions, 50%")
    spans = {axes.get_xlim() for axes in figure.axes}
    assert len(spans) == 1


def test_queen_and_king_are_the_pair_to_beat(check_readable):
    pairs = [("father", "mother"), ("papa", "mama"), ("king", "queen")]
    along = np.array([[0.5, 5], [-3, 1.5], [-2.6, 2.8]])
    random = np.random.default_rng(0).normal(size=200) * 0.15
    figure = word_directions.gender(
        "dark", pairs, along, np.array([0.67, 0.48, 0.6]), random
    )
    check_readable(figure)
    assert finding(figure).startswith("1 of 2 pairs show gender better than queen")
    assert "mother - father best (0.67)" in finding(figure)


def test_ratings_are_drawn_against_both_measures(check_readable):
    rng = np.random.default_rng(0)
    rating = rng.uniform(0, 10, 100)
    cosine = rating / 10 + 0.1 * rng.normal(size=100)
    measures = {"cosine": (cosine, rng.normal(size=500) * 0.2),
                "dot product": (30 * cosine, 6 * rng.normal(size=500))}  # fmt: skip
    figure = similarity.ratings(
        "light", rating, measures, {"cosine": 0.503, "dot product": 0.467}
    )
    check_readable(figure)
    assert "cosine (rank correlation 0.50)" in finding(figure)
    assert finding(figure).endswith("large dot product (0.47)")


def test_the_planted_language_stands_beside_its_control(check_readable):
    rng = np.random.default_rng(0)
    corpora = np.array([30_000, 100_000, 1_000_000])
    right = np.clip(np.linspace(0.7, 1, 3)[:, None, None] + np.zeros((3, 2, 2)), 0, 1)
    odds = rng.normal(size=(40, 30))
    figure = planted.planted(
        "light", corpora, (right, 0.05 * right), (odds, 2 * odds),
        (odds, 2 * odds + rng.normal(size=odds.shape)), (0.995, 0.89),
    )  # fmt: skip
    check_readable(figure)
    assert "answer 100% of the analogies" in finding(figure)
    assert finding(figure).endswith("do not add, 5%")
