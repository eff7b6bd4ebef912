"""Printers: their state, adding one by kind with a check, every setting, own pages, layouts as they print."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, IntegerField, RadioField, SelectField, StringField

from appliance.errors import ApplianceError
from appliance.film.catalog import load
from appliance.printing import own_pages, printer_verbs, sending, views
from appliance.printing.printers import Printer, keeping_password
from appliance.store.store import Store
from appliance.web import device_addresses, layout_picture
from appliance.web.forms import Form, at_most, between, optional, required, say_done, strip
from appliance.web.language import translated
from appliance.web.live import live, see
from appliance.web.panels import Advice, Panel
from appliance.web.printer_form import EditForm, changed_settings
from appliance.web.visitor import actor, needs, store, visitor

blueprint = Blueprint("printers", __name__, url_prefix="/printers")

KINDS = {
    "ipp": _("Network printer that speaks IPP (most of today's)"),
    "socket": _("Film printer with a raw port (PostScript or PDF, port 9100)"),
    "lpd": _("Printer with an LPD queue"),
    "dicom": _("DICOM imager: a dry laser that takes DICOM print"),
    "folder": _("Folder on this machine"),
}
OWN_PAGES = {
    "test-page": _("Test page"),
    "steps": _("Grey steps"),
    "smpte": _("SMPTE pattern"),
}


class NewForm(Form):
    name = StringField(_("Name"), [required(), at_most(64)], filters=[strip])
    kind = RadioField(_("Kind"), choices=lambda: list(KINDS.items()), default="ipp")
    host = StringField(_("Address"), [at_most(255)], filters=[strip])
    port = IntegerField(_("Port"), [optional(), between(1, 65535)])
    path = StringField(_("Queue, path or folder"), [at_most(255)], filters=[strip])
    ae_title = StringField(_("The imager's AE title"), [at_most(16)], filters=[strip])
    tls = BooleanField(_("Call it by TLS"))
    ae_titles = StringField(_("AE titles scanners call it by"), [at_most(200)], filters=[strip])
    document_format = SelectField(_("It takes"), choices=[("pdf", "PDF"), ("postscript", "PostScript")])
    paper = BooleanField(_("It prints on paper, not film"))


@blueprint.get("")
@needs("printers.see")
def index() -> Any:
    see("print", "printer")
    return render_template("printers/index.html", **_listed(store()))


@blueprint.get("/live")
@needs("printers.see", live=True)
@live("print", "printer")
def cards() -> Any:
    return render_template("printers/_cards.html", **_listed(store()))


def _listed(store: Store) -> dict[str, Any]:
    printers = [views.printer_view(printer) for printer in printer_verbs.all_printers(store)]
    return {"printers": printers, "queues": views.queues(store)}


@blueprint.route("/new", methods=["GET", "POST"])
@needs("printers.change")
def new() -> Any:
    form = NewForm()
    if form.does(lambda: _add(form)):
        say_done(_("The printer is added. Look at the check, then print the test page."))
        return redirect(url_for("printers.check", name=form.name.data), code=303)
    return render_template("printers/new.html", form=form, root=store().folder.printed)


def _add(form: NewForm) -> None:
    titles = tuple(form.ae_titles.data.replace(",", " ").split()) if form.ae_titles.data else ()
    paper = {"default_medium_type": "PAPER", "default_film_size_id": "A4", "max_density": 2.0, "min_density": 0.08}
    values: dict[str, Any] = {"document_format": form.document_format.data} | (paper if form.paper.data else {})
    printer = Printer(
        name=form.name.data or "",
        device_uri=device_addresses.uri_of(form),
        ae_titles=titles,
        settings=printer_verbs.printer_settings(values),
    )
    printer_verbs.add_printer(store(), device_addresses.checked(store(), printer), actor())


@blueprint.get("/<name>")
@needs("printers.see")
def show(name: str) -> Any:
    see("print", "printer")
    printer = printer_verbs.get_printer(store(), name)
    sizes = list(load(store().folder.layouts).film_sizes)
    layouts = layout_picture.SHOWN
    return render_template("printers/show.html", sizes=sizes, layouts=layouts, own_pages=OWN_PAGES, **_shown(printer))


def _shown(printer: Printer) -> dict[str, Any]:
    view = views.printer_view(printer)
    profiles = [profile for profile in printer_verbs.all_profiles(store()) if profile.printer == printer.name]
    return {"printer": view, "paused": printer.paused, "profiles": profiles, "queue": views.queues(store())}


@blueprint.get("/<name>/live")
@needs("printers.see", live=True)
@live("print", "printer")
def status(name: str) -> Any:
    return render_template("printers/_status.html", **_shown(printer_verbs.get_printer(store(), name)))


@blueprint.route("/<name>/edit", methods=["GET", "POST"])
@needs("printers.change")
def edit(name: str) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    form = EditForm.of(printer)
    others = [other.name for other in printer_verbs.all_printers(store()) if other.name != name]
    form.offer_redirects(others, gettext("hand the film over to"))
    if form.does(lambda: _set(form, printer)):
        say_done(_("The printer is changed. Waiting films are composed anew."))
        return redirect(url_for("printers.show", name=name), code=303)
    return render_template(
        "printers/edit.html", form=form, printer=printer, sizes=load(store().folder.layouts).film_sizes
    )


def _set(form: EditForm, printer: Printer) -> None:
    titles = tuple((form.ae_titles.data or "").replace(",", " ").split())
    settings = changed_settings(form, printer.settings)
    changed = replace(printer, device_uri=form.device_uri.data or "", ae_titles=titles, settings=settings)
    changed = keeping_password(changed, printer)
    if (changed.device_uri, changed.settings.device_options) != (printer.device_uri, printer.settings.device_options):
        changed = device_addresses.checked(store(), changed)
    version = int(form.version.data) if (form.version.data or "").isdecimal() else 0
    printer_verbs.set_printer(store(), changed, actor(), version=version)


@blueprint.get("/<name>/check")
@needs("printers.change")
def check(name: str) -> Any:
    """What was tried, step by step, and what to do where it failed."""
    printer = printer_verbs.get_printer(store(), name)
    try:
        findings = sending.device_of(store(), printer).check()
        problem = ""
    except ApplianceError as error:
        findings, problem = [], translated(error)
    return render_template("printers/check.html", printer=printer, findings=findings, problem=problem)


@blueprint.post("/<name>/page")
@needs("printers.change")
def own_page(name: str) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    job_id = own_pages.submit_test_page(
        store(),
        printer,
        actor(),
        pattern=request.form.get("pattern", "test-page"),
        FilmSizeID=request.form.get("size") or None,
        MediumType=request.form.get("medium") or None,
    )
    return redirect(url_for("jobs.show", job_id=job_id), code=303)


@blueprint.get("/<name>/layout.svg")
@needs("printers.see")
def layout(name: str) -> Any:
    """A layout as this printer prints it: sheet, margins, image boxes in order."""
    printer = printer_verbs.get_printer(store(), name)
    args = request.args
    picture = layout_picture.draw(
        printer.settings,
        load(store().folder.layouts),
        ImageDisplayFormat=args.get("format", "STANDARD\\1,1")[:200],
        FilmOrientation=args.get("orientation", "PORTRAIT"),
        FilmSizeID=args.get("size") or None,
    )
    return Response(picture, mimetype="image/svg+xml")


@blueprint.post("/<name>/<any(pause, resume, accept, reject):verb>")
@needs("printers.change")
def switch(name: str, verb: str) -> Any:
    getattr(printer_verbs, verb)(store(), name, actor())
    return redirect(url_for("printers.show", name=name), code=303)


@blueprint.post("/<name>/remove")
@needs("printers.change")
def remove(name: str) -> Any:
    printer_verbs.remove_printer(store(), name, actor())
    say_done(_("The printer is removed."))
    return redirect(url_for("printers.index"), code=303)


def advise(store: Store) -> list[Advice]:
    """Printers that stand still, and what to do."""
    if not visitor().may("printers.see"):
        return []
    found = []
    for printer in printer_verbs.all_printers(store):
        url = url_for("printers.show", name=printer.name)
        if printer.prints_nothing:
            text = gettext("Printer %(name)s prints nothing now.", name=printer.name)
            if printer.printer_state_message:
                text = f"{text} {printer.printer_state_message}"
            found.append(Advice(level="warning", text=text, action=gettext("See to it"), url=url))
        elif not printer.is_accepting_jobs:
            text = gettext("Printer %(name)s takes no films.", name=printer.name)
            found.append(Advice(level="warning", text=text, action=gettext("See to it"), url=url))
    return found


PANELS = (
    Panel(title=_("Printers"), template="overview/_printers.html", gather=_listed, permission="printers.see", order=10),
)
