"""mnist5k built once for all tests of the data, and no way to the network."""

import socket

import pytest


@pytest.fixture(scope="session")
def digits_cache(tmp_path_factory):
    from nnguide.data.mnist5k import load_mnist5k

    cache = tmp_path_factory.mktemp("cache")
    load_mnist5k(cache, "train")
    return cache


@pytest.fixture(autouse=True)
def only_this_machine(monkeypatch):
    """Whatever reaches for another machine fails at once, and loudly."""
    connect = socket.socket.connect

    def guarded(self, address):
        local = isinstance(address, str) or address[0] in ("127.0.0.1", "::1")
        assert local, f"reached for {address}"
        return connect(self, address)

    def look_up(host, *rest, **named):
        assert host in ("127.0.0.1", "localhost"), f"looked {host} up"
        return resolve(host, *rest, **named)

    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
