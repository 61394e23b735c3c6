"""Who is asking: the API key a request presents, looked up in its snapshot."""

from __future__ import annotations

from omniroute.auth import digest_of, presented_key, well_formed
from omniroute.domain import Caller, Snapshot
from omniroute.errors import Forbidden, Unauthenticated
from omniroute.ports import Incoming


def authenticate(incoming: Incoming, snapshot: Snapshot, now_epoch_s: float, scope: str = "inference") -> Caller:
    """The caller of ``incoming``. Raises Unauthenticated, or Forbidden if the key lacks ``scope``."""
    key = presented_key(incoming.headers, incoming.query)
    if key is None:
        raise Unauthenticated(
            "No API key was sent. Send it as 'Authorization: Bearer sk-or-...' "
            "(x-api-key, x-goog-api-key and ?key= work too)."
        )
    caller = snapshot.callers.get(digest_of(key, snapshot.document.key_pepper))
    if caller is None:
        reason = (
            "unknown or revoked"
            if well_formed(key.decode("latin-1"))
            else "not a well-formed OmniRoute key (a typing or copying error?)"
        )
        raise Unauthenticated(f"The API key is {reason}. 'omniroute keys list' shows the keys there are.")
    if caller.expires_epoch_s and caller.expires_epoch_s <= now_epoch_s:
        raise Unauthenticated("The API key has expired. Create another with 'omniroute keys create'.")
    if scope not in caller.scopes:
        raise Forbidden(f"The API key lacks the scope '{scope}'.", code="missing_scope")
    return caller
