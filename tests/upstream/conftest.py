"""Every test of this folder ends with the descriptors it began with."""

from collections.abc import Iterator

import pytest

from tests.upstream.rig import open_descriptors


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() <= before
