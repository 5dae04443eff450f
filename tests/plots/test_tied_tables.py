import numpy as np
import pytest

from nnguide.plots.tied_tables import tied_tables

SIZES = {
    "small, one table": (65_536, 0, 104_192),
    "small, two tables": (65_536, 65_536, 104_192),
    "GPT-3, one table": (617_558_016, 0, 173_986_701_312),
}


@pytest.mark.smoke
@pytest.mark.parametrize("evaluations", [1, 12])
def test_losses_have_bands_and_tables_shares(check_readable, evaluations):
    steps = 50 * np.arange(1, evaluations + 1)
    fall = 6 - np.linspace(1, 2, evaluations)[:, None] * np.array([[1.0, 1.04]])
    losses = {"one table": fall, "two tables": fall - 0.1}
    figure = tied_tables("light", steps, losses, SIZES)
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        f"After {steps[-1]} steps a small transformer with two tables loses 0.10 nats "
        "a token less than with one table"
    )
    words = [text.get_text() for text in figure.axes[1].texts]
    assert "55.7% of 235.3 thousand" in words
    assert "0.4% of 174.6 billion" in words
