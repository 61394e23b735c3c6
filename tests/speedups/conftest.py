"""Both twins under one suite: what a test asks of ``twin`` holds for the plain and the compiled half alike."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.speedups.relay_rig import Rig, open_fds
from tests.speedups.twins import twins


@pytest.fixture(params=twins("relay"))
def twin(request: pytest.FixtureRequest) -> ModuleType:
    """``relay_py`` and ``relay_c``."""
    module = request.param
    assert isinstance(module, ModuleType)
    return module


@pytest.fixture
def rig(twin: ModuleType) -> Iterator[Rig]:
    """A relay on a clock of its own. What a test leaves open is closed; a descriptor that is left then is a leak."""
    before = open_fds()
    rig = Rig(twin)
    yield rig
    rig.close()
    assert open_fds() == before
