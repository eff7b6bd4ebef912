"""The form of every setting a printer has."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import lazy_gettext as _
from wtforms import (
    BooleanField,
    FieldList,
    FloatField,
    FormField,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms import Form as PlainForm

from appliance.errors import UsageError
from appliance.printing.printer_verbs import printer_settings
from appliance.printing.printers import Printer, PrinterSettings, readable, readable_uri
from appliance.web.forms import Form, at_most, between, optional, required, strip
from appliance.words import say

SPARE_ROWS = 2
PLAIN = (
    "document_format", "color", "accepts_color", "resolution", "high_resolution", "default_film_size_id",
    "default_medium_type", "gap_mm", "min_density", "max_density", "illumination", "reflected_ambient_light",
    "reflective_illumination", "magnification_type", "border_density", "empty_image_density", "label_session",
    "error_policy", "retry_limit", "duplicates", "maximum_jobs", "redirect_minutes", "ascii85", "node",
)  # fmt: skip
"""Settings that stand in a field of the same name."""

ERROR_POLICIES = {
    "retry-job": _("try again until it prints"),
    "hold-job": _("hold the film for a person"),
    "abort-job": _("give the film up"),
    "stop-printer": _("stop the printer"),
}
MAGNIFICATIONS = ("CUBIC", "BILINEAR", "REPLICATE", "NONE")


class MediumForm(PlainForm):
    """One row: a medium of one size."""

    was = HiddenField()
    film_size_id = StringField(_("Film size"), [at_most(32)], filters=[strip])
    medium_type = StringField(_("Medium type"), [at_most(32)], filters=[strip])
    loaded = BooleanField(_("Loaded"), default=True)
    media_source = StringField(_("Tray"), [at_most(64)], filters=[strip])
    media_type = StringField(_("Its name at the printer"), [at_most(64)], filters=[strip])
    min_density = FloatField(_("Least density"), [optional()])
    max_density = FloatField(_("Greatest density"), [optional()])
    x_scale = FloatField(_("Scale across"), [optional()])
    y_scale = FloatField(_("Scale down"), [optional()])


class EditForm(Form):
    device_uri = StringField(_("Address"), [required(), at_most(500)], filters=[strip])
    ae_titles = StringField(_("AE titles scanners call it by"), [at_most(200)], filters=[strip])
    document_format = SelectField(_("Format"), choices=[("pdf", "PDF"), ("postscript", "PostScript")])
    bits = SelectField(_("Bits of grey"), choices=[("8", "8"), ("12", "12"), ("16", "16")])
    color = BooleanField(_("Colour printer"))
    accepts_color = BooleanField(_("Take colour films and print them grey"))
    resolution = FloatField(_("Resolution (dpi)"), [required()])
    high_resolution = FloatField(_("High resolution (dpi)"), [optional()])
    media = FieldList(FormField(MediumForm), min_entries=1)  # the table takes its heads from the first
    default_film_size_id = StringField(_("Film size when none is named"), [required()], filters=[strip])
    default_medium_type = StringField(_("Medium when none is named"), [required()], filters=[strip])
    margin_top = FloatField(_("Margin above (mm)"), [between(0, 100)])
    margin_right = FloatField(_("Margin right (mm)"), [between(0, 100)])
    margin_bottom = FloatField(_("Margin below (mm)"), [between(0, 100)])
    margin_left = FloatField(_("Margin left (mm)"), [between(0, 100)])
    gap_mm = FloatField(_("Gap between images (mm)"), [between(0, 50)])
    min_density = FloatField(_("Least density (OD)"), [between(0, 5)])
    max_density = FloatField(_("Greatest density (OD)"), [between(0, 5)])
    illumination = FloatField(_("Light box (cd/m²)"), [between(1, 20000)])
    reflected_ambient_light = FloatField(_("Ambient light on the film (cd/m²)"), [between(0, 1000)])
    reflective_illumination = FloatField(_("Light on paper (cd/m²)"), [between(1, 20000)])
    magnification_type = SelectField(_("Enlarging"), choices=[(name, name) for name in MAGNIFICATIONS])
    border_density = StringField(_("Border"), [required()], filters=[strip])
    empty_image_density = StringField(_("Empty places"), [required()], filters=[strip])
    label_session = BooleanField(_("Print the film session's label"))
    error_policy = SelectField(_("When it fails"))
    retry_limit = IntegerField(_("Attempts at most"), [between(0, 10000)])
    redirect_minutes = IntegerField(_("Hand over after minutes"), [between(1, 10000)])
    duplicates = SelectField(
        _("The same film twice"), choices=lambda: [("print", _("print, with a note")), ("hold", _("hold for a person"))]
    )
    maximum_jobs = IntegerField(_("Jobs that may wait"), [between(1, 1_000_000)])
    ascii85 = BooleanField(_("PostScript for a line that takes text only"))
    destinations = TextAreaField(_("Film destinations"), [at_most(2000)])
    node = StringField(_("Machine that drives it"), [at_most(24)], filters=[strip])
    device_options = TextAreaField(_("More options of the connection (JSON)"), [at_most(4000)])
    version = HiddenField()

    @classmethod
    def of(cls, printer: Printer) -> EditForm:
        """The form as the printer is set; what was posted wins."""
        settings = printer.settings
        values: dict[str, Any] = {name: getattr(settings, name) for name in PLAIN}
        values |= {f"margin_{side}": getattr(settings.margins, side) for side in ("top", "right", "bottom", "left")}
        rows = [{"was": str(place), **medium.model_dump()} for place, medium in enumerate(settings.media)]
        form = cls(
            data=values
            | {
                "device_uri": readable_uri(printer.device_uri),
                "ae_titles": ", ".join(printer.ae_titles),
                "bits": str(settings.bits),
                "media": rows + [{}] * SPARE_ROWS,
                "destinations": "\n".join(f"{key}={value}" for key, value in settings.destinations.items()),
                "device_options": json.dumps(readable(settings)["device_options"], indent=1)
                if settings.device_options
                else "",
                "version": str(printer.version),
            }
        )
        policies = [(key, str(words)) for key, words in ERROR_POLICIES.items()]
        if settings.error_policy not in ERROR_POLICIES:
            policies.append((settings.error_policy, settings.error_policy))
        form.error_policy.choices = policies
        return form

    def offer_redirects(self, names: list[str], words: str) -> None:
        """Other printers that films may be handed over to."""
        known = {key for key, _words in self.error_policy.choices}
        offered = [(f"redirect:{name}", f"{words} {name}") for name in names]
        self.error_policy.choices += [pair for pair in offered if pair[0] not in known]


def changed_settings(form: EditForm, before: PrinterSettings) -> PrinterSettings:
    """The settings typed in; what has no field stays. Raises UsageError naming the field."""
    values = before.model_dump(mode="json")
    values |= {name: getattr(form, name).data for name in PLAIN}
    values |= {
        "bits": int(form.bits.data),
        "margins": {side: getattr(form, f"margin_{side}").data for side in ("top", "right", "bottom", "left")},
        "media": [row for entry in form.media.entries if (row := _medium(entry.form, before)) is not None],
        "destinations": _pairs(form.destinations.data or ""),
        "device_options": _options(form.device_options.data or ""),
    }
    return printer_settings(values)


def _medium(row: Any, before: PrinterSettings) -> dict[str, Any] | None:
    """One row as plain values; None for an empty one, which takes the medium away."""
    if not row.film_size_id.data:
        return None
    place = int(row.was.data) if (row.was.data or "").isdecimal() else -1
    kept = before.media[place].model_dump(mode="json") if 0 <= place < len(before.media) else {}
    texts = {name: getattr(row, name).data or None for name in ("media_source", "media_type")}
    numbers = {name: getattr(row, name).data for name in ("min_density", "max_density")}
    scales = {name: getattr(row, name).data or 1.0 for name in ("x_scale", "y_scale")}
    names = {"film_size_id": row.film_size_id.data, "medium_type": row.medium_type.data or ""}
    return kept | texts | numbers | scales | names | {"loaded": row.loaded.data}


def _pairs(text: str) -> dict[str, str]:
    lines = [line.partition("=") for line in text.splitlines() if line.strip()]
    if any(not equals for _key, equals, _value in lines):
        raise UsageError(say("One NAME=BIN on each line."), field="destinations")
    return {key.strip(): value.strip() for key, _, value in lines}


def _options(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise UsageError(say("This is no JSON: %(why)s.", why=str(error)), field="device_options") from None
    if not isinstance(values, dict):
        raise UsageError(say('Options look like {"stall_deadline": 60}.'), field="device_options")
    return values
