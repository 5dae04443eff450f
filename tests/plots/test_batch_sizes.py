import numpy as np
import pytest

from nnguide.plots.batch_sizes import batch_sizes


@pytest.mark.smoke
def test_batch_sizes_are_drawn_over_steps_and_over_examples(check_readable):
    rise = np.linspace(0.1, 1, 30)
    accuracies = {
        4000: 0.3 * rise * np.ones((4, 1)),
        100: 0.9 * np.sqrt(rise) * np.linspace(0.98, 1.02, 4)[:, None],
        10: 0.91 * rise**0.1 * np.ones((4, 1)),
    }
    figure = batch_sizes("light", accuracies, 4000)
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        "30 passes over 4,000 digits: 30.0% in 30 full steps, 90.0% in 1,200 steps on "
        "batches of 100 and 91.0% in 12,000 steps on batches of 10"
    )
    ends = [
        [np.asarray(line.get_xdata())[-1] for line in axes.lines[:3]]
        for axes in figure.axes
    ]
    assert ends == [[30, 1200, 12_000], [120_000] * 3]
