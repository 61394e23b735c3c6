"""What holds for the whole suite.

Property tests are the same in every run and on every machine, however busy: seeds fixed, no deadline. To look for new
cases: ``make test ARGS="--hypothesis-profile=default tests/translate"``.
"""

from __future__ import annotations

import gc

from hypothesis import settings

settings.load_profile("ci")


def pytest_collection_finish() -> None:
    """Some tests collect garbage to see what is left: not that of nine thousand tests and five SDKs each time."""
    gc.collect()
    gc.freeze()
