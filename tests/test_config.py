"""Flags from dataclasses, and the digest that names a run."""

import dataclasses
import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Literal

import pytest
from absl import flags

from nnguide import config
from nnguide.config import (
    MOST_SEED,
    InputError,
    differences,
    digest,
    leaves,
    seed_field,
    ungrouped,
    user_path,
)


@dataclasses.dataclass(frozen=True)
class Schedule:
    """When the rate falls.

    Attributes:
      shape: the curve
        over the steps.
      warmup: steps; None takes a tenth.
    """

    shape: Literal["constant", "cosine"] = "constant"
    warmup: int | None = None


@dataclasses.dataclass(frozen=True)
class Train:
    """How to train.

    Attributes:
      rate: of gradient descent.
      schedule: of the rate.
      profile: where to write a trace.
    """

    rate: float = 1.5
    schedule: Schedule = Schedule()
    profile: str | None = config.run_only(None)

    def __post_init__(self):
        if self.rate <= 0:
            raise InputError(
                f"--train.rate={self.rate:g} does not descend. Give a rate above 0."
            )


@dataclasses.dataclass(frozen=True)
class Figures:
    """How pictures look.

    Attributes:
      theme: of the page.
    """

    theme: Literal["light", "dark"] = "light"


@dataclasses.dataclass(frozen=True)
class Config:
    """A launcher's settings.

    Attributes:
      widths: of the layers.
      names: of the layers.
      bias: whether neurons have one.
      layers: None takes the widths' number.
      scales: one a layer; None for none.
    """

    widths: tuple[int, ...] = (784, 16, 10)
    names: tuple[str, ...] = ()
    bias: bool = True
    layers: int | None = None
    scales: tuple[float, ...] | None = None
    train: Train = Train()
    figures: Figures = config.run_only(Figures())


@pytest.fixture
def parse():
    """Defines the flags of a config, parses arguments, and forgets the flags."""
    before = set(flags.FLAGS)

    def parse(*arguments: str, default: Any = None) -> Any:
        read = config.define_flags(default or Config())
        flags.FLAGS(["launcher", *arguments])
        return read()

    yield parse
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)


@pytest.mark.smoke
def test_without_flags_the_default_comes_back(parse):
    assert parse() == Config()


@pytest.mark.parametrize(
    ("argument", "field", "value"),
    [
        ("--bias=false", "bias", False),
        ("--nobias", "bias", False),
        ("--layers=3", "layers", 3),
        ("--widths=784,30,10", "widths", (784, 30, 10)),
        ("--widths=", "widths", ()),
        ("--names=a,b", "names", ("a", "b")),
        ("--scales=1,.5", "scales", (1.0, 0.5)),
        ("--train.rate=3", "train", Train(rate=3.0)),
        ("--train.profile=5:9", "train", Train(profile="5:9")),
        ("--figures.theme=dark", "figures", Figures(theme="dark")),
    ],
)
def test_a_flag_sets_its_field(parse, argument, field, value):
    assert parse(argument) == dataclasses.replace(Config(), **{field: value})


def test_a_config_nested_twice_has_flags(parse):
    read = parse("--train.schedule.shape=cosine", "--train.schedule.warmup=7")
    assert read.train.schedule == Schedule("cosine", 7)


def test_values_have_their_types(parse):
    read = parse("--train.rate=3", "--scales=1,2", "--train.schedule.warmup=7")
    assert isinstance(read.train.rate, float)
    assert [type(scale) for scale in read.scales] == [float, float]
    assert isinstance(read.train.schedule.warmup, int)


def test_help_comes_from_the_docstrings(parse):
    parse()
    assert flags.FLAGS["train.rate"].help == "of gradient descent."
    assert flags.FLAGS["train.schedule.shape"].help == (
        "<constant|cosine>: the curve over the steps."
    )


def test_help_of_an_inherited_field_comes_from_its_parent(parse):
    @dataclasses.dataclass(frozen=True)
    class Child(Schedule):
        """A child.

        Attributes:
          steps: in all.
        """

        steps: int = 5

    parse(default=Child())
    assert flags.FLAGS["steps"].help == "in all."
    assert flags.FLAGS["warmup"].help == "steps; None takes a tenth."


