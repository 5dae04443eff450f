"""Fetching, against a server on this machine: checked, whole, and never half-kept."""

import hashlib
import http.server
import threading

import pytest

from nnguide.config import InputError
from nnguide.data import download
from nnguide.data.download import Remote, download_file, download_folder

FILES = {"images": b"i" * 3_000_000, "labels": b"l" * 500}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        if name not in FILES and name != "cut":
            self.send_error(404)
            return
        body = FILES.get(name, b"x" * 100)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + (name == "cut")))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def remote(address, name, content=None):
    body = FILES[name] if content is None else content
    return Remote(address + name, hashlib.sha256(body).hexdigest())


def test_a_folder_appears_with_every_file(address, tmp_path):
    files = {f"{name}.gz": remote(address, name) for name in FILES}
    download_folder(files, tmp_path / "set")
    for name, body in FILES.items():
        assert (tmp_path / "set" / f"{name}.gz").read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_file_appears_whole(address, tmp_path):
    download_file(remote(address, "images"), tmp_path / "deep" / "images")
    assert (tmp_path / "deep" / "images").read_bytes() == FILES["images"]


@pytest.mark.parametrize(
    ("name", "says"),
    [("nowhere", "404"), ("labels", "sha256 .* was expected"), ("cut", "cut: ")],
)
def test_what_is_missing_or_wrong_leaves_nothing(address, tmp_path, name, says):
    files = {
        "images": remote(address, "images"),
        name: remote(address, name, b"something else"),
    }
    with pytest.raises(InputError, match=rf"^[^\n]*{says}[^\n]*$"):
        download_folder(files, tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_gone_is_one_line(tmp_path):
    nobody = Remote("http://127.0.0.1:9/x", "")  # the discard port: nobody listens
    with pytest.raises(InputError, match=r"^[^\n]*cannot be fetched[^\n]*data_dir$"):
        download_file(nobody, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_every_raw_file_has_a_checksum_and_an_encrypted_address():
    remotes = [
        *download.MNIST.values(),
        *download.FASHION_MNIST.values(),
        download.TINY_SHAKESPEARE,
    ]
    assert all(len(bytes.fromhex(one.sha256)) == 32 for one in remotes)
    assert all(one.url.startswith("https://") for one in remotes)
    assert len({one.sha256 for one in remotes}) == 9


def test_the_checksums_are_those_tfds_lists():
    from importlib.resources import files

    listed = files("tensorflow_datasets") / "url_checksums"
    for name, remotes in (
        ("mnist", download.MNIST),
        ("fashion_mnist", download.FASHION_MNIST),
    ):
        lines = (listed / f"{name}.txt").read_text().splitlines()
        sums = {line.split("\t")[3]: line.split("\t")[2] for line in lines}
        assert {file: remote.sha256 for file, remote in remotes.items()} == sums
