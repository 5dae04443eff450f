import numpy as np
import pytest

from nnguide.language.ngrams import probabilities

TRAIN = np.array([0, 1, 0, 1, 0, 2, 1, 1, 0, 3])


@pytest.mark.smoke
def test_witten_bell_by_hand():
    """Of 10 tokens 0 came four times, 1 four times, 2 and 3 once; 4 never."""
    p = probabilities(TRAIN, np.array([1, 0, 4]), 2, 5)
    np.testing.assert_allclose(p[0], 1 / 5)
    unigram = np.array([4 + 4 / 5, 4 + 4 / 5, 0 + 4 / 5]) / 14
    np.testing.assert_allclose(p[1], unigram)
    # After 1 came 0, 0, 1, 0: c = 4, d = 2. After 0 came 1, 1, 2, 3: 4 was never seen.
    np.testing.assert_allclose(p[2, 1], (3 + 2 * unigram[1]) / 6)
    np.testing.assert_allclose(p[2, 2], (0 + 3 * unigram[2]) / 7)
    assert p[2, 0] == p[1, 0]  # nothing stands before the first token


def test_the_probabilities_of_all_next_tokens_sum_to_one():
    size = 6
    train = np.random.default_rng(0).integers(0, size - 1, 300)
    for history in ([0, 1, 2], [4, 4, 4], [5, 5, 5], [1, 5, 0]):  # 5 was never seen
        texts = [np.array([*history, token]) for token in range(size)]
        last = [probabilities(train, text, 4, size)[:, -1] for text in texts]
        np.testing.assert_allclose(np.sum(last, axis=0), 1, rtol=1e-12)


def test_longer_histories_pay_where_they_decide_what_comes():
    """In 0 1 0 2 0 1 0 2 ... one token before leaves two, two tokens leave one."""
    text = np.tile([0, 1, 0, 2], 500)
    nats = -np.log(probabilities(text, text[:400], 3, 3)[:, 2:]).mean(axis=1)
    np.testing.assert_allclose(nats[0], np.log(3))
    np.testing.assert_allclose(nats[1], 1.5 * np.log(2), rtol=0.01)
    np.testing.assert_allclose(nats[2], 0.5 * np.log(2), rtol=0.02)
    assert nats[3] < 0.01


def test_a_text_shorter_than_the_history_gets_what_fits():
    p = probabilities(TRAIN[:2], np.array([0]), 3, 4)
    assert (p[1:] == p[1]).all()


def test_large_vocabularies_do_not_overflow_silently():
    assert probabilities(TRAIN, TRAIN, 4, 50_257).shape == (5, 10)
    with pytest.raises(ValueError, match="overflow"):
        probabilities(TRAIN, TRAIN, 5, 50_257)
