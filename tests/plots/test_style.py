import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nnguide.config import InputError
from nnguide.plots import style
from nnguide.plots.lettering import title

_ROOT = Path(style.__file__).parents[2]
THEMES: tuple[style.Theme, ...] = ("light", "dark")


def _picture(theme: style.Theme = "light") -> style.Figure:
    drawing, axes = style.figure(theme, 6, 3)
    axes.plot([0, 1], [0, 1])
    title(drawing, "A line from 0 to 1", "made for a test")
    return drawing


def _lightness(colour: str) -> float:
    """CIE L*, 0 black to 100 white."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (red, green, blue)
    ]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    return 116 * luminance ** (1 / 3) - 16


@pytest.mark.smoke
def test_a_picture_is_saved_at_twice_its_size_with_its_arrays(tmp_path):
    arrays = {
        "accuracy": np.array([0.1, 0.9], np.float32),
        "name": np.array(["a", "b"]),
    }
    path = style.save(_picture(), tmp_path, "line", **arrays)
    assert path == "figures/line.png"
    with Image.open(tmp_path / path) as image:
        assert image.size == (1200, 600)
    with np.load(tmp_path / "figures/line.npz", allow_pickle=False) as held:
        assert sorted(held) == ["accuracy", "name"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(held[name], array)
            assert held[name].dtype == array.dtype


def test_the_same_picture_has_the_same_bytes_and_no_version(tmp_path):
    values = np.arange(3.0)
    for folder in ("one", "two"):
        style.save(_picture(), tmp_path / folder, "line", values=values)
    for name in ("line.png", "line.npz"):
        one, two = (tmp_path / f / "figures" / name for f in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    with Image.open(tmp_path / "one/figures/line.png") as image:
        assert "Software" not in image.info
    with zipfile.ZipFile(tmp_path / "one/figures/line.npz") as held:
        assert {entry.date_time[0] for entry in held.infolist()} == {1980}


def test_a_save_that_fails_leaves_the_old_files(tmp_path, monkeypatch):
    style.save(_picture(), tmp_path, "line", values=np.zeros(2))
    old = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert sorted(old) == ["line.npz", "line.png"]  # nothing temporary stays

    def fail(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        style.save(_picture(), tmp_path, "line", values=np.ones(2))
    for name, content in old.items():
        assert (tmp_path / "figures" / name).read_bytes() == content


def test_python_objects_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"line\.npz: ragged holds Python objects"):
        style.save(_picture(), tmp_path, "line", ragged=np.array([{}, None]))
    assert not (tmp_path / "figures").exists()


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match=r"install the extra guide"):
        style.require_matplotlib()
    with pytest.raises(InputError, match=r"nnguide\[guide\]"):
        style.figure("light")


def test_importing_plots_leaves_matplotlib_alone():
    folder = Path(style.__file__).parent
    modules = sorted(f"nnguide.plots.{path.stem}" for path in folder.glob("[a-z]*.py"))
    assert len(modules) >= 8
    code = f"import sys, {', '.join(modules)}; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=_ROOT)


@pytest.mark.parametrize("theme", THEMES)
def test_blue_and_red_differ_in_a_grey_print(theme):
    colours = style.palette(theme)
    assert abs(_lightness(colours.positive) - _lightness(colours.negative)) > 17
    ground = _lightness(colours.ground)
    for colour in colours.series:  # lines and letters stand out from the ground
        assert abs(_lightness(colour) - ground) > 40


@pytest.mark.parametrize("theme", THEMES)
def test_the_weight_map_runs_from_negative_over_the_ground_to_positive(theme):
    from matplotlib.colors import to_rgb

    colours = style.palette(theme)
    shades = style.weight_map(colours)
    ends = {0.0: colours.negative, 0.5: colours.ground, 1.0: colours.positive}
    for place, colour in ends.items():
        assert shades(place)[:3] == pytest.approx(to_rgb(colour), abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
def test_the_theme_is_read_back_from_a_figure_and_its_axes(theme):
    drawing, panels = style.figure(theme, 6, 3, mosaic="AB")
    assert sorted(panels) == ["A", "B"]
    assert style.palette_of(drawing) == style.palette(theme)
    assert style.palette_of(panels["B"]) == style.palette(theme)


def test_drawing_leaves_no_global_state_behind():
    code = """if True:
        import io, sys, matplotlib
        before = matplotlib.rcParams.copy()
        from nnguide.plots import style
        drawing, axes = style.figure("dark", 6, 3)
        axes.plot([0, 1], [0, 1])
        drawing.savefig(io.BytesIO())
        assert "matplotlib.pyplot" not in sys.modules
        assert matplotlib.rcParams.copy() == before
    """
    subprocess.run([sys.executable, "-c", code], check=True, cwd=_ROOT)
