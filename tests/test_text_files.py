"""One border for texts: marks go, bad bytes are named by line."""

import json

import pytest

from nnguide.config import InputError
from nnguide.data.conversations import load_conversations
from nnguide.data.text import TextConfig, load_text
from nnguide.data.word_tests import load_questions, load_rated_pairs
from nnguide.data.word_vectors import load_word_vectors
from nnguide.text_files import read_text
from nnguide.tokenizer import files
from nnguide.tokenizer.byte_pairs import BytePairs, gpt2_folder
from nnguide.tokenizer.characters import Characters

MARK = b"\xef\xbb\xbf"


@pytest.mark.smoke
def test_a_mark_before_the_text_is_no_part_of_it(tmp_path):
    path = tmp_path / "a.txt"
    for before in (b"", MARK):
        path.write_bytes(before + "a\r\n\u2013\ufeff".encode())
        assert read_text(path) == "a\r\n\u2013\ufeff"  # later ones are characters


def test_bytes_that_are_no_utf8_are_named_by_line(tmp_path):
    path = tmp_path / "a.txt"
    for before in (b"", MARK):
        path.write_bytes(before + b"one\ntwo\nthr\xe9e\n")
        with pytest.raises(InputError, match=r"a\.txt:3: .*\(byte 0xe9 is not UTF-8"):
            read_text(path)
    with pytest.raises(InputError, match=r"nowhere: cannot be read \(No such file"):
        read_text(tmp_path / "nowhere")


def test_every_kind_of_text_file_may_begin_with_a_mark(tmp_path):
    def marked(name, *lines):
        path = tmp_path / name
        path.write_bytes(MARK + "".join(line + "\n" for line in lines).encode())
        return path

    text = load_text(TextConfig(f"text:{marked('text', 'abc' * 50)}"))
    assert text.tokenizer == Characters("\nabc")
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    line = json.dumps({"messages": turns})
    found = load_conversations(f"jsonl:{marked('said', line, line)}", True)
    assert (len(found.conversations), found.skipped) == (2, 0)
    saved = marked("tokenizer.json", files.to_json(Characters("abc")))
    assert files.load(saved) == Characters("abc")
    for header in ((), ("2 2",)):
        vectors = marked("vectors", *header, "a 1 2", "b 3 4")
        assert load_word_vectors(f"text:{vectors}").words == ("a", "b")
    questions = load_questions(f"text:{marked('questions', ': first', 'a b c d')}")
    assert questions.sections == ("first",)
    rated = marked("pairs", "\t".join("ab1"))
    assert load_rated_pairs(f"text:{rated}").pairs == (("a", "b"),)


def test_gpt2s_files_may_come_from_windows(tmp_path):
    for name in ("encoder.json", "vocab.bpe"):
        content = (gpt2_folder() / name).read_bytes().replace(b"\n", b"\r\n")
        (tmp_path / name).write_bytes(MARK + content)
    assert BytePairs.gpt2(tmp_path) == BytePairs.gpt2(gpt2_folder())
