"""What admin routes and the command line can do. A change is one transaction, in force in all workers when it returns.

Order of a change: validate; in one transaction make the change, count the epoch up, build the snapshot of the result
and stage it beside the one in force; commit; put it in force. So a change that cannot be published (no room) is not
made, and nobody is told of a change that a request beginning now would not see.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NoReturn, TypeVar

import apsw
import msgspec
import trio

from omniroute.auth import digest_of, new_key, prefix_of
from omniroute.domain import Connection, RuntimeSettings, Secret, TlsProfile, quirks_of
from omniroute.errors import ClientError
from omniroute.storage import connections, keys, meta, rules, settings, views
from omniroute.storage.connections import StoredConnection
from omniroute.storage.faults import MasterKeyError
from omniroute.storage.forms import NewConnection, NewKey, SettingsChange
from omniroute.storage.snapshot import Built, Problem, Publisher, build
from omniroute.storage.store import Store

ID_BYTES: Final = 8
"""Of key and connection ids: they only tell rows of one installation apart, and must fit a journal's open entry."""

KEY_RANDOM_BYTES: Final = 24
"""Of an API key: 192 bits."""

DEMO_PROVIDER: Final = "demo"
DEMO_LABEL: Final = "demo"
DEMO_MODEL: Final = "echo"

T = TypeVar("T")