def test_flagfile_sets_flags(parse, tmp_path):
    preset = tmp_path / "preset.flags"
    preset.write_text("# a preset\n--train.rate=0.25\n--widths=784,100,10\n")
    read = parse(f"--flagfile={preset}", "--nobias")
    assert (read.train.rate, read.widths) == (0.25, (784, 100, 10))
    assert not read.bias


@pytest.mark.parametrize(
    "argument",
    [
        "--layers=many",
        "--train.rate=fast",
        "--bias=perhaps",
        "--train.schedule.shape=cosin",
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_flag_and_value(parse, argument):
    name, value = argument.removeprefix("--").split("=")
    with pytest.raises(flags.IllegalFlagValueError, match=f"{name}.*{value}"):
        parse(argument)


def test_a_wrong_item_of_a_tuple_is_refused_with_the_remedy(parse):
    with pytest.raises(InputError, match=r"--widths=784,big: .*'big'.* int values"):
        parse("--widths=784,big")


@pytest.mark.parametrize(
    ("argument", "texts"),
    [(" a ,b\t,", (" a ", "b\t", "")), ('" one, two\n",c', (" one, two\n", "c"))],
)
def test_texts_of_a_list_keep_their_blanks(parse, argument, texts):
    assert parse(f"--names={argument}").names == texts


def test_a_line_feed_between_texts_is_refused_with_the_remedy(parse):
    with pytest.raises(flags.IllegalFlagValueError, match="between double quotes"):
        parse("--names=a\nb")


@pytest.mark.parametrize("argument", ["--train.rate=nan", "--scales=1,nan"])
def test_what_is_no_number_is_refused(parse, argument):
    with pytest.raises(InputError, match=f"{argument.split('=')[0]}=nan: not a number"):
        parse(argument)


def test_a_mistyped_flag_gets_a_hint(parse):
    with pytest.raises(flags.UnrecognizedFlagError, match=r"mean: train\.rate"):
        parse("--train.rat=3")


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (dict, {}),
        (Literal[1, 2], 1),
        (tuple[bool, ...], (True,)),
        (tuple[tuple[int, int], ...], ((1, 2),)),
    ],
)
def test_a_type_no_flag_can_hold_is_refused(parse, hint, default):
    field = dataclasses.field(default_factory=lambda: default)
    bad = dataclasses.make_dataclass("Bad", [("odd", hint, field)], frozen=True)
    with pytest.raises(TypeError, match="--odd: no absl flag holds"):
        parse(default=bad())


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("--train.rate=-1", "--train.rate=-1 does not descend. Give a rate above 0."),
        ("--widths=a", "--widths=a: invalid literal"),
        ("--layers=many", "flag --layers=many: invalid literal"),
    ],
)
def test_a_launcher_dies_at_once_with_field_and_value(argument, says):
    """As launchers do it: in a process of its own, exit status 1, no traceback."""
    program = """
        import sys
        from absl import app
        from nnguide import config
        from tests.test_config import Config

        read = config.define_flags(Config())

        def main(_):
            try:
                print(read())
            except config.InputError as error:
                sys.exit(str(error))

        app.run(main)
        """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), argument],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert ran.returncode == 1
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not ran.stdout


# --- the digest --------------------------------------------------------------------


def test_leaves_come_in_order_under_their_flag_names():
    names = [name for name, _ in config.leaves(Config())]
    assert names == [
        "widths",
        "names",
        "bias",
        "layers",
        "scales",
        "train.rate",
        "train.schedule.shape",
        "train.schedule.warmup",
        "train.profile",
        "figures.theme",
    ]
    assert [name for name, _ in config.leaves(Config(), learned_only=True)] == names[:8]


def test_digest_is_eight_hex_digits_that_do_not_change():
    # Another value here means that every run made before starts again from nothing.
    assert config.digest(Config()) == "2dc7e571"


