"""Pictures of what a block knows."""

import numpy as np

from nnguide.plots import memory


def finding(figure):
    return " ".join(figure.texts[0].get_text().split())


def test_widths_share_one_curve(check_readable):
    loads = np.array([1 / 8, 1 / 4, 5 / 16, 3 / 8, 1 / 2])
    recall = np.array([1, 1, 0.95, 0.74, 0.52])[:, None] + np.array([[0, 0.01]])
    bits = np.array([0.5, 0.98, 1.1, 1.03, 0.9])[:, None] + np.array([[0, 0.01]])
    parameters = np.array([2128, 8320, 8320])
    curves = {
        name: (np.round(loads * size).astype(int), recall, bits * scale)
        for name, size, scale in (
            ("16 neurons", 2128, 0.9), ("64 neurons", 8320, 1), ("without\nReLU", 1040,
            0.125),
        )
    }  # fmt: skip
    figure = memory.capacity(
        "light", curves, parameters, 16, 1000, {"one paper": 2.0, "another": 3.6}
    )
    check_readable(figure)
    assert "One MLP block holds 0.99 to 1.10 bits a parameter" in finding(figure)
    assert "16 answers, 4 bits; each shown 1,000 times" in figure.texts[1].get_text()


def test_hand_and_training_stand_side_by_side(check_readable):
    facts = np.array([64, 256, 1024])
    recall = {
        -1.0: np.array([[1, 1], [0.99, 1], [0.98, 0.99]]),
        -1.5: np.full((3, 2), 0.95),
    }
    figure = memory.by_hand("dark", facts, recall, 64, 2080, 4.0, 130.0)
    check_readable(figure)
    assert "learned, 64 neurons hold 2,080, 32 a neuron" in finding(figure)
