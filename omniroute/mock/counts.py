"""What the mock served, to reconcile with a gateway's ledger: ``begun`` is always ``full + faulty + gone + open``."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

MAX_MODELS: Final = 1000
"""Model names counted apart; the rest is counted as ``(other)``, so that no client can fill the memory."""
MAX_REQUEST_IDS: Final = 200_000
"""Request ids remembered; the oldest is forgotten (and counted as dropped) at the bound. About 20 MB."""

Outcome = Literal["full", "faulty", "gone"]
"""Answered in full; cut short or misframed as the script says; the client left before the end."""


class Tally(msgspec.Struct):
    """Counts of one model, or of all."""

    begun: int = 0
    full: int = 0
    faulty: int = 0
    gone: int = 0
    open: int = 0
    prompt_tokens: int = 0
    """Of every request begun."""
    completion_tokens: int = 0
    """Handed to the kernel, whatever became of the rest of the answer."""


class Counts(msgspec.Struct):
    """Everything ``GET /mock/counts`` tells."""

    total: Tally = msgspec.field(default_factory=Tally)
    connections: int = 0
    connections_open: int = 0
    rejected: int = 0
    """Requests that never reached a dialect: malformed HTTP, wrong key, unknown path, a bad body or script."""
    by_model: dict[str, Tally] = {}
    by_status: dict[int, int] = {}
    """Statuses sent; 0 for an answer that never had a head."""
    by_request: dict[str, int] = {}
    """Requests begun per ``X-OmniRoute-Attempt`` or else ``X-Request-Id``, for those that sent one."""
    request_ids_dropped: int = 0

    def reset(self) -> None:
        """Forget what is over. What is open stays counted as begun, so that the sum still holds when it ends."""
        tallies = {model: _reborn(tally) for model, tally in self.by_model.items() if tally.open}
        _reborn(self.total)
        self.by_model, self.by_status, self.by_request = tallies, {}, {}
        self.connections, self.rejected, self.request_ids_dropped = self.connections_open, 0, 0

    def begin(self, model: str, request_id: str, prompt_tokens: int) -> Tally:
        """A request was read whole and will be answered. Returns the tally of its model."""
        key = model if model in self.by_model or len(self.by_model) < MAX_MODELS else "(other)"
        tally = self.by_model.setdefault(key, Tally())
        for one in (self.total, tally):
            one.begun += 1
            one.open += 1
            one.prompt_tokens += prompt_tokens
        if request_id:
            if request_id not in self.by_request and len(self.by_request) >= MAX_REQUEST_IDS:
                del self.by_request[next(iter(self.by_request))]
                self.request_ids_dropped += 1
            self.by_request[request_id] = self.by_request.get(request_id, 0) + 1
        return tally

    def spoke(self, tally: Tally, tokens: int) -> None:
        """A piece of answer with ``tokens`` tokens was handed to the kernel."""
        self.total.completion_tokens += tokens
        tally.completion_tokens += tokens

    def end(self, tally: Tally, outcome: Outcome, status: int) -> None:
        """The request of ``tally`` is over."""
        self.by_status[status] = self.by_status.get(status, 0) + 1
        for one in (self.total, tally):
            one.open -= 1
            match outcome:
                case "full":
                    one.full += 1
                case "faulty":
                    one.faulty += 1
                case "gone":
                    one.gone += 1


def _reborn(tally: Tally) -> Tally:
    tally.begun = tally.open
    tally.full = tally.faulty = tally.gone = tally.prompt_tokens = tally.completion_tokens = 0
    return tally
