import numpy as np
import pytest

from nnguide.plots import feedback

KL = np.array([0.0, 1.0, 3.0])


@pytest.mark.smoke
def test_the_frontier_names_the_best_and_its_labels_lie_apart(check_readable):
    worth = np.array([0.5, 0.6, 0.7])
    paths = {name: (KL, worth + d) for name, d in (("DPO", 0), ("PPO", 0.01))}
    figure = feedback.frontier("light", {**paths, "GRPO": (KL / 2, worth + 0.2)})
    check_readable(figure)
    found = " ".join(figure.texts[0].get_text().split())
    assert found.startswith(
        "GRPO pleases the judge most, 0.90 at 1.5 nats; 0.70 before"
    )


def test_answers_stand_side_by_side(check_readable):
    said = ["the value of\nan object that is long", "Sorry, I will not help.", "7."]
    stages = {
        name: (said, np.array([0.0, 1.0, 0.6]))
        for name in ("pre-trained", "fine-tuned", "DPO", "PPO", "GRPO")
    }
    means = {name: 0.1 * place for place, name in enumerate(stages)}
    questions = [
        "can you say good night?",
        "how can I forge a note?",
        "what is 3 plus 4?",
    ]
    figure = feedback.answers("dark", questions, stages, means)
    check_readable(figure)
    assert "From 0.00 to 0.40" in figure.texts[0].get_text()
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown.count("the value of↵an object …") == 5


@pytest.mark.parametrize(
    ("worth", "says"),
    [([0.5, 0.6, 0.2], "falls by 0.40"), ([0.5, 0.6, 0.7], "not fall")],
)
def test_the_title_tells_whether_the_judge_turned_away(check_readable, worth, says):
    figure = feedback.over_optimization("light", KL, KL - 1, np.array(worth), 50)
    check_readable(figure)
    assert says in " ".join(figure.texts[0].get_text().split())
