"""An instance becomes one of ours: durable first, then its row, then the answer (reliability 3.1).

What arrives lies whole in a part file of the spool. It is moved below instances/, synced (file and folder), and put in
the index; only then may its sender be told. Rows of several senders are committed together. A file without a row was
never acknowledged: housekeeping removes it. The same again is acknowledged and kept once, were it written anew by
whoever passed it on (:mod:`same_content`); what says something else under the same UID is kept aside for a person,
never in place of what is there.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from appliance.errors import ApplianceError, RefusedError, ResourceError, UncertainError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import files, instances
from appliance.store.batch import Batch
from appliance.store.store import Store
from appliance.studies import rejection
from appliance.studies.same_content import those_alike
from appliance.studies.understanding import Arrival, Reader, new_instance
from appliance.words import say

__all__ = ["Arrival", "Intake", "Taken"]

OUT_OF_RESOURCES = 0xA700
STORED, KNOWN, KEPT_ASIDE = "stored", "known", "kept-aside"
_OTHER_BYTES = "other-bytes"  # nothing was done yet: its content is to be compared

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of it."""

    outcome: str  # stored, known, kept-aside
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str


class NotNowError(RefusedError):
    """The disk is short, or the database away: no fault of the instance."""

    permanent = False


class Intake:
    """Takes instances into one store. Shared by threads; make one a process."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._batch = Batch(store.database, "study")
        self._reader = Reader(store.settings.limits.sequence_depth)

    def take(self, arrival: Arrival, actor: Actor) -> Taken:
        """Keep an instance for good. When this returns, it survives power loss.

        Raises RefusedError with the status of C-STORE: A700 no room, A900 not what was announced, Cxxx not understood.
        It is NotNowError where trying again may help.
        """
        files.failpoint("store.part")
        if not self.store.has_room(arrival.size):
            raise NotNowError(OUT_OF_RESOURCES, say("The disk is short: no new instances until room is made."))
        try:
            return self._take(arrival, actor)
        except RefusedError:
            raise
        except OSError as error:
            words = say("The instance can't be kept: %(why)s.", why=error.strerror)
            raise NotNowError(OUT_OF_RESOURCES, words) from error
        except ResourceError as error:
            raise NotNowError(OUT_OF_RESOURCES, str(error)) from error
        except ApplianceError as error:
            raise RefusedError(OUT_OF_RESOURCES, str(error)) from error

    def _take(self, arrival: Arrival, actor: Actor) -> Taken:
        understood = self._reader.understand(arrival)
        place = _place(arrival)
        target = self.store.folder.instances / place
        files.make_folder(target.parent)
        files.move(arrival.path, target)
        try:
            files.failpoint("store.renamed")
            self._sync(target)
            files.failpoint("store.synced")
            new = new_instance(arrival, understood, place)
            outcome = self._index(new, understood.rejects, actor, None)
            if outcome == _OTHER_BYTES:
                outcome = self._index(new, understood.rejects, actor, self._alike(new, target))
        except UncertainError:  # it may have a row: housekeeping removes the file when it has none
            raise
        except BaseException:
            files.remove(target)  # not acknowledged
            raise
        files.failpoint("store.committed")
        if outcome == KNOWN:
            files.remove(target)
        self.store.tally.add("instances_in", _sender(arrival, actor), total=arrival.size)
        return Taken(
            outcome=STORED if outcome == HEALED else outcome,
            sop_class_uid=understood.sop_class_uid,
            sop_instance_uid=understood.sop_instance_uid,
            study_instance_uid=understood.shared.study["study_instance_uid"],
        )

    def _sync(self, target: Path) -> None:
        """Make a file and its name durable: one sync after the other, for the second finds most of it done."""
        files.sync_file(target)
        files.sync_folder(target.parent)

    def _alike(self, new: instances.NewInstance, path: Path) -> frozenset[bytes]:
        """SHA-256 of those kept under its UID that say the same in another encoding, as far as can be told here."""
        with self.store.database.read() as connection:
            known = instances.few_of_uid(connection, new.instance["sop_instance_uid"], new.instance["sha256"])
        others = [(self.store.folder.instances / row.path, row.offset) for row in known]
        same = those_alike(path, new.instance["offset"], others)
        return frozenset(row.sha256 for row, alike in zip(known, same, strict=True) if alike)

    def _index(
        self,
        new: instances.NewInstance,
        named: rejection.Rejected | None,
        actor: Actor,
        alike: frozenset[bytes] | None,
    ) -> str:
        """Commit its rows, with those of others that come in the same moment. `alike`: None where not compared yet."""

        def deed(connection: Connection) -> str:
            outcome = _insert(self.store, connection, new, actor, alike)
            if outcome not in (KNOWN, _OTHER_BYTES) and named is not None:
                instances.add_rejections(connection, new.instance["sop_instance_uid"], named.code, named.instances)
            return outcome

        return self._batch.write(deed)


def _sender(arrival: Arrival, actor: Actor) -> str:
    """Of which kind the sender is, for the figures."""
    if actor.kind != "peer":
        return "import"
    return "known peer" if arrival.peer else "stranger"


HEALED = "healed"


def _insert(
    store: Store, connection: Connection, new: instances.NewInstance, actor: Actor, alike: frozenset[bytes] | None
) -> str:
    # who stood still for ten minutes may find its file swept: never acknowledged
    (store.folder.instances / new.instance["path"]).stat()
    known = instances.few_of_uid(connection, new.instance["sop_instance_uid"], new.instance["sha256"])
    for row in known:
        if row.path == new.instance["path"]:
            return STORED  # its own: committed before, when the database was lost before it could say so
        if row.sha256 == new.instance["sha256"]:
            if is_whole(store.folder.instances / row.path, row.offset + row.size):
                return KNOWN
            instances.replace_path(connection, row.instance_id, new.instance["path"], new.instance["offset"])
            log.warning("a lost or damaged file has come again", extra={"instance": row.sop_instance_uid})
            return HEALED
        if alike and row.sha256 in alike and is_whole(store.folder.instances / row.path, row.offset + row.size):
            return KNOWN
    if known and alike is None:
        return _OTHER_BYTES
    instances.insert(connection, new, kept_aside=bool(known))
    if not known:
        return STORED
    record(
        connection,
        "instance-kept-aside",
        actor,
        outcome="warning",
        object_kind="instance",
        object_id=new.instance["sop_instance_uid"],
        detail={"sha256": new.instance["sha256"].hex(), "kept": known[0].sha256.hex()},
    )
    return KEPT_ASIDE


def is_whole(path: Path, size: int) -> bool:
    """Whether a file is there with all its bytes."""
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _place(arrival: Arrival) -> str:
    """Where the file goes below instances/: its random name in the spool is its name for good."""
    name = arrival.path.name.removesuffix(files.PART_SUFFIX)
    return f"{name[:2]}/{name}"
