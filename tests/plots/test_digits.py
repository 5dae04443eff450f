import numpy as np
import pytest

from nnguide.plots.digits import confusion, mistakes

DIGITS = [str(digit) for digit in range(10)]
FASHION = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal"]
FASHION += ["Shirt", "Sneaker", "Bag", "Ankle boot"]


def _words(figure):
    return [" ".join(text.get_text().split()) for text in figure.texts]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("theme", "names"), [("light", DIGITS), ("dark", DIGITS), ("light", FASHION)]
)
def test_the_most_confused_pair_is_named(theme, names, check_readable):
    counts = np.diag(np.arange(81, 91))
    counts[4, 9] = 12
    counts[3, 5] = 4
    figure = confusion(theme, counts, names)
    check_readable(figure)
    assert _words(figure)[0] == (
        f'855 of 871 images are read right (98.2%); 12 of 97 images of "{names[4]}" '
        f'pass for "{names[9]}"'
    )
    assert "deepest red being 12.4%" in _words(figure)[1]
    numbers = [text.get_text() for text in figure.axes[0].texts]
    assert sorted(numbers) == sorted([*map(str, range(81, 91)), "12", "4"])


def test_a_perfect_score_and_an_absent_class_are_drawn(check_readable):
    figure = confusion("light", np.diag([3, 0, 5]), ["a", "b", "c"])
    check_readable(figure)
    assert _words(figure)[0] == "8 of 8 images are read right (100.0%)"


def test_right_is_blue_and_wrong_is_red():
    counts = np.array([[10, 0], [5, 5]])
    picture = confusion("light", counts, ["a", "b"]).axes[0]
    shades = np.asarray(picture.images[0].get_array())
    red, blue = shades[..., 0], shades[..., 2]
    assert blue[0, 0] > red[0, 0]
    assert red[1, 0] > blue[1, 0]
    assert blue[0, 0] < blue[1, 1]  # 100% is deeper than 50%


def _test_set(wrong):
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, size=200)
    outputs = 0.1 * random.random((200, 10), dtype=np.float32)
    outputs[np.arange(200), labels] = 0.9
    for rank in range(wrong):  # image `rank` passes for the next class
        outputs[rank, labels[rank]] = 0.0
        outputs[rank, (labels[rank] + 1) % 10] = 0.3 + 0.01 * rank
    images = random.random((200, 28, 28), dtype=np.float32)
    return images, labels, outputs


@pytest.mark.parametrize("names", [DIGITS, FASHION])
def test_the_surest_mistakes_come_first(names, check_readable):
    images, labels, outputs = _test_set(wrong=25)
    figure = mistakes("dark", images, labels, outputs, names, rows=2)
    check_readable(figure)
    finding, note = _words(figure)
    assert finding == (
        "25 of 200 images are read wrong (12.5%); 4 of them with more than 0.5"
    )
    assert note.startswith("The 20 it is surest of, from 0.54 down to 0.35.")
    first = figure.axes[0]
    np.testing.assert_array_equal(np.asarray(first.images[0].get_array()), images[24])
    assert first.get_title().split() == [
        *names[(labels[24] + 1) % 10].split(),
        "(0.54)",
    ]
    assert first.get_xlabel() == f"is {names[labels[24]]}"


@pytest.mark.parametrize("wrong", [0, 1, 11])
def test_few_mistakes_leave_no_empty_frames(wrong, check_readable):
    figure = mistakes("light", *_test_set(wrong), DIGITS)
    check_readable(figure)
    assert sum(bool(axes.images) for axes in figure.axes) == wrong
    assert sum(axes.axison for axes in figure.axes) == wrong
