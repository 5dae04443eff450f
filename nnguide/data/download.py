"""Fetching raw files into the cache, checked and whole. Only on request."""

import hashlib
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from nnguide.config import InputError
from nnguide.data.cache import install

_PATIENCE = 30  # seconds without a byte
_CHUNK = 1 << 20  # bytes


class Remote(NamedTuple):
    """A file on the net.

    Attributes:
      url: where it is.
      sha256: of its bytes, in hex.
    """

    url: str
    sha256: str


_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_SHAKESPEARE = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
)
# The checksums of both image sets are those TFDS lists.
MNIST = {
    "train-images-idx3-ubyte.gz": Remote(
        _MNIST + "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train-labels-idx1-ubyte.gz": Remote(
        _MNIST + "train-labels-idx1-ubyte.gz",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "t10k-images-idx3-ubyte.gz": Remote(
        _MNIST + "t10k-images-idx3-ubyte.gz",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "t10k-labels-idx1-ubyte.gz": Remote(
        _MNIST + "t10k-labels-idx1-ubyte.gz",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
FASHION_MNIST = {
    "train-images-idx3-ubyte.gz": Remote(
        _FASHION + "train-images-idx3-ubyte.gz",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
    ),
    "train-labels-idx1-ubyte.gz": Remote(
        _FASHION + "train-labels-idx1-ubyte.gz",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    "t10k-images-idx3-ubyte.gz": Remote(
        _FASHION + "t10k-images-idx3-ubyte.gz",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
    ),
    "t10k-labels-idx1-ubyte.gz": Remote(
        _FASHION + "t10k-labels-idx1-ubyte.gz",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
}
TINY_SHAKESPEARE = Remote(
    _SHAKESPEARE + "input.txt",
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


def download_folder(files: Mapping[str, Remote], folder: Path) -> None:
    """Fetches files into a folder that appears when all of them are there.

    Args:
      files: name in the folder -> where it comes from.
      folder: where they go.

    Raises:
      InputError: a file cannot be had or is another one, or the folder cannot be made.
    """

    def make(made: Path) -> None:
        made.mkdir()
        for name, remote in files.items():
            _fetch(remote, made / name)

    install(folder, make)


def download_file(remote: Remote, path: Path) -> None:
    """Fetches one file, which appears when it is whole.

    Raises:
      InputError: it cannot be had or is another one, or the file cannot be written.
    """
    install(path, lambda made: _fetch(remote, made))


def _fetch(remote: Remote, path: Path) -> None:
    seen = hashlib.sha256()
    try:
        with (
            urllib.request.urlopen(remote.url, timeout=_PATIENCE) as answer,
            path.open("wb") as file,
        ):
            while chunk := answer.read(_CHUNK):
                seen.update(chunk)
                file.write(chunk)
    except (OSError, HTTPException) as error:
        raise InputError(
            f"{remote.url}: cannot be fetched ({error}); check the network, or fetch "
            "the file elsewhere and name its folder with the flag data_dir"
        ) from error
    if seen.hexdigest() != remote.sha256:
        raise InputError(
            f"{remote.url}: sha256 {seen.hexdigest()} where {remote.sha256} was "
            "expected; something else is served there, nothing was kept"
        )
