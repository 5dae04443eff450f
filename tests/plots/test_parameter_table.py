import math
from typing import Any

import numpy as np
import pytest

from nnguide.plots.parameter_table import model_sizes, parameter_table

GPT3 = {
    "Embedding": ((12_288, 50_257), (1, 1), "embedding"),
    "Key": ((128, 12_288), (96, 96), "attention"),
    "Query": ((128, 12_288), (96, 96), "attention"),
    "Value down": ((128, 12_288), (96, 96), "attention"),
    "Value up": ((12_288, 128), (96, 96), "attention"),
    "Up projection": ((49_152, 12_288), (1, 96), "mlp"),
    "Down projection": ((12_288, 49_152), (1, 96), "mlp"),
    "Unembedding": ((50_257, 12_288), (1, 1), "unembedding"),
}
SMALL = {
    "Embedding": ((32, 65), (1, 1), "embedding"),
    "Key": ((8, 32), (4, 2), "attention"),
    "Query": ((8, 32), (4, 2), "attention"),
    "Value down": ((8, 32), (4, 2), "attention"),
    "Value up": ((32, 8), (4, 2), "attention"),
    "Gate projection": ((96, 32), (1, 2), "mlp"),
    "Up projection": ((96, 32), (1, 2), "mlp"),
    "Down projection": ((32, 96), (1, 2), "mlp"),
    "Unembedding": ((65, 32), (1, 1), "unembedding"),
}
LEFT_OUT = {
    "positions": 25_165_824,
    "norms": 4_743_168,
    "biases": 10_616_832,
    "unembedding": -617_558_016,
}


def _picture(theme, table, left_out):
    shapes, copies, parts = zip(*table.values(), strict=True)
    return parameter_table(
        theme, "GPT-3", list(table), np.array(shapes), np.array(copies), parts, left_out
    )


def _words(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("theme", "table", "left_out"),
    [("light", GPT3, LEFT_OUT), ("dark", GPT3, LEFT_OUT), ("light", SMALL, {})],
)
def test_every_word_can_be_read(theme, table, left_out, check_readable):
    check_readable(_picture(theme, table, left_out))


def test_the_finding_and_the_sums_are_computed():
    figure = _picture("light", GPT3, LEFT_OUT)
    finding, note = (" ".join(text.get_text().split()) for text in figure.texts)
    assert finding == (
        "66% of GPT-3's weights are in its MLP blocks, 33% in its attention blocks"
    )
    assert "counts 175,181,291,520 weights" in note
    assert "holds 174,604,259,328 parameters" in note
    words = _words(figure.axes[0])
    assert "128 \N{MULTIPLICATION SIGN} 12,288 \N{MULTIPLICATION SIGN} 96 heads " in (
        "".join(words).replace("layers", "layers ")
    )
    for sum_or_row in ("175,181,291,520", "14,495,514,624", "+ 25,165,824"):
        assert sum_or_row in words
    assert "\N{MINUS SIGN} 617,558,016" in words
    assert "174,604,259,328" in words


def test_bars_and_areas_are_to_scale():
    left, right = _picture("light", GPT3, LEFT_OUT).axes
    numbers = [math.prod(shape + copies) for shape, copies, _ in GPT3.values()]
    bars: list[Any] = list(left.patches)
    widths = [bar.get_width() for bar in bars]
    assert widths == numbers
    boxes: list[Any] = list(right.patches)
    areas = [box.get_width() * box.get_height() for box in boxes]
    missing = [number for number in LEFT_OUT.values() if number > 0]
    np.testing.assert_allclose(sorted(areas), sorted([*numbers, *missing]), rtol=1e-9)
    side = sum(numbers) ** 0.5
    for box in boxes[: len(numbers)]:
        assert -1 <= box.get_x() <= box.get_x() + box.get_width() <= side + 1
        assert -1 <= box.get_y() <= box.get_y() + box.get_height() <= side + 1


def test_areas_lie_side_by_side():
    _, right = _picture("light", GPT3, LEFT_OUT).axes
    boxes: list[Any] = list(right.patches)
    for place, one in enumerate(boxes):
        for other in boxes[place + 1 :]:
            wide = min(one.get_x() + one.get_width(), other.get_x() + other.get_width())
            high = min(
                one.get_y() + one.get_height(), other.get_y() + other.get_height()
            )
            wide -= max(one.get_x(), other.get_x())
            high -= max(one.get_y(), other.get_y())
            assert min(wide, high) < 1, (one, other)


@pytest.mark.parametrize("missing", ["mlp", "attention"])
def test_a_model_without_one_kind_of_block_has_a_picture(missing, check_readable):
    table = {name: row for name, row in SMALL.items() if row[2] != missing}
    figure = _picture("light", table, {})
    check_readable(figure)
    assert "0% in its attention" in figure.texts[0].get_text() or missing == "mlp"


SIZES = {
    "GPT-2 small": {
        "embedding": 38_597_376,
        "positions": 786_432,
        "norms": 38_400,
        "attention": 28_311_552,
        "biases": 82_944,
        "mlp": 56_623_104,
    },
    "GPT-2 XL": {
        "embedding": 80_411_200,
        "positions": 1_638_400,
        "norms": 310_400,
        "attention": 491_520_000,
        "biases": 691_200,
        "mlp": 983_040_000,
    },
    "GPT-3": {
        "embedding": 617_558_016,
        "positions": 25_165_824,
        "norms": 4_743_168,
        "attention": 57_982_058_496,
        "biases": 10_616_832,
        "mlp": 115_964_116_992,
    },
}


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_finding_is_computed_and_can_be_read(theme, check_readable):
    figure = model_sizes(theme, SIZES)
    check_readable(figure)
    assert " ".join(figure.texts[0].get_text().split()) == (
        "GPT-3 is 1,403 times GPT-2 small; the embedding shrinks from 31% of the "
        "parameters to 0.35%"
    )
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == [
        "GPT-2 small\n124,439,808",
        "GPT-2 XL\n1,557,611,200",
        "GPT-3: 174,604,259,328 parameters",
    ]


def test_every_parameter_has_the_same_area():
    squares, bars = model_sizes("light", SIZES).axes
    boxes: list[Any] = list(squares.patches)
    assert squares.get_aspect() == 1
    for model, of in zip(SIZES.values(), np.split(np.array(boxes), 3), strict=True):
        areas = [box.get_width() * box.get_height() for box in of]
        whole = sum(model.values())
        rest = model["positions"] + model["norms"] + model["biases"]
        parts = [model["mlp"], model["attention"], model["embedding"], rest]
        np.testing.assert_allclose(areas, parts, rtol=1e-6)
        assert of[0].get_height() == pytest.approx(whole**0.5)
    shares: list[Any] = list(bars.patches)
    widths = np.array([bar.get_width() for bar in shares]).reshape(4, 3)
    np.testing.assert_allclose(widths.sum(axis=0), 1)


def test_squares_do_not_touch():
    squares, _ = model_sizes("light", SIZES).axes
    boxes: list[Any] = list(squares.patches)
    small, large, last = boxes[:4], boxes[4:8], boxes[8:]
    top = max(box.get_y() + box.get_height() for box in small)
    assert top < min(box.get_y() for box in large)
    right = max(box.get_x() + box.get_width() for box in (*small, *large))
    assert right < min(box.get_x() for box in last)
