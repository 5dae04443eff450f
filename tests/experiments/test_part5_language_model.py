"""Part 5 at toy size, its stages, bad input, and in full (slow)."""

import dataclasses
import io
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from PIL import Image

from experiments import part5_language_model as part5
from experiments.part5 import chat, scale, temperature, training_run
from experiments.part5.setting import fitted
from nnguide.config import InputError, define_flags
from nnguide.data.text import TextConfig, load_text
from nnguide.language import next_token
from nnguide.language.chat import ChatTemplate
from nnguide.parallel import ParallelConfig, make_mesh
from nnguide.training.evaluation import evaluator
from nnguide.training.metrics import means
from nnguide.transformer.model import Transformer
from nnguide.transformer.parameter_count import parameter_count

SMALL = dataclasses.replace(
    part5.Config().model, layers=1, embedding=16, heads=2, context=16
)
FEW = dataclasses.replace(
    part5.Config().train,
    steps=40,
    steps_per_call=5,
    log_every=10,
    evaluate_every=20,
    save_every=20,
    progress=False,
)


def config_of(folder: Path, **fields):
    values = {
        "workdir": str(folder / "run"),
        "model": SMALL,
        "data": TextConfig(f"text:{folder / 'text.txt'}"),
        "train": FEW,
        "optimizer": dataclasses.replace(part5.Config().optimizer, warmup_steps=5),
        "temperature": temperature.Config((0.0, 1.0, 5.0), texts=2, length=16),
        "new_tokens": 24,
    }
    return part5.Config(**{**values, **fields})


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("part5")
    whole = load_text(TextConfig())
    assert whole.tokenizer is not None
    text = whole.tokenizer.decode(whole.train[:12_000])
    alphabet = "".join(map(chr, range(32, 127)))  # so that chats can be written
    (folder / "text.txt").write_text(alphabet + text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat, "LONGEST", 16)
        patch.setattr(chat, "TIMES", 1)
        results = part5.run(config_of(folder))
    return folder, results


def files_of(folder: Path):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def measured(claims):
    return {claim.id: claim.measured for claim in claims}


def test_no_claim_of_a_toy_run_is_other_than_expected(toy):
    _, results = toy
    assert not [claim for claim in results.claims if claim.as_expected is False]
    exact = {claim.id for claim in results.claims if claim.as_expected}
    assert exact == {
        "5.reading_years",
        "5.reading_years_corpus",
        "5.flop_gpt3",
        "5.compute_years_largest",
        "5.compute_years_gpt3",
    }
    assert len(measured(results.claims)) == len(results.claims)  # no name twice
    verdicts = {claim.id: claim.verdict for claim in results.claims}
    assert verdicts["5.compute_years_gpt3"] == "false"  # 9.95 million, not 100
    assert verdicts["5.compute_years_largest"] == "holds"
    assert verdicts["5.reading_years"] == "caveat"


def test_every_picture_is_there_with_its_numbers(toy):
    folder, results = toy
    names = [Path(figure).stem for figure in results.figures]
    assert names == ["ladder", "learning", "next_words", "temperature", "chat", "scale"]
    for figure in results.figures:
        with Image.open(folder / "run" / figure) as picture:
            assert picture.width == 2400
        assert np.load((folder / "run" / figure).with_suffix(".npz")).files


