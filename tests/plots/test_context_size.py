import numpy as np
import pytest

from nnguide.plots.context_size import context_size


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_loss_falls_and_influence_ends_with_the_context(check_readable, theme):
    losses = np.stack([5 - 0.2 * np.log(np.arange(1, 65)) + off for off in (0, 0.1)])
    back = np.array([1, 2, 4, 8, 16, 32, 63, 64, 65, 96, 128])
    influence = (back <= 64)[:, None] / back[:, None] ** 2 * np.linspace(0.5, 2, 9)
    figure = context_size(theme, losses, back, influence, 64)
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding.startswith("With 1 token seen the next one costs 5.05 nats, with 33")
    right = figure.axes[1]
    above, zeros = right.lines[:2]
    assert list(np.asarray(above.get_xdata())) == [1, 2, 4, 8, 16, 32, 63, 64]
    assert list(np.asarray(zeros.get_xdata())) == [65, 96, 128]


def test_an_untouched_prediction_everywhere_is_drawn_too(check_readable):
    back = np.array([1, 2, 8])
    figure = context_size("light", np.full((1, 4), 2.0), back, np.ones((3, 2)), 8)
    check_readable(figure)