class Administration:
    """The operations on one installation's configuration."""

    def __init__(
        self,
        store: Store,
        publisher: Publisher,
        *,
        clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        """``clock``: seconds since 1970. ``publisher``: to the workers, or ``NoWorkers`` if the gateway is stopped."""
        self._database = store.database
        self._vault = store.vault
        self._pepper = store.installation.pepper
        self._publisher = publisher
        self._clock = clock
        self._random_bytes = random_bytes
        self._changing = trio.Lock()
        self.problems: tuple[Problem, ...] = ()
        """Active connections left out of the snapshot last published."""

    # -- API keys ---------------------------------------------------------------------------------------------------

    async def create_key(self, new: NewKey) -> views.CreatedKey:
        """Make an API key. What is returned is the only copy of the key itself."""
        return await self._change(lambda connection, now: self._make_key(connection, new, now))

    async def list_keys(self) -> list[views.KeyView]:
        """All keys, revoked ones too, oldest first."""
        now = self._clock()
        return [views.of_key(row, now) for row in await self._database.read(keys.every)]

    async def key_presented(self, key: str | bytes) -> views.KeyView | None:
        """The good key that this is, None if it is unknown, revoked or expired."""
        digest = digest_of(key, self._pepper)
        now = self._clock()
        row = await self._database.read(lambda connection: keys.find_by_digest(connection, digest))
        return views.of_key(row, now) if row is not None and row.good_at(now) else None

    async def revoke_key(self, key: str) -> views.KeyView:
        """Revoke for ever the key with this id, or the one good key with this name. Again is no error."""

        def work(connection: apsw.Connection, now: float) -> views.KeyView:
            key_id = _key_id(connection, key, now)
            keys.revoke(connection, key_id, now)
            row = keys.find(connection, key_id)
            if row is None:
                _no_such("key", key)
            return views.of_key(row, now)

        return await self._change(work)

    # -- connections ------------------------------------------------------------------------------------------------

    async def add_connection(self, new: NewConnection) -> views.ConnectionView:
        """Add a connection; it takes part at once."""
        return await self._change(lambda connection, now: self._add(connection, new, now))

    async def list_connections(self) -> list[views.ConnectionView]:
        """All connections, inactive ones too."""
        found = await self._database.read(lambda connection: connections.every(connection, self._vault))
        return [views.of_connection(stored) for stored in found]

    async def connection(self, ref: str) -> StoredConnection:
        """One connection with its secrets, by its id or ``provider/label``."""
        return await self._database.read(lambda connection: self._find(connection, ref))

    async def remove_connection(self, ref: str) -> views.ConnectionView:
        """Forget a connection and its secrets. A key that was allowed nothing else is then allowed nothing."""

        def work(connection: apsw.Connection, _now: float) -> views.ConnectionView:
            stored = self._find(connection, ref)
            connections.remove(connection, stored.connection.connection_id)
            return views.of_connection(stored)

        return await self._change(work)

    async def set_active(self, ref: str, *, active: bool) -> views.ConnectionView:
        """Let a connection take part, or keep it for later."""

        def work(connection: apsw.Connection, now: float) -> views.ConnectionView:
            connection_id = self._find(connection, ref).connection.connection_id
            connections.set_active(connection, connection_id, active, now)
            return views.of_connection(self._find(connection, connection_id))

        return await self._change(work)

    # -- settings ---------------------------------------------------------------------------------------------------

    async def settings(self) -> RuntimeSettings:
        """The settings in force."""
        return await self._database.read(settings.read)

    async def change_settings(self, change: SettingsChange) -> RuntimeSettings:
        """Change the settings named; the whole of them afterwards."""

        def work(connection: apsw.Connection, now: float) -> RuntimeSettings:
            changed = settings.read(connection)
            if not isinstance(change.heartbeat_s, msgspec.UnsetType):
                changed = msgspec.structs.replace(changed, heartbeat_s=change.heartbeat_s)
            if not isinstance(change.max_attempts, msgspec.UnsetType):
                changed = msgspec.structs.replace(changed, max_attempts=change.max_attempts)
            rules.check_settings(changed)
            settings.write(connection, changed, now)
            return changed

        return await self._change(work)

    # -- start ------------------------------------------------------------------------------------------------------

    async def publish(self) -> None:
        """Build and publish a snapshot of what is stored: at every start, before a worker may serve."""
        await self._change(lambda _connection, _now: None)

    async def ensure_first_start(self, demo_base_url: str = "") -> views.CreatedKey | None:
        """Publish; on an empty database first make an API key (returned, this once) and the demo connection, if given.

        A demo connection from an earlier start is told where the demo provider is now.
        """

        def work(connection: apsw.Connection, now: float) -> views.CreatedKey | None:
            if keys.every(connection) or connections.every(connection, self._vault):
                if demo_base_url:
                    _move_demo(connection, demo_base_url, now)
                return None
            if demo_base_url:
                self._add(connection, _demo(demo_base_url), now)
            return self._make_key(connection, NewKey(name="first key"), now)

        return await self._change(work)

    # -- inside a transaction ---------------------------------------------------------------------------------------

    async def _change(self, work: Callable[[apsw.Connection, float], T]) -> T:
        """Run ``work`` as a change: see the top of this file."""
        now = self._clock()

        def write(connection: apsw.Connection) -> tuple[T, Built]:
            result = work(connection, now)
            epoch = meta.next_epoch(connection, above=self._publisher.epoch())
            built = build(connection, self._vault, epoch=epoch, pepper=self._pepper, now_epoch_s=now)
            self._publisher.stage(built.document)
            return result, built

        # One change at a time: the next may stage its document only when this one's is in force, since it overwrites
        # the half before. Shielded: once the transaction runs, "committed" and "in force" must not come apart. What
        # bounds it is SQLite's busy timeout.
        async with self._changing:
            with trio.CancelScope(shield=True):
                result, built = await self._database.write(write)
                self._publisher.put_in_force(built.document.epoch)
            self.problems = built.problems
        return result

    def _make_key(self, connection: apsw.Connection, new: NewKey, now: float) -> views.CreatedKey:
        rules.check_key(new, now)
        for connection_id in new.allowed_connections:
            if connections.find(connection, self._vault, connection_id) is None:
                rules.refuse("allowed_connections", f"there is no connection with the id {connection_id}")
        key = new_key(self._random_bytes(KEY_RANDOM_BYTES))
        row = keys.KeyRow(
            key_id=self._new_id("key"),
            name=new.name.strip(),
            digest=digest_of(key, self._pepper),
            prefix=prefix_of(key),
            last4=key[-4:],
            created_epoch_s=now,
            scopes=tuple(dict.fromkeys(new.scopes)),
            allowed_models=new.allowed_models,
            allowed_connections=new.allowed_connections,
            requests_per_minute=new.requests_per_minute,
            max_in_flight=new.max_in_flight,
            expires_epoch_s=new.expires_epoch_s,
        )
        keys.insert(connection, row)
        return views.CreatedKey(views.of_key(row, now), Secret(key))

    def _add(self, connection: apsw.Connection, new: NewConnection, now: float) -> views.ConnectionView:
        rules.check_connection(new)
        if connections.id_of(connection, new.provider, new.label) is not None:
            rules.refuse("label", f"{new.provider} has a connection called {new.label} already: choose another label")
        added = Connection(
            connection_id=self._new_id("con"),
            label=new.label,
            provider=new.provider,
            base_url=new.base_url.rstrip("/"),
            credential=Secret(new.credential),
            dialect=new.dialect,
            models=new.models,
            priority=new.priority,
            headers=tuple((name.lower(), value) for name, value in new.headers.items()),
            proxy=Secret(new.proxy),
            tls=TlsProfile(new.ca_pem, new.client_cert_pem, Secret(new.client_key_pem), new.server_name),
            timeouts=new.timeouts,
            max_in_flight=new.max_in_flight,
            allow_private=new.allow_private,
            quirks=quirks_of(new.provider, new.quirks),
        )
        if not connections.opens_any(connection, self._vault):
            raise MasterKeyError(
                "the master key is not the one the stored credentials were sealed with: start with that key, "
                "or remove the connections that have a problem; nothing was added"
            )
        connections.insert(connection, added, self._vault, now_epoch_s=now)
        return views.of_connection(self._find(connection, added.connection_id))

    def _find(self, connection: apsw.Connection, ref: str) -> StoredConnection:
        provider, _, label = ref.partition("/")
        connection_id = connections.id_of(connection, provider, label) if label else ref
        found = connections.find(connection, self._vault, connection_id) if connection_id else None
        if found is None:
            _no_such("connection", ref)
        return found

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._random_bytes(ID_BYTES).hex()}"


def _key_id(connection: apsw.Connection, key: str, now: float) -> str:
    if keys.find(connection, key) is not None:
        return key
    named = [row.key_id for row in keys.every(connection) if row.name == key and row.good_at(now)]
    if len(named) > 1:
        rules.refuse("key", f"several keys are called {key}: name one of {', '.join(named)}")
    if not named:
        _no_such("key", key)
    return named[0]


def _demo(base_url: str) -> NewConnection:
    return NewConnection(
        provider=DEMO_PROVIDER, label=DEMO_LABEL, base_url=base_url, models=(DEMO_MODEL,), allow_private=True
    )


def _move_demo(connection: apsw.Connection, base_url: str, now: float) -> None:
    connection_id = connections.id_of(connection, DEMO_PROVIDER, DEMO_LABEL)
    if connection_id is not None:
        rules.check_connection(_demo(base_url))
        connections.set_base_url(connection, connection_id, base_url.rstrip("/"), now)


def _no_such(what: str, ref: str) -> NoReturn:
    raise ClientError(
        f"there is no {what} {ref!r}; list them to see their ids",
        status=404,
        kind="not_found",
        code=f"{what}_not_found",
    )
