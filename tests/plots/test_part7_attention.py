"""Part 7's pictures of moles, adjectives, scores, value maps and costs."""

from typing import Any

import numpy as np
import pytest

from nnguide.plots import adjectives, attention_cost, meanings, scaling, value_rank


def finding(figure):
    return " ".join(figure.texts[0].get_text().split())


@pytest.mark.smoke
def test_one_arrow_becomes_three(check_readable):
    sense = np.arange(30) % 3
    start = np.tile([0, 0, 1.0], (30, 1))
    angle = np.pi / 2 - 2 * np.pi / 3 + 2 * np.pi / 3 * sense
    refined = np.stack([0.8 * np.cos(angle), 0.8 * np.sin(angle), 0.4 + 0 * angle], 1)
    places = {"embedding": start, "attention 1": refined, "MLP 2": refined}
    sentences = ['"American\nshrew mole"', '"one mole of\nCO2"', '"a biopsy\nof it"']
    figure = meanings.refined_meanings("light", places, sense, sentences)
    check_readable(figure)
    assert finding(figure).endswith('becomes 3 refined ones: "mole" in 30 contexts')


def test_cosines_stand_beside_what_they_tell(check_readable):
    stages = ("embedding", "attention 1", "MLP 1", "attention 2", "MLP 2")
    curves = {
        "with attention": (np.array([50, 100]), np.array([0.9, 0.985])),
        "without": (np.array([50, 100]), np.array([0.34, 0.33])),
    }
    figure = meanings.cosines_by_stage(
        "dark", stages, np.array([1, 0.93, 0.94, 0.94, 0.96]),
        np.array([1, -0.1, 0.1, 0, 0.3]), np.array([0.1, 0, 0, 0, -0.03]),
        np.array([0.32, 0.99, 0.99, 0.99, 0.99]), curves, 0.9896,
    )  # fmt: skip
    check_readable(figure)
    assert "tells 32% of the meanings" in finding(figure)
    assert finding(figure).endswith("the vector tells 99%")


def test_the_grid_of_dots_shows_the_sentence(check_readable):
    words = ("a", "fluffy", "blue", "creature", "roamed", "the", "verdant", "forest")
    pattern = np.zeros((8, 8))
    pattern[3, [1, 2]], pattern[7, 6] = 0.5, 1
    figure = adjectives.scores_and_pattern(
        "light", words, 14 * pattern, pattern, pattern
    )
    check_readable(figure)
    assert "0.50 of fluffy and 0.50 of blue, forest 1.00 of verdant" in finding(figure)
    dots: Any = figure.axes[1].collections
    sizes = [float(dot.get_sizes()[0]) for dot in dots]
    assert sorted(sizes) == [165, 165, 330]


def test_the_learned_head_is_judged_in_the_title(check_readable):
    rng = np.random.default_rng(0)
    own = 1 - 0.05 * rng.random(100)
    pattern = np.tril(np.ones((8, 8))) / np.arange(1, 9)[:, None]
    figure = adjectives.learned_head("light", pattern, own, 1 - own, 0.998, 0.97)
    check_readable(figure)
    assert "flips 97.0% of the answers" in finding(figure)


def test_scores_are_drawn_against_the_root(check_readable):
    widths = np.array([1, 4, 16, 64, 128])
    entropy = np.stack([np.full(5, 3.7), np.linspace(3.7, 0.2, 5)], 1)
    largest = np.stack([np.full(5, 0.11), np.linspace(0.1, 0.85, 5)], 1)
    figure = scaling.scores_by_width(
        "light", widths, np.sqrt(widths), entropy, largest, 64, 128
    )
    check_readable(figure)
    assert "gives one key 85% of its weight; divided by sqrt(K), 11%" in finding(figure)


def test_each_row_of_a_pattern_has_its_sum(check_readable):
    before = np.tril(np.ones((8, 8))) / np.arange(1, 9)[:, None]
    after = np.tril(np.full((8, 8), 1 / 8))
    figure = scaling.masks("dark", before, after, 0.1)
    check_readable(figure)
    assert "keeps as little as 12% of its weight" in finding(figure)


def test_value_maps_are_compared(check_readable):
    values = {
        "two factors": np.where(np.arange(64) < 16, 0.9 ** np.arange(64), 1e-9)[None],
        "whole map": 0.93 ** np.arange(64)[None],
    }
    losses = {
        "two factors": np.array([[3.0, 2.9], [2.5, 2.6]]),
        "whole map": np.array([[3.1, 3.2], [2.7, 2.8]]),
    }
    figure = value_rank.value_rank(
        "light", values, losses, np.array([50, 100]), 16, (3_145_728, 150_994_944), 1.32
    )
    check_readable(figure)
    assert "48 times the parameters" in finding(figure)
    assert "they lose 0.200 nats" in finding(figure)


def test_costs_are_drawn_over_the_context(check_readable):
    contexts = np.array([256, 512, 1024, 2048, 4096.0])
    square = contexts**2
    figure = attention_cost.quadratic(
        "light", contexts, square * 1e-8, 8 * square, 256 * square,
        {"seconds": 2.0, "bytes": 2.0, "flops": 2.0},
        ["GPT-2", "GPT-3", "GPT-3, context 32,768", "GPT-3, context 131,072"],
        np.array([0.18, 0.03, 0.31, 0.64]), np.array([0.3, 77.3, 19_791, 316_659]),
    )  # fmt: skip
    check_readable(figure)
    assert "16 times the context costs attention 256 times the FLOPs" in finding(figure)
