"""Which targets serve a model, in the order to try them. Pure: everything comes out of the snapshot."""

from __future__ import annotations

from omniroute.auth import model_allowed
from omniroute.domain import Caller, Connection, Snapshot, Target
from omniroute.errors import Forbidden, UnknownModel
from omniroute.pipeline.values import Plan


def plan(model: str, caller: Caller, snapshot: Snapshot) -> Plan:
    """The targets of one provider that serve ``model``, by priority, then label. Raises UnknownModel or Forbidden.

    ``provider/model`` names the provider; a bare model goes to the provider whose connection lists it with the best
    priority.
    """
    provider, slash, rest = model.partition("/")
    if slash and provider in snapshot.providers:
        name = rest
        found = tuple(c for c in snapshot.providers[provider] if not c.models or rest in c.models)
    else:
        name = model
        found = _listing(model, snapshot)
    if not found:
        raise UnknownModel(
            f"No active connection serves the model '{model[:200]}'. GET /v1/models lists what can be called; "
            "'omniroute providers add' adds a connection.",
            param="model",
        )
    full = f"{found[0].provider}/{name}"
    if caller.allowed_models and not model_allowed(full, caller.allowed_models):
        raise Forbidden(f"This API key may not use '{full[:200]}'.", code="model_not_allowed", param="model")
    if caller.allowed_connections:
        found = tuple(c for c in found if c.connection_id in caller.allowed_connections)
        if not found:
            raise Forbidden(
                f"This API key may not use any connection that serves '{full[:200]}'.", code="connection_not_allowed"
            )
    return Plan(tuple(Target(connection, name) for connection in found))


def _listing(model: str, snapshot: Snapshot) -> tuple[Connection, ...]:
    """Connections of the best provider that lists ``model`` by its own id."""
    best: tuple[Connection, ...] = ()
    for connections in snapshot.providers.values():
        serving = tuple(c for c in connections if model in c.models)
        if serving and (not best or serving[0].priority < best[0].priority):
            best = serving
    return best
