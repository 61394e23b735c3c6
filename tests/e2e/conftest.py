from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.gateway import listening_mock
from tests.e2e.standing import Standing, standing
from tests.e2e.upstreams import DIALECTS, Upstream, connected


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    """One gateway for the session, since a start costs a second; every test brings a provider of its own."""
    with standing(tmp_path_factory.mktemp("gateway") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def upstreams(gateway: Standing) -> Iterator[dict[str, Upstream]]:
    """A connection in every dialect, all to one mock."""
    with listening_mock() as (_, url):
        yield {dialect: connected(gateway, url, dialect) for dialect in DIALECTS}


@pytest.fixture(params=DIALECTS)
def upstream(request: pytest.FixtureRequest, upstreams: dict[str, Upstream]) -> Upstream:
    """Each of them in turn."""
    return upstreams[str(request.param)]