def test_a_finished_run_trains_nothing_and_redraws(toy, tmp_path):
    folder, results = toy
    shutil.copytree(folder, tmp_path / "copy")
    copy = tmp_path / "copy"
    before = files_of(copy / "run" / "checkpoints")
    rows = (copy / "run" / "metrics.jsonl").read_bytes()
    (copy / "run" / "figures" / "ladder.png").unlink()
    text = TextConfig(f"text:{folder / 'text.txt'}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chat, "LONGEST", 16)
        patch.setattr(chat, "TIMES", 1)
        again = part5.run(config_of(copy, data=text))
    assert measured(again.claims) == measured(results.claims)
    assert files_of(copy / "run" / "checkpoints") == before
    assert (copy / "run" / "metrics.jsonl").read_bytes() == rows
    assert (copy / "run" / "figures" / "ladder.png").exists()


def test_evaluate_repeats_the_training_s_last_judgement(toy, capsys):
    folder, results = toy
    kept = (folder / "run" / "results.json").read_bytes()
    evaluated = part5.run(config_of(folder, stage="evaluate"))
    ours, theirs = measured(evaluated.claims), measured(results.claims)
    assert ours == {name: theirs[name] for name in ours}
    printed = capsys.readouterr().out
    loss = ours["5.validation_loss"]
    assert f"loss {loss:.4f} nats a character" in printed
    assert f"perplexity {math.exp(loss):.4f}" in printed
    assert f"bits per byte {loss / math.log(2):.4f}" in printed  # all ASCII
    assert "from the 1 to 16 characters before it" in printed
    assert (folder / "run" / "results.json").read_bytes() == kept


def test_samples_begin_with_their_prompts_and_repeat(toy, capsys):
    folder, _ = toy
    config = config_of(
        folder, stage="sample", prompt="Hi, you", prompts=("One", "Two"), samples=2
    )
    results = part5.run(config)
    printed = capsys.readouterr().out
    pieces = printed.split(f"\n{'-' * 15}\n")[:-1]
    assert [piece[:3] for piece in pieces] == ["One", "One", "Two", "Two", "Hi,", "Hi,"]
    assert pieces[0] != pieces[1]
    assert [len(piece) for piece in pieces] == [27, 27, 27, 27, 31, 31]
    assert not results.claims
    part5.run(config)
    assert capsys.readouterr().out == printed


def test_chat_shows_the_document_and_takes_a_pipe(toy, capsys, monkeypatch):
    folder, _ = toy
    lines = "Hello?\n\nWhat is that é?\ncaf\udce9\nAnd you?\nexit\nnever read\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    part5.run(config_of(folder, stage="chat"))
    printed = capsys.readouterr().out
    assert printed.count("--- the document:") == 2
    assert printed.count("not said: ") == 3  # nothing, é, and a byte that is no UTF-8
    assert f"{ChatTemplate().opening}User: Hello?\nAI:" in printed
    second = printed.split("--- the document:")[2]
    assert "User: Hello?\nAI: " in second  # the first turn is part of the second's
    assert "User: And you?\nAI:\n" in second
    assert "never read" not in printed


def test_chat_ends_with_its_input(toy, capsys, monkeypatch):
    folder, _ = toy
    monkeypatch.setattr(sys, "stdin", io.StringIO("Hello?"))
    part5.run(config_of(folder, stage="chat"))
    assert "--- it " in capsys.readouterr().out


def test_an_interrupted_training_goes_on_to_the_same_numbers(toy, tmp_path):
    folder, _ = toy
    config = config_of(folder, workdir=str(tmp_path / "resumed"))
    setting = part5._setting(config, tmp_path / "resumed")
    for name in ("resumed", "straight"):
        (tmp_path / name).mkdir()
    half = dataclasses.replace(FEW, steps=20)
    optimizer = dataclasses.replace(config.optimizer, schedule="constant")
    training_run.train(setting, optimizer, half, 12)
    resumed = training_run.train(setting, optimizer, FEW, 12)
    straight = training_run.train(
        setting._replace(workdir=tmp_path / "straight"), optimizer, FEW, 12
    )
    assert resumed.history == straight.history
    for one, other in zip(
        jax.tree.leaves(resumed.params), jax.tree.leaves(straight.params), strict=True
    ):
        assert (np.asarray(one) == np.asarray(other)).all()


# --- bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"prompt": ""}, "--prompt: it is empty"),
        ({"prompt": "x" * 17}, "--prompt: its 17 tokens are more than the .* 16"),
        ({"prompt": "é"}, "character 'é' at position 0: not among"),
        ({"restart": True}, "--restart: --stage=sample uses a trained model"),
        ({"batch_size": 13}, "made with another config"),
    ],
)
def test_a_bad_prompt_or_flag_is_one_line(toy, fields, says):
    folder, _ = toy
    before = files_of(folder / "run" / "checkpoints")
    with pytest.raises(InputError, match=says) as error:
        part5.run(config_of(folder, stage="sample", **fields))
    assert "\n" not in str(error.value)
    assert files_of(folder / "run" / "checkpoints") == before


@pytest.mark.parametrize("stage", ["sample", "chat", "evaluate"])
def test_no_stage_starts_a_run_of_its_own(toy, stage, tmp_path):
    folder, _ = toy
    config = config_of(folder, stage=stage, workdir=str(tmp_path / "none"))
    with pytest.raises(InputError, match="none: no trained model there; train one"):
        part5.run(config)
    assert not (tmp_path / "none").exists()


def test_a_checkpoint_of_another_shape_is_named(toy, tmp_path):
    folder, _ = toy
    shutil.copytree(folder / "run", tmp_path / "run")
    (tmp_path / "run" / "config.json").unlink()
    wider = dataclasses.replace(SMALL, embedding=32)
    config = config_of(folder, workdir=str(tmp_path / "run"), model=wider)
    (tmp_path / "run" / "config.json").write_text(
        json.dumps(dict(part5.leaves(config)))
    )
    with pytest.raises(InputError, match=r"float32\[.*16\] there and float32\[.*32\]"):
        part5.run(dataclasses.replace(config, stage="sample", prompt="a"))


