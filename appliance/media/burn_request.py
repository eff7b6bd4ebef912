"""What a burner is asked for one piece of media: image, label, ticket, and the fields a robot's own label may show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.media import extras, profiles
from appliance.media.burner.outcome import LABEL_FIELDS, Burner, BurnRequest
from appliance.media.copy_types import CopyType
from appliance.media.label import label
from appliance.media.label_layout import layout_named
from appliance.media.label_output import label_file
from appliance.store import discs, files
from appliance.store.locks import machine_of
from appliance.store.store import Store
from appliance.words import say

SUFFIX = {"jpeg": "jpg"}


@dataclass(frozen=True, kw_only=True)
class Group:
    """Pieces made by one request: all copies of a volume where the burner makes them at once, else one."""

    pieces: tuple[Any, ...]
    volume: Any

    @property
    def state(self) -> str:
        return str(self.pieces[0].state)

    @property
    def begun_at(self) -> str:
        """The address of the burner that has begun it; "" where none has, or it has ended."""
        return str(self.pieces[0].evidence) if self.state == "burning" else ""

    @property
    def begun_on(self) -> str:
        """The machine whose worker has begun it; "" where none has, or there is but one."""
        return "" if self.state == "waiting" else machine_of(self.pieces[0].who)


def robot_job_name(serial: str, file_set_uid: str) -> str:
    """What a robot's or an agent's job for a piece of media is called; its files begin so."""
    return f"{serial}-{file_set_uid.replace('.', '')[-6:]}"


class Requests:
    """Makes the requests of one disc of `volumes` volumes, for its burner at `uri`."""

    def __init__(self, store: Store, disc: discs.Disc, burner: Burner, uri: str, volumes: int) -> None:
        self.store = store
        self.disc = disc
        self.burner = burner
        self.uri = uri
        self.volumes = volumes
        self.folder = store.folder.disc(disc.disc_id)
        self.choices = CopyType.model_validate(disc.choices)
        self.medium = profiles.medium(disc.medium)

    def of(self, group: Group) -> BurnRequest:
        """The request for a group. Writes the label beside the image."""
        volume, first, disc = group.volume, group.pieces[0], self.disc
        serials = tuple(piece.serial for piece in group.pieces)
        title = say("disc %(volume)s of %(count)s", volume=volume.volume, count=self.volumes) + (
            f", copy {first.copy}" if disc.copies > 1 else ""
        )
        return BurnRequest(
            job_name=self._job_name(volume, first),
            image=self.folder / volume.image,
            form=self.medium.form,
            sha256=volume.sha256,
            bytes=volume.bytes,
            medium=self.medium.kind,
            volume_id=volume.file_set_id,
            number=volume.volume,
            count=self.volumes,
            copies=len(group.pieces),
            serials=serials,
            label=self._label(volume, serials),
            title=title,
            fields=self._fields(volume, serials[0]),
            ticket=self._ticket(volume, serials),
        )

    def _facts(self, volume: Any) -> Path:
        """What its label tells, written when the image was made."""
        return self.folder / f"volume-{volume.volume}.json"

    def has_facts(self, volume: Any) -> bool:
        """Whether they are there still: nothing can be asked for without."""
        return self._facts(volume).is_file()

    def _job_name(self, volume: Any, piece: Any) -> str:
        """The numbers, for files; beside them a piece of the UID where jobs of others may have the same numbers."""
        if self.uri.startswith("folder:"):
            later = f"-c{piece.copy}" if piece.copy > 1 else ""  # ordered again: what lies there stays as it is
            return f"{self.disc.disc_id}-{volume.volume}{later}"
        return robot_job_name(piece.serial, volume.file_set_uid)

    def _label(self, volume: Any, serials: tuple[str, ...]) -> Path | None:
        kind = self.burner.label_kind
        if not kind:
            return None
        facts = json.loads(self._facts(volume).read_text("utf-8"))
        who = self.choices.label_names_patient
        found = extras.labelled(facts, self.store.settings.discs, serials[0], names_patient=who)
        layout = layout_named(self.choices.label_layout, self.store.folder.layouts)
        drawn = label(found, layout, language=self.choices.language, web=self.choices.web_content)
        path = self.folder / f"label-{serials[0]}.{SUFFIX.get(kind, kind)}"
        return files.write_scratch(path, label_file(drawn, kind))

    def _fields(self, volume: Any, serial: str) -> dict[str, str]:
        """What a robot's own label template may show (outcome.LABEL_FIELDS), as the label would: of all on it."""
        facts = json.loads(self._facts(volume).read_text("utf-8"))
        series = facts["series"] if self.choices.label_names_patient else []
        fields = {name: "; ".join(_each(name, series)) for name in LABEL_FIELDS}
        disc = f"{volume.volume}/{self.volumes}"
        return fields | {"LabelText": facts["label_text"], "Disc": disc, "Serial": serial}

    def _patients(self, volume: Any) -> list[dict[str, str]]:
        """Who is on this volume; nobody on an anonymous one, for its made-up IDs are of no use to who files it."""
        facts = json.loads(self._facts(volume).read_text("utf-8"))
        if facts["anonymous"]:
            return []
        found = dict.fromkeys((keys["PatientName"], keys["PatientID"]) for keys in facts["series"])
        return [{"patient_name": name, "patient_id": number} for name, number in found]

    def _ticket(self, volume: Any, serials: tuple[str, ...]) -> dict[str, object]:
        disc, patients = self.disc, self._patients(volume)
        first = patients[0] if patients else {"patient_name": "", "patient_id": ""}
        return {
            "disc_id": disc.disc_id,
            "volume": volume.volume,
            "volumes": self.volumes,
            "copies": len(serials),
            "serials": list(serials),
            "medium": disc.medium,
            "profile": disc.profile,
            **first,
            "patients": patients,
            "label_text": disc.label_text,
            "file_set_id": volume.file_set_id,
            "file_set_uid": volume.file_set_uid,
            "sha256": volume.sha256,
            "bytes": volume.bytes,
            "requested_by": disc.requested_by,
        }


def _each(name: str, series: list[dict[str, Any]]) -> list[str]:
    """Every value of an attribute, once; names without their signs."""
    values = (str(keys.get(name, "") or "") for keys in series)
    if name == "PatientName":
        values = (" ".join(value.replace("^", " ").replace("=", " ").split()) for value in values)
    return [value for value in dict.fromkeys(values) if value]
