"""Launchers share one cache, so that the digits are built once."""

import pytest


@pytest.fixture(scope="session", autouse=True)
def _one_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNGUIDE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
