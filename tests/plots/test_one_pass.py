import numpy as np
import pytest

from nnguide.plots.one_pass import one_pass


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_losses_and_prices_are_drawn(check_readable, theme):
    steps = 50 * np.arange(1, 13)
    fall = 6 - np.linspace(0, 2, 12)[:, None] * np.array([[1.0, 1.04]])
    losses = {"all 64 predictions\ncount": fall, "only the last\none counts": fall + 1}
    price = {"growing": 31.53, "padded": 64.0, "seconds": 39.5}
    figure = one_pass(theme, steps, losses, 64, price)
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        "One pass trains 64 predictions: without the other 63, the last one is 1.00 "
        "nats worse after the same 600 steps"
    )
    bars = [patch.get_width() for patch in figure.axes[1].patches]  # type: ignore[attr-defined]
    assert bars == [1, 31.53, 64]
