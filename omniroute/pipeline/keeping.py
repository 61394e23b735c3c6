"""Answers that are kept for later requests to go on from, where a dialect has such a thing (``ClientSide.history``).

What a provider keeps itself is left to it: then the client's bytes pass, and the id with them.
"""

from __future__ import annotations

import msgspec

from omniroute.pipeline.questions import Questions
from omniroute.pipeline.values import Door, Kept, Plan
from omniroute.ports import Incoming, ResponseShelf


class Keeper:
    """Resumes requests and keeps answers, for requests of one worker."""

    __slots__ = ("_questions", "_shelf")

    def __init__(self, questions: Questions, shelf: ResponseShelf) -> None:
        self._questions = questions
        self._shelf = shelf

    async def resumed(self, door: Door, incoming: Incoming, plan: Plan, key_id: str) -> tuple[Incoming, Kept | None]:
        """The request with the conversation it goes on from, and what to keep; None: a provider keeps it itself.

        An id that is not ours is left in the body for a provider of the dialect, who may know it. Raises ClientError,
        for an id that nobody can know too, and as ``Questions``.
        """
        history = door.client.history
        assert history is not None, "the caller has looked"
        body = incoming.body
        kept = Kept(history, self._shelf, body, key_id)
        previous = history.refers(body)
        if previous:
            stored = await self._questions.stored(previous, incoming)
            if stored is not None:
                return msgspec.structs.replace(incoming, body=history.resume(body, stored)), msgspec.structs.replace(
                    kept, previous_response_id=previous, context_items=history.context_of(stored)
                )
            if not any(choice.connection.dialect == door.name for choice in plan.targets):
                raise history.unknown(previous)
        native = all(c.connection.dialect == door.name and c.connection.quirks.responses_store for c in plan.targets)
        return incoming, None if native else kept
