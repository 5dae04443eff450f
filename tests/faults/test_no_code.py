"""No content of a file or flag is ever executed: no pickle, no eval."""

import ast
import pickle
import shutil
from pathlib import Path

import pytest
import toy

from experiments import launcher
from nnguide.config import InputError

ROOT = Path(__file__).parents[2]
OURS = sorted(
    path for part in ("nnguide", "experiments") for path in (ROOT / part).rglob("*.py")
)
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal"}
MODULES |= {"shelve", "jsonpickle", "code", "runpy"}
BUILT_IN = {"eval", "exec", "compile", "__import__"}
# Called on modules: these read pickles unless they are told not to.
LOADERS = {("torch", "load"), ("yaml", "load"), ("yaml", "unsafe_load")}
LOADERS |= {("pd", "read_pickle"), ("pandas", "read_pickle")}


def found(source: str) -> list[str]:
    """What in a file could run what another file says."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [each.name.split(".")[0] for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [(node.module or "").split(".")[0]]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            told = isinstance(node.value, ast.Constant) and node.value.value is False
            names += [] if told else ["allow_pickle"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names += [f"{node.func.id}()"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and (owner.id, node.func.attr) in LOADERS:
                names += ["loader"]
    forbidden = MODULES | {f"{name}()" for name in BUILT_IN}
    return sorted({*names} & (forbidden | {"allow_pickle", "loader"}))


def test_nothing_of_ours_reads_pickles_or_evaluates_text():
    assert len(OURS) > 100
    guilty = {str(path): found(path.read_text()) for path in OURS}
    assert {path: names for path, names in guilty.items() if names} == {}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import pickle", ["pickle"]),
        ("from dill import loads", ["dill"]),
        ("def f(x):\n    return eval(x)", ["eval()"]),
        ("np.load(path, allow_pickle=True)", ["allow_pickle"]),
        ("torch.load(path)", ["loader"]),
        ("np.load(path, allow_pickle=False)\nmodel.eval()\nre.compile('a')", []),
    ],
)
def test_the_search_finds_what_it_looks_for(source, names):
    assert found(source) == names


class Payload:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    toy.fit(folder, steps=20)
    return folder


def test_the_payload_works(tmp_path):
    pickle.loads(pickle.dumps(Payload(tmp_path / "ran")))
    assert (tmp_path / "ran").is_dir()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    "name", ["digest/metadata", "state/_METADATA", "_CHECKPOINT_METADATA", "arrays"]
)
def test_a_checkpoint_with_a_pickle_is_damaged_and_not_loaded(run, tmp_path, name):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    newest = workdir / "checkpoints/20"
    target = max((newest / "state/d").iterdir()) if name == "arrays" else newest / name
    assert target.is_file()
    target.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    resumed = toy.fit(workdir, steps=20)
    assert not (tmp_path / "ran").exists()
    assert (workdir / "damaged_checkpoints/20-1").is_dir()
    assert resumed.history[-1]["step"] == 20


def test_a_config_with_code_is_text(tmp_path):
    ran = tmp_path / "ran"
    code = f"__import__('os').mkdir({str(ran)!r})"
    folder = tmp_path / "run"
    config = launcher.Common(workdir=str(folder))
    launcher.open_workdir("toy", config)
    (folder / "config.json").write_bytes(pickle.dumps(Payload(ran)))
    with pytest.raises(InputError, match="not a run's config"):
        launcher.open_workdir("toy", config)
    (folder / "config.json").write_text(code)
    with pytest.raises(InputError, match="not a run's config"):
        launcher.open_workdir("toy", config)
    assert not ran.exists()
