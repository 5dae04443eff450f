"""The same command on other content: refused, or trained in a folder of its own."""

import dataclasses
import gzip
import json
from typing import Any

import numpy as np
import pytest

from experiments import (
    part1_neural_network as part1,
)
from experiments import (
    part2_gradient_descent as part2,
)
from experiments import (
    part3_backpropagation as part3,
)
from experiments import (
    part4_chain_rule as part4,
)
from experiments import (
    part5_language_model as part5,
)
from experiments import (
    part6_transformers as part6,
)
from experiments import (
    part7_attention as part7,
)
from experiments import (
    part9_diffusion as part9,
)
from experiments.part5 import feedback
from experiments.part5.setting import Model
from experiments.part6.directions import Config as DirectionsConfig
from experiments.part9.digits import Config as DigitsConfig
from nnguide.config import InputError
from nnguide.data.images import ImageConfig
from nnguide.data.text import TextConfig
from nnguide.language.chat import ChatTemplate
from nnguide.tokenizer.byte_values import Bytes

REFUSED = r"made with other data \(.*sha256 .* there, sha256 .* now\); restore"


class Begun(Exception):
    """The work would begin here."""


def write_idx(folder, pixel, packed=False):
    """A set of 784 pixels and 10 classes, two images of each."""
    folder.mkdir(exist_ok=True)
    for name, rank, values in (
        ("images-idx3", 3, np.full((20, 28, 28), pixel, np.uint8)),
        ("labels-idx1", 1, np.arange(20, dtype=np.uint8) % 10),
    ):
        header = bytes([0, 0, 8, rank]) + np.array(values.shape, ">i4").tobytes()
        for prefix in ("train", "t10k"):
            path = folder / f"{prefix}-{name}-ubyte"
            path.unlink(missing_ok=True)
            content = header + values.tobytes()
            if packed:
                path, content = (
                    path.with_name(path.name + ".gz"),
                    gzip.compress(content),
                )
            path.write_bytes(content)


