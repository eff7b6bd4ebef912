"""The form of a copy type: whom a disc is for."""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, HiddenField, IntegerField, SelectField, StringField

from appliance.media import profiles, words
from appliance.media.copy_types import CopyType, copy_type
from appliance.web.forms import Form, at_most, between, required, strip
from appliance.web.language import translated

TICKS = {
    "viewer": _("A viewer on the disc"),
    "web_content": _("Pages and pictures for any browser"),
    "site_files": _("The site's own files (discs.site_files)"),
    "joliet": _("Long file names for Windows (Joliet)"),
    "split": _("Several discs when one is too small"),
    "several_patients": _("More than one patient on a disc"),
    "refuse_without_record": _("Refuse rather than leave something out"),
    "leave_out_refused": _("Leave out what can't go on it: the disc says so"),
    "icons": _("Small pictures in the directory (icons)"),
    "signed": _("Sign the list of checksums"),
    "encrypted": _("Encrypted zip archive with a password"),
    "anonymous": _("Without anything that identifies the patient"),
    "keep_device": _("Anonymous: keep the device's name"),
    "keep_characteristics": _("Anonymous: keep age, size, weight"),
}


class CopyTypeForm(Form):
    name = StringField(_("Name"), [required(), at_most(32)], filters=[strip])
    description = StringField(_("Described as"), [at_most(200)], filters=[strip])
    medium = SelectField(_("Medium"))
    profile = SelectField(_("Application profile"))
    language = SelectField(_("Language of the disc's pages"))
    readme = SelectField(
        "README.TXT",
        choices=lambda: [
            ("utf-8", "UTF-8"),
            ("transliterated", gettext("letters of the English alphabet, by sound")),
            ("ascii", "ASCII"),
        ],
    )
    dates = SelectField(
        _("Anonymous: dates"),
        choices=lambda: [("remove", gettext("removed")), ("shift", gettext("shifted")), ("keep", gettext("kept"))],
    )
    descriptors = SelectField(
        _("Anonymous: descriptions"),
        choices=lambda: [("remove", gettext("removed")), ("clean", gettext("cleaned"))],
    )
    video = SelectField(
        _("Video the application profile does not take"),
        choices=lambda: [("refuse", gettext("refused")), ("mp4", gettext("as MP4 files beside the DICOM files"))],
    )
    attempts = IntegerField(_("Blanks tried before a person is asked"), [between(1, 10)])
    viewer = BooleanField(TICKS["viewer"])
    web_content = BooleanField(TICKS["web_content"])
    site_files = BooleanField(TICKS["site_files"])
    joliet = BooleanField(TICKS["joliet"])
    split = BooleanField(TICKS["split"])
    several_patients = BooleanField(TICKS["several_patients"])
    refuse_without_record = BooleanField(TICKS["refuse_without_record"])
    leave_out_refused = BooleanField(TICKS["leave_out_refused"])
    icons = BooleanField(TICKS["icons"])
    signed = BooleanField(TICKS["signed"])
    encrypted = BooleanField(TICKS["encrypted"])
    anonymous = BooleanField(TICKS["anonymous"])
    keep_device = BooleanField(TICKS["keep_device"])
    keep_characteristics = BooleanField(TICKS["keep_characteristics"])

    version = HiddenField()

    @classmethod
    def of(cls, name: str, choices: CopyType, version: int = 0) -> CopyTypeForm:
        form = cls(data={**choices.model_dump(), "name": name, "version": str(version)})
        form.medium.choices = [(each.name, translated(each.title)) for each in profiles.MEDIA.values()]
        if choices.medium not in profiles.MEDIA:
            form.medium.choices.append((choices.medium, choices.medium))
        form.profile.choices = [
            ("", gettext("the usual one of the medium")),
            *[(each, each) for each in profiles.PROFILES],
        ]
        form.language.choices = [(code, code) for code in words.languages()]
        return form

    def choices(self, before: CopyType) -> CopyType:
        """What was chosen; the rest stays. Raises UsageError naming the field."""
        typed = {key: value for key, value in self.data.items() if key in CopyType.model_fields}
        return copy_type(before.model_dump(mode="json") | typed)
