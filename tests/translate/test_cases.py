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


@pytest.mark.parametrize("case", vectors.params("stream"))
def test_a_stream_is_the_same_however_it_is_cut_and_with_lanes_or_without(case: Case) -> None:
    vectors.run_cut_stream(case)


@pytest.mark.parametrize("case", vectors.params("framing"))
def test_bytes_are_cut_into_events(case: Case) -> None:
    vectors.run_framing(case)


@pytest.mark.parametrize("case", vectors.params("passthrough"))
def test_bytes_of_the_same_dialect_pass(case: Case) -> None:
    vectors.run_passthrough(case)


@pytest.mark.parametrize("case", vectors.params("error"))
def test_an_error_is_written_for_the_client(case: Case) -> None:
    vectors.run_error(case)
