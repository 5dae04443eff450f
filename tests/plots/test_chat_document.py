import pytest

from nnguide.plots.chat_document import chat_document

PROMPT = ("A user asks, and an A", "I that answers.\n\nUser: What is a list?\nAI:")


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("count", "says"), [(0, "“User:” never"), (1, "once"), (5, "5 times")]
)
def test_the_document_and_how_often_the_turn_ends(check_readable, count, says):
    texts = [" A list of words and more. " * 8, "\n" * 3 + "x" * 180, " " * 200]
    figure = chat_document(
        "light", PROMPT, texts, "User:", (count, 32, 200), "character"
    )
    check_readable(figure)
    assert says in " ".join(figure.texts[0].get_text().split())
    written = [text.get_text() for text in figure.axes[0].texts]
    assert "User: What is a list?" in written
    assert "[200 blanks]" in written


def test_a_short_prompt_is_all_in_sight(check_readable):
    figure = chat_document(
        "dark", ("", "User: Hi\nAI:"), ["x"], "User:", (0, 1, 9), "a"
    )
    check_readable(figure)
    assert "out of its sight" not in [t.get_text() for t in figure.axes[0].texts]
