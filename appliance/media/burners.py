"""Burners: what each is set to, and the verbs on them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from sqlalchemy import Row

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor, process_actor
from appliance.folders import folder_uri, noting_mount
from appliance.jobs.options import problem_of
from appliance.media import profiles
from appliance.media.burner.drive import DriveBurner
from appliance.media.burner.outcome import Burner
from appliance.media.burner.registry import open_burner
from appliance.security.audit import record
from appliance.security.peer_verbs import peers_in
from appliance.security.peers import Peer
from appliance.store import burners, discs, secrets
from appliance.store.store import Store
from appliance.words import say

DEFAULT_BURNER = "folder"


class BurnerSettings(BaseModel):
    """All an admin may set on a burner besides its name and address."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    media: tuple[str, ...] = ()
    """Media it has (cd-700, dvd ...); empty: all it can take."""
    options: dict[str, Any] = {}
    """See media.burner.options.BurnerOptions."""
    node: str = ""
    """The machine that drives it, of several on one database (node.name); empty: any."""


@dataclass(frozen=True, kw_only=True)
class StoredBurner:
    """A burner as stored."""

    name: str
    burner_uri: str
    settings: BurnerSettings = BurnerSettings()
    burner_state: str = "idle"  # idle, processing, stopped
    burner_state_reasons: tuple[str, ...] = ()
    burner_state_message: str = ""
    supplies: tuple[tuple[str, int, str], ...] = ()  # name, level, unit
    paused: bool = False
    version: int = 1

    @property
    def is_drive(self) -> bool:
        """Whether it is in one machine, where a disc lies that nobody else sees."""
        return self.burner_uri.startswith("drive:")

    @property
    def is_away(self) -> bool:
        """Whether nobody answers there, though nobody stopped it."""
        return self.burner_state == "idle" and not self.paused and "offline" in self.burner_state_reasons

    @property
    def burns_nothing(self) -> bool:
        """Whether its discs wait until somebody sees to it."""
        return self.paused or self.burner_state == "stopped" or self.is_away


def from_row(row: Row[Any]) -> StoredBurner:
    return StoredBurner(
        name=row.name,
        burner_uri=row.burner_uri,
        settings=BurnerSettings.model_validate(row.settings),
        burner_state=row.burner_state,
        burner_state_reasons=tuple(row.burner_state_reasons),
        burner_state_message=row.burner_state_message,
        supplies=tuple((name, level, unit) for name, level, unit in row.supplies),
        paused=row.paused,
        version=row.version,
    )


def all_burners(store: Store) -> list[StoredBurner]:
    """Every burner, by name."""
    with store.database.read() as connection:
        return [from_row(row) for row in burners.all_burners(connection)]


def get_burner(store: Store, name: str) -> StoredBurner:
    """A burner by name. Raises NotFoundError."""
    with store.database.read() as connection:
        row = burners.get(connection, name)
    if row is None:
        raise NotFoundError(say("There is no burner %(name)s.", name=repr(name)))
    return from_row(row)


def open_stored(store: Store, burner: StoredBurner) -> Burner:
    """The burner itself, with the appliance's limits. Raises UsageError when its address or options make no sense."""
    roots = (store.folder.root, *store.settings.storage.folder_roots)
    return open_burner(burner.burner_uri, options={**burner.settings.options, "folder_roots": roots})


def burner_settings(values: Mapping[str, Any]) -> BurnerSettings:
    """Settings from plain values. Raises UsageError that names the field."""
    try:
        return BurnerSettings.model_validate(values)
    except ValidationError as error:
        where, words = problem_of(error, BurnerSettings)
        raise UsageError(f"{where}: {words}", field=where) from None


def check_burner(store: Store, burner: StoredBurner) -> None:
    """Raise UsageError for what no burner can be, naming the field."""
    if not burner.name or not burner.name.isascii() or not burner.name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(say("A burner's name is made of letters, digits, - and _."), field="name")
    for medium in burner.settings.media:
        profiles.medium(medium)
    opened = open_stored(store, burner)
    if isinstance(opened, DriveBurner) and burner.settings.node in ("", store.node):
        opened.refuse_other_device()
    if store.node and burner.is_drive and not burner.settings.node:
        text = say("A drive is in one machine: name it (node), as that machine's setting node.name does.")
        raise UsageError(text, field="node")


def add_burner(store: Store, burner: StoredBurner, actor: Actor) -> None:
    """Add a burner. Raises UsageError naming the field, ConflictError when the name is taken."""
    check_burner(store, burner)
    burner = _noting_mount(store, burner, None)
    with store.database.write("disc", "burner") as connection:
        if burners.get(connection, burner.name) is not None:
            raise ConflictError(say("There is a burner %(name)s already.", name=repr(burner.name)))
        settings = burner.settings.model_dump(mode="json")
        burners.insert(connection, name=burner.name, burner_uri=burner.burner_uri, settings=settings)
        _audit(connection, "burner-added", burner.name, actor, burner_uri=burner.burner_uri)


