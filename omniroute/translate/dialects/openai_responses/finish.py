"""Why a response ended (translation.md §12.2)."""

from __future__ import annotations

from omniroute.translate.canonical import Finish


def finish_of(status: str, reason: str, *, called: bool) -> Finish:
    """The class of a response's end. ``reason``: of ``incomplete_details``; ``called``: a tool was."""
    if status == "incomplete" or reason:
        match reason:
            case "max_output_tokens" | "max_tokens":
                return Finish(reason="length", raw=reason)
            case "content_filter":
                return Finish(reason="filter", raw=reason)
            case _:
                return Finish(reason="tool" if called else "stop", raw=reason or status, unknown=True)
    known = status in ("completed", "done", "in_progress", "queued")
    return Finish(reason="tool" if called else "stop", raw=status, unknown=not known)
