"""What goes on a volume besides its instances, made to fit in the room its instances leave: it never costs a disc."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from appliance.config import DiscsSettings
from appliance.media.content import ContentOptions, content_files
from appliance.media.copy_types import CopyType
from appliance.media.description import Site, VolumeDescription, describe
from appliance.media.label import label
from appliance.media.label_layout import layout_named
from appliance.media.plan import Plan, Volume, size_of
from appliance.media.video import Mp4
from appliance.store import files
from appliance.studies.keys import InstanceKeys
from appliance.words import say

SMALLEST_SHARE = 0.02
"""A viewer whose pictures may take less of the image data than this is not worth having."""

Content = Sequence[tuple[str, bytes | Path]]


def site_of(settings: DiscsSettings) -> Site:
    """Who makes the discs."""
    values = {name: getattr(settings, name) for name in Site.__dataclass_fields__}
    return Site(**values)


def description_of(
    plan: Plan,
    volume: Volume,
    choices: CopyType,
    settings: DiscsSettings,
    *,
    made: date,
    serial: str,
    incomplete: str,
    label_text: str,
    label_folder: Path | None,
    videos: Mapping[str, Mp4] | None = None,
) -> VolumeDescription:
    """A volume in words; what has no place on its label is told, for README.TXT."""
    found = describe(
        plan,
        volume,
        site=site_of(settings),
        created=made,
        incomplete=incomplete,
        serial=serial,
        anonymous=choices.anonymous,
        videos=videos,
    )
    found = replace(found, label_text=label_text, dates=choices.dates)
    layout = layout_named(choices.label_layout, label_folder)
    named = found if choices.label_names_patient else replace(found, items=())
    drawn = label(named, layout, language=choices.language, web=choices.web_content)
    return replace(found, label_rest=drawn.rest)


def content_of(
    plan: Plan, volume: Volume, found: VolumeDescription, choices: CopyType, decoder: Any, work: Path, site: Path | None
) -> tuple[Content, str]:
    """The other files of a volume, and in words what was left out for want of room; made in `work`."""
    image_bytes = sum(placed.size for placed in volume.placed)
    beside = [(item.video.path, item.video.file) for item in found.items if item.video]
    share = 1 / 3
    if plan.medium.capacity is not None and image_bytes:
        share = min(share, max(0.0, (plan.medium.capacity - volume.size) * 0.9 / image_bytes))
    web, viewer = choices.web_content, choices.viewer and share >= SMALLEST_SHARE
    wanted = [(web, viewer), (web, False), (False, False)] if viewer else [(web, False), (False, False)]
    for with_web, with_viewer in dict.fromkeys(wanted):
        options = ContentOptions(
            language=choices.language,
            readme=choices.readme,
            web_content=with_web,
            viewer=with_viewer,
            site_files=site if choices.site_files else None,
            long_names=choices.joliet and plan.medium.form == "iso",
            share=share,
        )
        files.remove_tree(work)
        made = content_files(found, decoder, files.make_folder(work), options) + beside
        if fits(plan, volume, made):
            has = {path.split("/")[0] for path, _ in made}
            return made, _left_out(choices, with_web, "VIEWER" in has)
    return made, _left_out(choices, False, False)


def _left_out(choices: CopyType, web: bool, viewer: bool) -> str:
    gone = [say("the viewer")] if choices.viewer and not viewer else []
    gone += [say("pages and pictures")] if choices.web_content and not web else []
    return say("No room for %(gone)s.", gone=" and ".join(gone)) if gone else ""


def fits(plan: Plan, volume: Volume, made: Content) -> bool:
    """Whether a volume with these files still fits its medium."""
    if plan.medium.capacity is None:
        return True
    sizes = tuple((path, len(what) if isinstance(what, bytes) else what.stat().st_size) for path, what in made)
    options = replace(plan.options, content=sizes + tuple(pair for pair in plan.options.content if "SIG" in pair[0]))
    return size_of(replace(volume, videos=()), plan.profile, plan.medium, options) <= plan.medium.capacity


# facts for labels, kept beside the image ------------------------------------------------------------------------------

_LABELLED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
    "StudyDescription", "AccessionNumber", "SeriesInstanceUID", "Modality",
)  # fmt: skip


_LABEL_FACTS = ("number", "count", "file_set_id", "profile", "incomplete", "label_text", "anonymous")


def label_facts(found: VolumeDescription) -> dict[str, Any]:
    """What a label needs of a volume, as JSON: one item a series."""
    series = [one for patient in found.patients for study in patient.studies for one in study.series]
    return {
        "series": [{name: getattr(one.keys, name) for name in _LABELLED} for one in series],
        "number": found.number,
        "count": found.count,
        "file_set_id": found.file_set_id,
        "profile": found.profile,
        "created": found.created.isoformat(),
        "incomplete": found.incomplete,
        "label_text": found.label_text,
        "anonymous": found.anonymous,
    }


def labelled(
    facts: dict[str, Any], settings: DiscsSettings, serial: str, *, names_patient: bool = True
) -> VolumeDescription:
    """The inverse, as far as labels go, with the serial of one piece."""
    from appliance.media.description import Item

    empty = {"TransferSyntaxUID": "", "SOPClassUID": "", "SOPInstanceUID": ""}
    series = facts["series"] if names_patient else ()
    items = tuple(Item(keys=InstanceKeys.from_json(empty | keys), path=Path(), file_id=()) for keys in series)
    values = {name: facts[name] for name in _LABEL_FACTS}
    made = date.fromisoformat(facts["created"])
    return VolumeDescription(items=items, site=site_of(settings), created=made, serial=serial, **values)
