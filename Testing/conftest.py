"""What every test shares: property tests that do not depend on how busy the machine is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, print_blob=True)
settings.load_profile("steady")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep tests, and the processes they start, out of the user's cache."""
    before = os.environ.get("PARETOSEG_CACHE")
    os.environ["PARETOSEG_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["PARETOSEG_CACHE"]
    else:
        os.environ["PARETOSEG_CACHE"] = before
