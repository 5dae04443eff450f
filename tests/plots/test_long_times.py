import numpy as np
import pytest

from nnguide.plots.long_times import YEAR, duration, long_times


@pytest.mark.smoke
def test_times_lie_where_they_are(check_readable):
    reading = {"300 billion tokens, 238 words a minute": 1797.4, "all": 2990.0}
    computing = {"GPT-3": 9.95e6, "PaLM": 80.1e6, "Llama 3.1 405B": 1204e6}
    own = {"GPT-3 at this run's 20 billion a second": 5e5 * YEAR, "this run": 7956.0}
    figure = long_times("light", reading, computing, own, 2e10)
    check_readable(figure)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    seconds = [float(np.asarray(line.get_xdata())[0]) for line in dots]
    years = [*reading.values(), *computing.values()]
    assert seconds == pytest.approx([year * YEAR for year in years] + [*own.values()])
    finding = " ".join(figure.texts[0].get_text().split())
    assert finding == (
        "At a billion operations a second GPT-3 takes 9.95 million years, not 100 "
        "million; the largest published model takes 1,204 million"
    )


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (1797.43 * YEAR, "1,797 years"),
        (9.95e6 * YEAR, "9.95 million years"),
        (1204.1e6 * YEAR, "1.20 billion years"),
        (7956.0, "2.21 hours"),
        (150.0, "2.50 minutes"),
        (3.0, "3 seconds"),
    ],
)
def test_a_duration_in_its_largest_unit(seconds, says):
    assert duration(seconds) == says
