"""Copy types: whom a disc is for, as stored choices. Four are built in; a site changes them and adds its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.jobs.options import problem_of
from appliance.media import profiles, words
from appliance.security.audit import record
from appliance.security.peer_verbs import peers_in
from appliance.store import burners
from appliance.store.store import Store
from appliance.words import say

DEFAULT = "patient"
STANDARD = {"cd": "STD-GEN-CD", "dvd": "STD-GEN-DVD-JPEG", "usb": "STD-GEN-USB-JPEG", "zip": "STD-GEN-ZIP-MAIL"}
"""Kind of medium -> the application profile taken when none is named."""


class CopyType(BaseModel):
    """The choices of one copy type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    medium: str = "cd-700"
    profile: str = ""
    """Application profile; empty: the standard one of the medium."""
    language: str = "en"
    readme: Literal["utf-8", "transliterated", "ascii"] = "utf-8"
    web_content: bool = True
    viewer: bool = True
    site_files: bool = True
    """The site's drop-in folder (discs.site_files) goes on it."""
    icons: bool = False
    """A small picture of each image in the DICOMDIR, for readers that show them; 4 KB an image."""
    joliet: bool = True
    split: bool = True
    several_patients: bool = False
    refuse_without_record: bool = False
    """An object no directory record exists for (private classes) keeps the disc from being made."""
    leave_out_refused: bool = False
    """What can't go on the disc is left out, and told on it, rather than keep the disc from being made."""
    video: Literal["refuse", "mp4"] = "refuse"
    """Video the application profile does not take: it is refused, or lies beside the DICOM files as an MP4 file."""
    label_layout: str = "disc"
    label_names_patient: bool = True
    """Off: the label says nothing of patient and studies, only what was ordered for it."""
    signed: bool = False
    """The list of SHA-256 sums is signed with the appliance's key."""
    encrypted: bool = False
    """A zip archive with AES-256; its password is printed apart."""
    anonymous: bool = False
    dates: Literal["remove", "shift", "keep"] = "remove"
    descriptors: Literal["remove", "clean"] = "remove"
    keep_device: bool = False
    keep_characteristics: bool = False
    attempts: int = Field(2, ge=1, le=10)
    """Pieces of media tried for one disc before a person is asked."""

    @model_validator(mode="after")
    def _fits(self) -> CopyType:
        try:
            medium = profiles.medium(self.medium)
            if self.profile and medium.kind not in profiles.profile(self.profile).kinds:
                raise ValueError(say("%(profile)s is not for %(title)s", profile=self.profile, title=medium.title))
            words.words(self.language)
        except UsageError as error:
            raise ValueError(str(error)) from None
        if self.encrypted and medium.form != "zip":
            raise ValueError(say("only a zip archive can be encrypted: take the medium zip"))
        return self

    @property
    def application_profile(self) -> str:
        """The application profile in force."""
        return self.profile or STANDARD[profiles.medium(self.medium).kind]


BUILT_IN: dict[str, CopyType] = {
    "patient": CopyType(description=say("For the patient: viewer, pages and pictures")),
    "physician": CopyType(description=say("For a physician: DICOM, reports and viewer, no pages"), web_content=False),
    "legal": CopyType(
        description=say("For a court or insurer: nothing left out, sums of every file, signed"),
        refuse_without_record=True,
        signed=True,
    ),
    "anonymous": CopyType(
        description=say("For teaching and research: without what names the patient"),
        anonymous=True,
        site_files=False,
        web_content=False,
    ),
}


def copy_type(values: Mapping[str, Any]) -> CopyType:
    """A copy type from plain values. Raises UsageError that names the field."""
    try:
        return CopyType.model_validate(values)
    except ValidationError as error:
        where, text = problem_of(error, CopyType)
        raise UsageError(f"{where + ': ' if where else ''}{text}", field=where or "medium") from None


def all_copy_types(store: Store) -> dict[str, CopyType]:
    """Every copy type by name: the stored ones before those built in."""
    with store.database.read() as connection:
        stored = {row.name: CopyType.model_validate(row.settings) for row in burners.all_copy_types(connection)}
    return BUILT_IN | stored


def get_copy_type(store: Store, name: str) -> CopyType:
    """A copy type by name. Raises NotFoundError."""
    found = all_copy_types(store)
    if name not in found:
        raise NotFoundError(
            say("There is no copy type %(name)s; there are %(found)s.", name=repr(name), found=", ".join(found))
        )
    return found[name]


def read_copy_type(store: Store, name: str) -> tuple[CopyType, int]:
    """A copy type by name, and its version for :func:`set_copy_type`; 0: as built in. Raises NotFoundError."""
    choices = get_copy_type(store, name)
    with store.database.read() as connection:
        row = burners.get_copy_type(connection, name)
    return choices, row.version if row else 0


def set_copy_type(store: Store, name: str, choices: CopyType, actor: Actor, *, version: int | None = None) -> None:
    """Change a copy type, or add one. Raises UsageError, ConflictError when `version` is not the stored one."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or len(name) > 32:
        raise UsageError(say("A copy type's name is made of up to 32 letters, digits, - and _."), field="name")
    with store.database.write("disc") as connection:
        if not burners.put_copy_type(connection, name, choices.model_dump(mode="json"), version=version):
            raise ConflictError(say("Copy type %(name)s was changed by someone else: read it again.", name=repr(name)))
        record(connection, "copy-type-changed", actor, object_kind="copy-type", object_id=name)


def remove_copy_type(store: Store, name: str, actor: Actor) -> None:
    """Forget a stored copy type; one built in is again as it was. Raises NotFoundError, ConflictError."""
    with store.database.write("disc") as connection:
        naming = [peer.name for peer in peers_in(connection) if peer.rule.get("copy_type") == name]
        if naming and name not in BUILT_IN:
            raise ConflictError(
                say(
                    "Copy type %(name)s is the one of the discs of peer %(peer)s: set another one there first.",
                    name=repr(name),
                    peer=naming[0],
                )
            )
        if not burners.remove_copy_type(connection, name):
            raise NotFoundError(say("There is no copy type %(name)s of the site's own.", name=repr(name)))
        record(connection, "copy-type-removed", actor, object_kind="copy-type", object_id=name)
