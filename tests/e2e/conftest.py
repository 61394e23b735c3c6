from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.standing import Standing, standing


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One gateway for the session, since a start costs a second; every test brings a provider of its own."""
    with standing(tmp_path_factory.mktemp("gateway") / "data") as running:
        yield running
