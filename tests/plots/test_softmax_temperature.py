import numpy as np
import pytest

from nnguide.plots.softmax_temperature import softmax_temperature


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bars_flatten_and_entropy_rises(check_readable, theme):
    temperatures = np.geomspace(0.05, 20, 30)
    entropies = np.log(1000) / (1 + 1 / temperatures) * np.linspace(0.9, 1, 5)[:, None]
    falling = 0.5 ** np.arange(1, 11)
    shown = {0.2: falling**2 * 3, 1.0: falling, 5.0: np.full(10, 0.0018)}
    words = [" the", "\n", " a", '"', "$x", " in", "        ", "s", ",", "."]
    prompt = "what $comes next, after a rather long text that goes on and on until"
    figure = softmax_temperature(
        theme, prompt, words, shown, temperatures, entropies, 1000
    )
    check_readable(figure)
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding.startswith("Temperature spreads a prediction: 1.4 tokens to choose")
    bars = [patch.get_width() for patch in figure.axes[1].patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(bars, falling)
    assert "T = 5: the likeliest has 0.18%" in [
        text.get_text() for text in figure.axes[2].texts
    ]
