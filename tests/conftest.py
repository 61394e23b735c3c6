"""Property tests are the same in every run and on every machine, however busy: seeds fixed, no deadline.

To look for new cases: ``make test ARGS="--hypothesis-profile=default tests/translate"``.
"""

from hypothesis import settings

settings.load_profile("ci")
