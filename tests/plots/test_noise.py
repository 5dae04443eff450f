from typing import Any

import numpy as np
import pytest

from nnguide.plots.noise import confident_on_noise


def _picture(theme, classes, digits, noise):
    random = np.random.default_rng(0)
    image = random.random((28, 28), dtype=np.float32)
    outputs = np.linspace(0, 0.62, classes).astype(np.float32)
    names = [str(number) for number in range(classes)]
    return confident_on_noise(theme, image, outputs, names, digits, noise)


@pytest.mark.smoke
@pytest.mark.parametrize(("theme", "classes"), [("light", 10), ("dark", 3)])
def test_the_finding_is_computed_from_the_answers(theme, classes, check_readable):
    digits = np.linspace(0.5, 1.0, 101)
    noise = np.linspace(0.0, 1.0, 1001)
    figure = _picture(theme, classes, digits, noise)
    check_readable(figure)
    finding, note = (" ".join(text.get_text().split()) for text in figure.texts)
    assert finding == (
        "10% of noise images get an answer above 0.9; the median answer is 0.50 for "
        "noise and 0.75 for digits"
    )
    assert note == "1,001 answers to noise, 101 to test digits."
    _, bars, histograms = figure.axes
    assert len(bars.patches) == classes
    assert f'The answer: "{classes - 1}", 0.62' in [t.get_text() for t in bars.texts]
    medians = [np.asarray(line.get_xdata())[0] for line in histograms.lines]
    np.testing.assert_allclose(medians, [0.75, 0.5])


@pytest.mark.parametrize("middle", [0.02, 0.5, 0.98])
def test_medians_that_coincide_stay_readable(middle, check_readable):
    values = np.full(4, middle, np.float32)
    check_readable(_picture("light", 10, values, values))


def test_shares_of_both_histograms_add_up_to_one():
    random = np.random.default_rng(0)
    digits, noise = random.random(50), random.random(70) * 1.0001
    *_, histograms = _picture("light", 10, digits, noise).axes
    steps: Any
    for steps in histograms.patches:
        assert steps.get_data().values.sum() == pytest.approx(1)
    filled, hatched = histograms.patches
    assert filled.get_fill()
    assert hatched.get_hatch()