def stop(monkeypatch):
    """Every launcher ends where it would train, measure or draw."""

    def begun(*arguments, **named):
        raise Begun

    for module, name in (
        (part1.digits, "train"), (part2, "studies"), (part3.by_hand, "study"),
        (part4, "set_up"), (part5.training_run, "train"), (part6, "studies"),
        (part7, "studies"), (part9, "studies"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, begun)


@pytest.mark.parametrize("part", [part1, part2, part3, part4, part9])
def test_other_images_are_refused_and_the_same_ones_elsewhere_are_not(
    tmp_path, monkeypatch, part
):
    stop(monkeypatch)

    def run(folder):
        data = ImageConfig("mnist", data_dir=str(tmp_path / folder))
        own: dict[str, Any] = {"data": data}
        if part is part9:
            own = {"digits": DigitsConfig(data=data), "study": "digits"}
        if part is part2:
            own["batches"] = part2.BatchesConfig(mini=(2, 5))
        part.run(part.Config(workdir=str(tmp_path / "run"), **own))

    write_idx(tmp_path / "set", 7)
    for _ in range(2):
        with pytest.raises(Begun):
            run("set")
    write_idx(tmp_path / "packed", 7, packed=True)
    with pytest.raises(Begun):
        run("packed")
    write_idx(tmp_path / "set", 8)
    with pytest.raises(InputError, match=REFUSED):
        run("set")


@pytest.mark.parametrize("part", [part5, part6, part7])
def test_a_text_edited_in_place_is_refused(tmp_path, monkeypatch, part):
    stop(monkeypatch)
    path = tmp_path / "text.txt"

    def run():
        own = {} if part is part5 else {"study": "mask" if part is part7 else "context"}
        data = TextConfig(f"text:{path}", "bytes")
        part.run(part.Config(workdir=str(tmp_path / "run"), data=data, **own))

    for content in ("abc" * 100_000, "abc" * 100_000):
        path.write_text(content)
        with pytest.raises(Begun):
            run()
    path.write_text("acb" * 100_000)  # the same letters
    with pytest.raises(InputError, match=REFUSED):
        run()


def test_tokens_and_a_tokenizers_file_are_among_the_data(tmp_path, monkeypatch):
    stop(monkeypatch)
    vocabulary, path = tmp_path / "tokenizer.json", tmp_path / "tokens.bin"

    def run():
        data = TextConfig(f"tokens:{path}", str(vocabulary))
        part5.run(part5.Config(workdir=str(tmp_path / "run"), data=data))

    ids = np.arange(3_000, dtype="<u2") % 3
    path.write_bytes(ids.tobytes())
    kind = {"kind": "characters"}
    vocabulary.write_text(json.dumps({**kind, "alphabet": "abc"}))
    with pytest.raises(Begun):
        run()
    vocabulary.write_text(json.dumps({**kind, "alphabet": "abd"}))
    with pytest.raises(InputError, match=r"data \(tokenizer: sha256"):
        run()
    vocabulary.write_text(json.dumps({**kind, "alphabet": "abc"}))
    path.write_bytes(ids[::-1].tobytes())
    with pytest.raises(InputError, match=r"data \(text: sha256"):
        run()


def test_word_vectors_and_their_test_sets_are_among_the_data(tmp_path, monkeypatch):
    stop(monkeypatch)
    files = {name: tmp_path / name for name in ("vectors", "questions", "similarity")}
    for path in files.values():
        path.write_text("a 1 2\n")
    config = part6.Config(
        study="directions",
        workdir=str(tmp_path / "run"),
        data=TextConfig(tokenizer="bytes"),
        directions=DirectionsConfig(
            vectors=f"text:{files['vectors']}",
            questions=f"text:{files['questions']}",
            similarity=f"text:{files['similarity']}",
        ),
    )
    with pytest.raises(Begun):
        part6.run(config)
    for path in files.values():
        path.write_text("a 2 1\n")
        with pytest.raises(InputError, match=REFUSED):
            part6.run(config)
        path.write_text("a 1 2\n")
    with pytest.raises(Begun):
        part6.run(config)


USUAL = ChatTemplate()


def bot_of(folder, template=USUAL, dataset="dialogues"):
    model = Model(dataclasses.replace(part5.Config().model, vocabulary=256, context=96))
    config = feedback.Config(dataset=dataset)
    speaker = part5.Speaker(model, None, Bytes())
    return feedback.make_chatbot(speaker, template, config, 0, folder, "light", False)


def test_what_the_turns_are_called_is_in_the_name_of_a_chatbots_folder(tmp_path):
    usual = bot_of(tmp_path).folder
    assert bot_of(tmp_path, ChatTemplate(user="Question:")).folder != usual
    assert bot_of(tmp_path, ChatTemplate(assistant="Answer:")).folder != usual
    assert bot_of(tmp_path, ChatTemplate("No opening is learned.")).folder == usual


def test_a_chatbots_file_and_its_pre_trained_model_are_kept(tmp_path):
    path = tmp_path / "said.jsonl"
    path.write_text("{}")
    bot = bot_of(tmp_path, dataset=f"jsonl:{path}")
    for _ in range(2):
        part5.material.keep_record(bot, 2000)
    with pytest.raises(InputError, match=r"pre-trained model: 2000 steps there, 4000"):
        part5.material.keep_record(bot, 4000)
    path.write_text("{ }")
    with pytest.raises(InputError, match=rf"{REFUSED}.*or move the folder away"):
        part5.material.keep_record(bot, 2000)


def test_a_model_is_not_judged_by_another_text(tmp_path, monkeypatch):
    stop(monkeypatch)
    text = tmp_path / "text.txt"
    config = part5.Config(
        workdir=str(tmp_path / "run"), data=TextConfig(f"text:{text}")
    )
    evaluate = dataclasses.replace(config, stage="evaluate")
    text.write_text("abcdefgh " * 300)
    with pytest.raises(Begun):
        part5.run(config)
    (tmp_path / "run/checkpoints/1").mkdir(parents=True)  # as if it was trained
    text.write_text("hgfedcba " * 300)
    with pytest.raises(InputError, match=REFUSED):
        part5.run(evaluate)