def set_burner(store: Store, burner: StoredBurner, actor: Actor, *, version: int | None = None) -> None:
    """Change address and settings. Raises NotFoundError, UsageError, ConflictError when `version` is not the stored."""
    check_burner(store, burner)
    burner = _noting_mount(store, burner, get_burner(store, burner.name))
    settings = burner.settings.model_dump(mode="json")
    with store.database.write("disc", "burner") as connection:
        if burners.get(connection, burner.name) is None:
            raise NotFoundError(say("There is no burner %(name)s.", name=repr(burner.name)))
        values = {"burner_uri": burner.burner_uri, "settings": settings}
        if not burners.change(connection, burner.name, version=version, **values):
            raise ConflictError(
                say("Burner %(name)s was changed by someone else: read it again.", name=repr(burner.name))
            )
        _audit(connection, "burner-changed", burner.name, actor, burner_uri=burner.burner_uri, settings=settings)


def _noting_mount(store: Store, burner: StoredBurner, before: StoredBurner | None) -> StoredBurner:
    known = (before.burner_uri, before.settings.options) if before else None
    options = noting_mount(burner.burner_uri, burner.settings.options, store.folder.root, known)
    return replace(burner, settings=burner.settings.model_copy(update={"options": options}))


def remove_burner(store: Store, name: str, actor: Actor) -> None:
    """Remove a burner. Raises NotFoundError, ConflictError while discs wait for it, or it makes a peer's."""
    with store.database.write("disc", "burner") as connection:
        if waiting := discs.count_waiting(connection, name):
            raise ConflictError(
                say(
                    "%(waiting)s discs wait for burner %(name)s: move or cancel them first.",
                    waiting=waiting,
                    name=repr(name),
                )
            )
        if naming := [peer.name for peer in peers_in(connection) if name in _burners_of(peer)]:
            raise ConflictError(
                say(
                    "Burner %(name)s makes the discs of peer %(peer)s: set another one there first.",
                    name=repr(name),
                    peer=naming[0],
                )
            )
        if not burners.remove(connection, name):
            raise NotFoundError(say("There is no burner %(name)s.", name=repr(name)))
        _audit(connection, "burner-removed", name, actor)


def _burners_of(peer: Peer) -> set[str]:
    """Burners that make a peer's discs: of its rule, which would fail in silence, and of its own orders."""
    ruled = {str(peer.rule.get("burner") or DEFAULT_BURNER)} if peer.rule else set()
    return ruled | {peer.burner}


def pause_burner(store: Store, name: str, actor: Actor) -> None:
    """Burn nothing more there; discs are still taken and built."""
    _switch(store, name, "burner-paused", actor, paused=True)


def resume_burner(store: Store, name: str, actor: Actor) -> None:
    """Burn again, also after the burner was stopped."""
    values = {"paused": False, "burner_state": "idle", "burner_state_reasons": [], "burner_state_message": ""}
    _switch(store, name, "burner-resumed", actor, **values)


def _switch(store: Store, name: str, event: str, actor: Actor, **values: Any) -> None:
    with store.database.write("disc", "burner") as connection:
        if not burners.change(connection, name, **values):
            raise NotFoundError(say("There is no burner %(name)s.", name=repr(name)))
        _audit(connection, event, name, actor)


def _audit(connection: Any, event: str, name: str, actor: Actor, **detail: Any) -> None:
    record(connection, event, actor, object_kind="burner", object_id=name, detail=detail)


def add_first_burner(store: Store) -> None:
    """Add the burner ``folder`` to a data folder that never had a burner, so that a disc can be made at once."""
    with store.database.read() as connection:
        if secrets.get(connection, secrets.FIRST_BURNER) is not None:
            return
    if not all_burners(store):
        burner = StoredBurner(name=DEFAULT_BURNER, burner_uri=folder_uri(store.folder.burned))
        with suppress(ConflictError):  # two machines start in one moment
            add_burner(store, burner, process_actor("first run"))
    with store.database.write() as connection:
        secrets.put(connection, secrets.FIRST_BURNER, "added")


def burner_view(burner: StoredBurner) -> dict[str, Any]:
    """A burner as JSON-ready values: the same for the command line, the API and the page."""
    reasons = [*burner.burner_state_reasons, *(["paused"] if burner.paused else [])]
    return {
        "name": burner.name,
        "burner_uri": burner.burner_uri,
        "burner_state": "stopped" if burner.paused else burner.burner_state,
        "burner_state_reasons": reasons,
        "burner_state_message": burner.burner_state_message,
        "supplies": [{"name": name, "level": level, "unit": unit} for name, level, unit in burner.supplies],
        "settings": burner.settings.model_dump(mode="json"),
        "version": burner.version,
    }