@pytest.mark.parametrize(
    "same",
    [
        Config(figures=Figures("dark")),
        Config(train=Train(profile="1:2")),
        Config(train=Train(rate=3 / 2)),
    ],
)
def test_digest_ignores_what_is_not_learned(same):
    assert config.digest(same) == config.digest(Config())


def test_digest_names_a_rate_given_as_an_integer_alike():
    integers = Config(scales=(1, 2), train=Train(rate=3))
    floats = Config(scales=(1.0, 2.0), train=Train(rate=3.0))
    assert config.digest(integers) == config.digest(floats)


@pytest.mark.parametrize(
    "other",
    [
        Config(bias=False),
        Config(layers=0),
        Config(scales=()),
        Config(widths=(784, 10, 16)),
        Config(train=Train(rate=1.5000001)),
        Config(train=Train(schedule=Schedule(warmup=1))),
    ],
)
def test_digest_differs_where_learning_differs(other):
    assert config.digest(other) != config.digest(Config())


def saved(settings: Any) -> dict[str, Any]:
    return json.loads(json.dumps(dict(config.leaves(settings))))


def test_a_config_does_not_differ_from_itself_read_back():
    settings = Config(widths=(784, 10), scales=(1.0,), train=Train(rate=3))
    assert config.differences(settings, saved(settings)) == {}


def test_differences_name_saved_and_asked_values():
    old = saved(Config(train=Train(rate=3.0), figures=Figures("dark")))
    asked = Config(widths=(784, 10))
    assert config.differences(asked, old) == {
        "train.rate": (3.0, 1.5),
        "widths": ([784, 16, 10], [784, 10]),
    }


def test_fields_that_one_side_lacks_count_as_none():
    old = {**saved(Config()), "momentum": 0.9, "forgotten": None}
    del old["bias"], old["layers"], old["figures.theme"]
    assert config.differences(Config(), old) == {
        "momentum": (0.9, None),
        "bias": (None, True),
    }


@dataclasses.dataclass(frozen=True)
class Source:
    """A source.

    Attributes:
      dataset: which one.
    """

    dataset: str = "digits"


@dataclasses.dataclass(frozen=True)
class WithSource:
    data: Source = ungrouped(Source())
    other: Source = Source()


def test_an_ungrouped_config_has_flags_without_its_name():
    assert list(leaves(WithSource())) == [
        ("dataset", "digits"),
        ("other.dataset", "digits"),
    ]
    changed = WithSource(data=Source("clothes"))
    saved = dict(leaves(WithSource()))
    assert differences(changed, saved) == {"dataset": ("digits", "clothes")}


class TestSeeds:
    def test_32_bits_are_taken_and_no_more(self):
        for seed in (0, 7, MOST_SEED):
            assert Seeded(seed).seed == seed
        assert Seeded() == Seeded(0)
        assert dataclasses.replace(Seeded(1), seed=2) == Seeded(2)
        for seed in (-1, MOST_SEED + 1, 2**70):
            with pytest.raises(InputError, match=f"--toy.seed={seed}: give .* 0 to"):
                Seeded(seed)

    def test_a_descriptor_changes_no_digest_and_no_comparison(self):
        @dataclasses.dataclass(frozen=True)
        class Plain:
            seed: int = 0

        assert digest(Seeded(3)) == digest(Plain(3))
        assert pickle.loads(pickle.dumps(Seeded(3))) == Seeded(3)
        assert hash(Seeded(3)) == hash(Seeded(3))


@dataclasses.dataclass(frozen=True)
class Seeded:
    """A toy's.

    Attributes:
      seed: of all.
    """

    seed: int = seed_field("toy.seed")


@pytest.mark.parametrize("address", ["gs://bucket/text.txt", "s3://b/x", "https://a/b"])
def test_the_address_of_a_bucket_is_no_path(address):
    with pytest.raises(InputError, match="mount the bucket"):
        user_path(address)


def test_a_home_that_nobody_knows_is_named():
    assert user_path("~") == Path.home()
    assert user_path("a b/~") == Path("a b/~")
    with pytest.raises(InputError, match="~no-such-user/x: no home folder is known"):
        user_path("~no-such-user/x")
