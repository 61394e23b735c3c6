"""Every vector of translation_cases.json, one test each; see ``vectors`` for how they are run."""

from __future__ import annotations

import pytest

from tests.translate import vectors
from tests.translate.vectors import Case


@pytest.mark.parametrize("case", vectors.params("request"))
def test_a_request_is_written_for_the_upstream(case: Case) -> None:
    vectors.run_request(case)


@pytest.mark.parametrize("case", vectors.params("response"))
def test_a_whole_answer_is_written_for_the_client(case: Case) -> None:
    vectors.run_response(case)


@pytest.mark.parametrize("case", vectors.params("stream"))
def test_a_stream_is_written_for_the_client_event_by_event(case: Case) -> None:
    vectors.run_stream(case)


@pytest.mark.parametrize("case", vectors.params("error"))
def test_an_error_is_written_for_the_client(case: Case) -> None:
    vectors.run_error(case)
