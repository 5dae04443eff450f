"""Part 6's word vectors at toy size, and in full (slow)."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments import part6_transformers as part6
from experiments.benchmarks import analogies as benchmark
from experiments.part6 import asked_analogies, directions, word_setting
from nnguide.config import InputError
from nnguide.data.word_vectors import load_word_vectors
from nnguide.facts.directions import vocabulary

FEW = ": family\nboy girl brother sister\nking queen man woman\nboy girl zyzzx sister\n"


def setting(folder) -> Any:
    return SimpleNamespace(seed=0, workdir=folder, theme="light")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("directions")
    (folder / "questions.txt").write_text(FEW)
    config = directions.Config(
        words=20_000,
        questions=f"text:{folder / 'questions.txt'}",
        analogies=("paris-france+italy",),
    )
    return (*directions.study(config, setting(folder)), folder)


def test_no_claim_of_a_toy_run_is_other_than_expected(toy):
    claims, _, _ = toy
    assert not [claim for claim in claims if claim.as_expected is False]
    measured = {claim.id: claim.measured for claim in claims}
    assert len(measured) == len(claims)
    assert (measured["6.queen"], measured["6.queen_excluded"]) == (2, 1)
    assert measured["6.number_four"] == pytest.approx(1.49, abs=0.01)
    assert measured["6.planted_analogies"] == 1
    assert "6.bratwurst" not in measured  # it is no common word
    scored = {claim.id for claim in claims if claim.as_expected}
    assert all(name.startswith("6.planted_") for name in scored)


def test_every_picture_is_there_with_its_numbers(toy):
    _, figures, folder = toy
    assert len(set(figures)) == 6
    for figure in figures:
        with Image.open(folder / figure) as picture:
            assert picture.width == 2400
        assert np.load((folder / figure).with_suffix(".npz")).files
    accuracy = np.load(folder / "figures/directions_accuracy.npz")
    assert len(accuracy["ranks"]) == 2  # zyzzx is not known


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"words": 999}, "--directions.words=999: give 1000 or more, or 0"),
        ({"words": -1}, "--directions.words=-1: give 0 or more"),
        ({"analogies": ("king",)}, "analogy 'king': write it as king-man"),
        ({"vectors": "word2vec"}, "vectors 'word2vec': give glove, or text:PATH"),
        ({"questions": "bats"}, "questions 'bats': give google, or text:PATH"),
        ({"similarity": "men"}, "similarity 'men': give wordsim353, or text:PATH"),
        (
            {"analogies": ("king-man+womann",)},
            r"--directions.analogies=king-man\+womann: 'womann'.*nearest: woman",
        ),
    ],
)
def test_a_wrong_value_dies_with_flag_value_and_remedy(fields, says, tmp_path):
    def run():
        config = directions.Config(**{"words": 1000, **fields})
        directions.study(config, setting(tmp_path))

    with pytest.raises(InputError, match=says):
        run()


def test_questions_of_unknown_words_alone_are_refused(tmp_path):
    (tmp_path / "q.txt").write_text("zyz zyy zyx zyw\n")
    source = f"text:{tmp_path / 'q.txt'}"
    with pytest.raises(InputError, match="none of the 1 analogies has all its words"):
        directions.study(
            directions.Config(words=1000, questions=source), setting(tmp_path)
        )


def test_the_terminal_shows_both_conventions(capsys, tmp_path):
    words = word_setting.Words(
        vocabulary(*load_word_vectors("glove", 5000)), False, setting(tmp_path)
    )
    asked = ("king-man+woman=queen", "paris-france+italy")
    asked_analogies.show(asked_analogies.solve_asked(words, asked))
    lines = capsys.readouterr().out.splitlines()
    first = next(line for line in lines if "king-man+woman" in line)
    said = "king-man+woman (king) 0.886 queen 0.861 queen 0.861 2 and 1"
    assert " ".join(first.split()) == said
    assert any("paris-france+italy" in line for line in lines)


def test_what_is_printed_does_not_change_the_run():
    own = part6.Config(directions=directions.Config(analogies=("paris-france+italy",)))
    assert part6.launcher.workdir_of("x", own) == part6.launcher.workdir_of(
        "x", part6.Config()
    )


@pytest.mark.slow
def test_the_benchmark_and_gensim_agree():
    pytest.importorskip("gensim")
    loaded = load_word_vectors("glove", 5000)
    turn = benchmark._gensim(loaded, [("man", "woman", "king", "queen")] * 3)
    assert turn
    turn()


@pytest.mark.slow
def test_every_claim_of_the_full_study_is_as_expected(tmp_path):
    claims, figures = directions.study(directions.Config(), setting(tmp_path))
    assert not [claim.id for claim in claims if claim.as_expected is not True]
    assert len(figures) == 6
