"""Uploaded files become studies: kept first, imported by a worker (studies.upload_worker), followed by who asked."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from appliance.errors import ConflictError, NotFoundError, ResourceError, UsageError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.store import files, retrievals, uploads
from appliance.store.store import Store
from appliance.store.uploads import Upload
from appliance.studies.importing import ImportReport
from appliance.words import Words, say

_EMPTY = ImportReport().to_json()


def begin(store: Store, actor: Actor) -> int:
    """An import that files will be added to; its number."""
    folder = files.make_folder(store.folder.uploads / secrets.token_hex(8))
    with store.database.write("import") as connection:
        return uploads.insert(connection, folder=folder.name, actor=actor.name, address=actor.address)


def add(store: Store, import_id: int, uploaded: Iterable[tuple[str, Iterable[bytes]]], actor: Actor) -> None:
    """Keep more files of an import: (name, bytes in blocks) of each.

    Raises NotFoundError, ConflictError, UsageError, ResourceError.
    """
    row = _own(store, import_id, actor)
    if row.state != uploads.UPLOADING:
        raise _begun(import_id)
    most = store.settings.limits.upload_files
    names: list[list[str]] = []
    for name, blocks in uploaded:
        if len(row.names) + len(names) >= most:
            raise UsageError(
                say(
                    "An import has at most %(most_files)s files: pack them into an archive.",
                    most_files=f"{most:,}",
                ),
                field="files",
            )
        if not store.has_room():
            raise ResourceError(say("The disk is short: nothing is imported until room is made."))
        kept = secrets.token_hex(8)  # never the name it came with: that is for reports and a DICOMDIR alone
        _write(store.folder.uploads / row.folder / kept, blocks)
        names.append([kept, _plain(name)])
    with store.database.write() as connection:
        now_there = [] if (still := uploads.get(connection, import_id)) is None else still.names
        if not uploads.change(connection, import_id, seen=(uploads.UPLOADING,), names=[*now_there, *names]):
            raise _begun(import_id)


def _write(path: Path, blocks: Iterable[bytes]) -> None:
    try:
        files.write_scratch(path, blocks)
    except OSError as error:
        with contextlib.suppress(OSError):
            files.remove(path)  # half a file takes the room of others
        raise ResourceError(_refused(error)) from error


def _refused(error: OSError) -> Words:
    return say("The disk did not take the files (%(why)s): upload them again.", why=error.strerror)


def _begun(import_id: int) -> ConflictError:
    return ConflictError(say("Import %(import_id)s has begun: make another one for more files.", import_id=import_id))


def end(store: Store, import_id: int, actor: Actor) -> None:
    """All files are here: a worker may begin. Raises NotFoundError, UsageError when there is none, ConflictError,
    ResourceError when the disk did not take them: the import ends then, for a second sync would pass.
    """
    row = _own(store, import_id, actor)
    if row.state != uploads.UPLOADING:
        raise ConflictError(say("Import %(import_id)s has begun already.", import_id=import_id))
    if not row.names:
        _forget(store, row, say("Nothing was uploaded."))
        raise UsageError(say("Send DICOM files or zip archives as the multipart field files."), field="files")
    try:
        while (more := _ended_with(store, row, actor)) is not None:
            row = more
    except OSError as error:
        said = _refused(error)
        _forget(store, row, said)
        raise ResourceError(said) from error


def _ended_with(store: Store, row: Upload, actor: Actor) -> Upload | None:
    """End it with the files of `row`; the row as it is now where another request has added some meanwhile."""
    folder = store.folder.uploads / row.folder
    for kept, _ in row.names:
        files.sync_file(folder / kept)
    files.sync_folder(folder)
    import_id = row.import_id
    with store.database.write("import") as connection:
        still = uploads.get(connection, import_id)
        if still is not None and still.names != row.names:
            return still
        if not uploads.change(connection, import_id, seen=(uploads.UPLOADING,), state=uploads.PENDING):
            raise ConflictError(say("Import %(import_id)s has begun already.", import_id=import_id))
        detail = {"files": len(row.names)}
        record(connection, "import-requested", actor, object_kind="import", object_id=str(import_id), detail=detail)
    return None


def cancel(store: Store, import_id: int, actor: Actor) -> None:
    """Stop an import; what came in already stays. Raises NotFoundError, ConflictError when it has ended."""
    row = _find(store, import_id)
    if row.state in uploads.FINAL:
        raise ConflictError(say("Import %(import_id)s is %(state)s already.", import_id=import_id, state=row.state))
    with store.database.write("import") as connection:
        waiting = (uploads.UPLOADING, uploads.PENDING)
        waited = uploads.change(connection, import_id, seen=waiting, state=uploads.CANCELED, message="cancelled")
        if not waited:
            uploads.change(connection, import_id, cancel=True)
        record(connection, "import-canceled", actor, object_kind="import", object_id=str(import_id))
    if waited:
        files.remove_tree(store.folder.uploads / row.folder)


def get_import(store: Store, import_id: int) -> dict[str, Any]:
    """An import, for page and API. Raises NotFoundError."""
    return view(_find(store, import_id))


def list_imports(store: Store, **conditions: Any) -> list[dict[str, Any]]:
    with store.database.read() as connection:
        return [view(row) for row in uploads.page(connection, **conditions)]


def view(row: Upload) -> dict[str, Any]:
    """How far it is, and what became of the files so far."""
    names = ("import_id", "state", "done", "total", "message", "actor", "created", "updated")
    return {**{name: getattr(row, name) for name in names}, "uploaded": len(row.names), **_EMPTY, **row.report}


def underway(store: Store) -> dict[tuple[str, str], int]:
    """(import or retrieval, its state) -> how many have not ended."""
    with store.database.read() as connection:
        imports, fetched = uploads.count_underway(connection), retrievals.count_underway(connection)
    return {("import", state): number for state, number in imports.items()} | {
        ("retrieval", state): number for state, number in fetched.items()
    }


def _find(store: Store, import_id: int) -> Upload:
    with store.database.read() as connection:
        row = uploads.get(connection, import_id)
    if row is None:
        raise NotFoundError(say("There is no import %(import_id)s.", import_id=import_id))
    return row


def _own(store: Store, import_id: int, actor: Actor) -> Upload:
    """An import of this person's: nobody slips files into another's. Raises NotFoundError."""
    row = _find(store, import_id)
    if row.actor != actor.name:
        raise NotFoundError(say("There is no import %(import_id)s of yours.", import_id=import_id))
    return row


def _forget(store: Store, row: Upload, message: str) -> None:
    """One whose files another request handed to a worker meanwhile goes on."""
    with store.database.write("import") as connection:
        values = {"state": uploads.ABORTED, "message": message}
        forgotten = uploads.change(connection, row.import_id, seen=(uploads.UPLOADING,), **values)
    if forgotten:
        files.remove_tree(store.folder.uploads / row.folder)


def _plain(name: str) -> str:
    """A file's path within what was uploaded, without what leads out of it."""
    parts = PurePosixPath(name.replace("\\", "/").lstrip("/")).parts
    return "/".join(part for part in parts if part != "..")[-200:] or "file"
