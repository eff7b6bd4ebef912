"""The instances of an anonymous order: copies by PS3.15 Annex E, made before the disc is planned of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydicom import dcmread

from appliance.media import profiles
from appliance.media.copy_types import CopyType
from appliance.media.deidentify import CannotDeidentifyError, DeidentifyOptions, deidentify, needs_a_look
from appliance.media.ordering import LOOKED, unlooked
from appliance.media.progress import Watch
from appliance.media.selection import Gathered
from appliance.media.source import Placed, SourceInstance
from appliance.pixels import Limits, PixelError
from appliance.store import files
from appliance.studies import keys, part10, records


def anonymous_sources(
    gathered: Gathered,
    filed: Mapping[str, Placed],
    key: bytes,
    choices: CopyType,
    decisions: frozenset[str],
    folder: Path,
    watch: Watch,
    limits: Limits,
) -> tuple[tuple[SourceInstance, ...], tuple[tuple[str, str], ...]]:
    """Anonymous copies in `folder`, and (SOP Instance UID, reason) of what is left out.

    `filed` is where the originals would lie, by SOP Instance UID: below which patient, and which of two contents.
    """
    files.make_folder(folder)
    left_out = dict([*gathered.left_out, *unlooked(gathered.sources, decisions)])
    made = []
    for number, source in enumerate(gathered.sources):
        watch.step(number, len(gathered.sources))
        uid = source.keys.SOPInstanceUID
        place = filed.get(uid)
        if uid in left_out or (place is not None and place.source is not source):
            continue
        options = DeidentifyOptions(
            key=key,
            filed_under=place.patient_id if place is not None else "",
            dates=choices.dates,
            descriptors=choices.descriptors,
            keep_device=choices.keep_device,
            keep_characteristics=choices.keep_characteristics,
            looked=needs_a_look(source.keys) is not None and f"{LOOKED}{uid}" in decisions,
            video=becomes_mp4(choices, source.keys.TransferSyntaxUID),
        )
        target = folder / f"{number:07d}.dcm"
        try:
            deidentify(Path(source.path), target, options, limits)
        except (CannotDeidentifyError, PixelError) as error:
            left_out[uid] = str(error)
        else:
            made.append(source_of(target))
    return tuple(made), tuple(left_out.items())


def becomes_mp4(choices: CopyType, TransferSyntaxUID: str) -> bool:
    """Whether a video leaves its container, and what that says of a patient, behind."""
    return choices.video == "mp4" and not profiles.profile(choices.application_profile).allows(TransferSyntaxUID)


def source_of(path: Path) -> SourceInstance:
    """What the index would know of a DICOM file."""
    meta = part10.read_file_meta(path)
    dataset = dcmread(path, stop_before_pixels=True)
    with path.open("rb") as file:
        file.seek(meta.data_set_offset)
        digest = hashlib.file_digest(file, "sha256")
        size = file.tell() - meta.data_set_offset
    return SourceInstance(
        keys=keys.instance_keys(dataset, meta.TransferSyntaxUID),
        records=records.describe(dataset),
        path=str(path),
        data_set_offset=meta.data_set_offset,
        data_set_size=size,
        sha256=digest.hexdigest(),
    )