def tokens_file(path: Path, ids) -> str:
    np.array(ids, "<u2").tofile(path)
    return f"tokens:{path}"


def test_tokens_of_an_odd_size_or_past_the_vocabulary(tmp_path):
    model = dataclasses.replace(SMALL, vocabulary=50)
    odd = tmp_path / "odd.bin"
    odd.write_bytes(b"abc")
    cases = (
        (f"tokens:{odd}", "3 bytes do not hold tokens"),
        (tokens_file(tmp_path / "large.bin", [1, 2, 60]), "id 60 of token 2 lies past"),
    )
    for dataset, says in cases:
        config = config_of(tmp_path, data=TextConfig(dataset), model=model)
        with pytest.raises(InputError, match=says):
            part5.run(config)
    assert not (tmp_path / "run").exists()


def test_tokens_need_a_tokenizer_or_a_vocabulary(tmp_path):
    dataset = tokens_file(tmp_path / "some.bin", range(40))
    with pytest.raises(InputError, match=r"give the tokenizer .* or the vocabulary"):
        part5.run(config_of(tmp_path, data=TextConfig(dataset)))


@pytest.mark.slow
@pytest.mark.smoke
def test_bare_tokens_train_with_a_padded_vocabulary(tmp_path, capsys):
    ids = np.random.default_rng(0).integers(0, 30, 2000)
    dataset = tokens_file(tmp_path / "some.bin", ids)
    config = config_of(
        tmp_path,
        data=TextConfig(dataset, vocabulary=30),
        model=dataclasses.replace(SMALL, vocabulary=32),
    )
    results = part5.run(config)
    found = measured(results.claims)
    assert found["5.ladder_uniform"] == pytest.approx(math.log2(30))
    assert found["5.validation_loss"] == pytest.approx(math.log(30), rel=0.05)
    assert [Path(f).stem for f in results.figures] == ["ladder", "learning", "scale"]
    with pytest.raises(InputError, match="no text can be read or written"):
        part5.run(dataclasses.replace(config, stage="sample", prompt="a"))
    assert part5.run(dataclasses.replace(config, stage="evaluate")).claims
    assert "bits per byte" not in capsys.readouterr().out


def test_a_vocabulary_smaller_than_the_text_s(tmp_path):
    model = dataclasses.replace(SMALL, vocabulary=20)
    with pytest.raises(InputError, match=r"--model.vocabulary=20: the text has 103"):
        part5.run(config_of(tmp_path, data=TextConfig(), model=model))


def test_a_validation_part_shorter_than_a_window(tmp_path):
    (tmp_path / "text.txt").write_text("abcdefgh" * 15)
    with pytest.raises(InputError, match="12 validation tokens hold no window"):
        part5.run(config_of(tmp_path))


