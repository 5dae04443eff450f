"""The pictures of causal tracing and of edits."""

import numpy as np
import pytest

from nnguide.plots.fact_tracing import edit_scores, edits_and_effects, fact_tracing

ROLES = ("token before", "first name", "last name", "relation", "last token")
TESTS = ("efficacy", "paraphrase", "neighbourhood", "other facts")


def finding(drawing) -> str:
    return " ".join(drawing.texts[0].get_text().split())


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_three_maps_share_one_scale(theme, check_readable):
    effects = np.linspace(-0.001, 1, 45).reshape(3, 3, 5)
    drawing = fact_tracing(theme, effects, 0.9, ROLES, "The MLP works at the last name")
    check_readable(drawing)
    assert finding(drawing) == "The MLP works at the last name"
    for axes, each in zip(drawing.axes, effects, strict=True):
        (image,) = axes.images
        assert image.get_clim() == (0, 1)
        shown = np.asarray(image.get_array(), float)
        np.testing.assert_allclose(shown, each.T)  # roles down
    assert drawing.axes[0].texts[0].get_text() == "0%"  # never "-0%"


def test_bars_name_themselves(check_readable):
    scores = np.linspace(0, 1, 36).reshape(3, 3, 4)
    names: list[str] = ["last name", "last token", "fine-tuning"]
    methods = dict(zip(names, scores, strict=True))
    drawing = edit_scores("light", methods, TESTS)
    check_readable(drawing)
    assert "at the last name in layer 1 changes 0% of the facts" in finding(drawing)
    heights = [bar.get_window_extent().height for bar in drawing.axes[1].patches]
    of_one = drawing.axes[1].bbox.height / 1.02
    np.testing.assert_allclose(np.reshape(heights, (4, 3)).T, of_one * scores[1])
    words = [text.get_text() for text in drawing.axes[2].texts]
    assert "other facts 100%" in words
    assert "Control: fine-tuning" in words


def test_the_traced_place_is_named_and_so_is_a_better_one(check_readable):
    effects = {
        "last name": np.array([0.2, 0.05, 0.0]),
        "last token": np.array([0.03, 0.1, 0.15]),
    }
    scores = {
        "last name": np.array([0.6, 0.8, 0.0]),
        "last token": np.array([0.95, 0.9, 0.99]),
    }
    drawing = edits_and_effects("dark", effects, scores)
    check_readable(drawing)
    assert finding(drawing) == (
        "Tracing points to the last name, layer 1: edits there score 60%; at the last "
        "token, layer 3, they score 99%"
    )