def test_the_launcher_ends_with_one_line_and_status_1(toy):
    folder, _ = toy
    command = [sys.executable, "-m", "experiments.part5_language_model"]
    ended = subprocess.run(
        [*command, "--stage=sample", f"--workdir={folder / 'nothing'}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1


# --- the pieces -----------------------------------------------------------------------


@pytest.fixture
def parse():
    """Reads a flagfile of part 5 with more flags, and forgets the flags."""
    before = set(flags.FLAGS)
    folder = Path(part5.__file__).parent / "flagfiles"

    def parse(name: str, *more: str) -> part5.Config:
        read = define_flags(part5.Config())
        flags.FLAGS(["part5", f"--flagfile={folder / name}.flags", *more])
        return read()

    yield parse
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


@pytest.mark.parametrize("name", ["nanogpt_cpu", "nanogpt_gpu"])
def test_the_recipes_are_those_of_the_flagfiles(parse, name):
    config = parse(f"part5_{name}", "--train.seed=7")
    assert part5.recipe_of(config) == name
    other = dataclasses.replace(config, batch_size=24)
    assert part5.recipe_of(other) == ""
    assert part5.recipe_of(part5.Config()) == "default"


def test_the_flagfile_of_gpt2_is_gpt2(parse):
    config = parse("part5_gpt2_h100", "--dataset=tokens:folder")
    model = fitted(config.model, config.execution, 50_257)
    assert model.known_tokens == 50_257
    assert parameter_count(model.config) == 124_475_904  # of 50,304 tokens
    assert config.batch_size * config.model.context == 524_288
    assert config.batch_size % config.train.accumulation == 0


def test_nanogpt_s_widths_have_its_parameters():
    model = fitted(part5.Config().model, part5.Config().execution, 65)
    params = jax.eval_shape(training_run.task_of(model).init, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 804_096


@pytest.mark.parametrize("length", [33, 34, 40, 48])
def test_every_token_but_the_first_is_predicted_once(length):
    tokens = np.arange(length)
    batches = training_run.whole_text(tokens, context=16, batch_size=2)
    predicted = []
    for rows in batches.stream(0):
        batch = batches.assemble((), rows, None)
        predicted += batch["tokens"][:, 1:][batch["counts"] == 1].tolist()
    assert predicted == list(range(1, length))


def test_the_score_is_the_mean_over_every_token():
    """Against the logits of each window, the last one moved back to the text's end."""
    tokens = np.random.default_rng(0).integers(0, 9, 60).astype(np.uint16)
    model = fitted(SMALL, part5.Config().execution, 9)
    task = training_run.task_of(model)
    init = jax.jit(lambda key: nn.unbox(task.init(key)))
    params = jax.tree.map(lambda leaf: 5 * leaf, init(jax.random.key(0)))
    batches = training_run.whole_text(tokens, 16, batch_size=3)
    row = means(
        evaluator(task, batches, {}, 0, "jit", make_mesh(ParallelConfig(devices=1)))(
            params
        )
        or {}
    )
    total, module = 0.0, Transformer(model.config, model.execution)
    apply = jax.jit(module.apply)
    for start, skipped in ((0, 0), (16, 0), (32, 0), (43, 5)):
        window = jnp.asarray(tokens[start : start + 17].astype(np.int32))[None]
        logits = jnp.asarray(apply({"params": params}, window[:, :-1]))
        each, _ = next_token.surprise(logits, window[:, 1:])
        total += float(each[0, skipped:].sum())
    assert row["loss"] == pytest.approx(total / 59, rel=1e-5)


def test_loops_are_found_and_only_loops():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 50, 64)
    assert not temperature.goes_round(noise)
    assert temperature.goes_round(np.concatenate([noise[:20], np.tile(noise[:7], 7)]))
    assert temperature.goes_round(np.concatenate([noise[:40], np.zeros(24, int)]))
    assert not temperature.goes_round(np.concatenate([noise[:60], np.zeros(4, int)]))


def test_distinct_trigrams():
    assert temperature.distinct_trigrams(np.array([[1, 2, 3, 4, 5]])) == 1
    assert temperature.distinct_trigrams(np.array([[1, 1, 1, 1, 1]])) == 1 / 3
    assert temperature.distinct_trigrams(
        np.array([[1, 2, 1, 2, 1], [0, 0, 0, 0, 0]])
    ) == (pytest.approx((2 / 3 + 1 / 3) / 2))


def test_words_that_the_ends_may_have_cut_do_not_count():
    assert temperature.words_of("ello there, We are fou") == ["there", "are"]
    assert temperature.known_share(["xx the cat sings a"], {"the", "cat"}) == 2 / 3
    assert temperature.known_share([""], set()) == 0


def test_openings_are_beginnings_of_sentences():
    text = "Some words. The first one. Then: Another\n  thing. Last and no more of it."
    expected = ["The firs", "Then: An", "Another\n", "Last and"]
    assert temperature.openings(text, 9, 8) == expected
    assert temperature.openings(text, 2, 8) == [expected[0], expected[-1]]
    assert temperature.openings("no sentence in here", 3, 4) == ["no s"]


def test_the_flops_of_a_step_are_those_of_the_formula(toy):
    """The default widths: 5,168,640 a token by PaLM's formula for 65 characters."""
    folder, _ = toy
    config = config_of(folder, model=part5.Config().model)
    setting = part5._setting(config, folder)
    setting = setting._replace(model=fitted(config.model, config.execution, 65))
    counted = scale.flop_a_step(setting, config.optimizer, 40, 12)
    assert counted == pytest.approx(12 * 64 * 5_168_640, rel=0.01)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"values": (1.0, 0.5)}, "--temperature.values=1.0,0.5: give one or more, asc"),
        ({"values": ()}, "--temperature.values=: give one"),
        ({"texts": 0}, "--temperature.texts=0: give 1"),
        ({"length": 3}, "--temperature.length=3: give 8"),
    ],
)
def test_a_wrong_sweep_dies_with_flag_value_and_remedy(fields, says):
    with pytest.raises(InputError, match=says):
        temperature.Config(**fields)


@pytest.mark.slow
def test_every_claim_of_the_full_run_is_as_expected(tmp_path):
    results = part5.run(part5.Config(workdir=str(tmp_path)))
    assert not [claim for claim in results.claims if claim.as_expected is not True]
    assert len(results.figures) == 6
