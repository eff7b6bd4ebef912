"""Print jobs, printers, print profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import url_for

from appliance.film.sheet import GreyPolicy
from appliance.printing import jobs, own_pages, printer_verbs, sending, views
from appliance.printing.printers import Printer, keeping_password
from appliance.printing.profiles import PrintProfile
from appliance.web import device_addresses, looks
from appliance.web.api import film_models as models
from appliance.web.api.describe import check_version, endpoint, etag
from appliance.web.pages import jobs as job_pages
from appliance.web.visitor import actor, store


@endpoint(
    "GET",
    "/print-jobs",
    "Print jobs, the newest first",
    permission="jobs.see",
    query=models.PrintJobQuery,
    gives=models.PrintJobs,
)
def list_print_jobs(query: models.PrintJobQuery) -> Any:
    looks.note("print-jobs-listed", "print-job")
    found = views.list_jobs(
        store(),
        printer_name=query.printer,
        originator=query.originator,
        job_states=(query.job_state,) if query.job_state else (),
        since=query.since,
        until=query.until,
        text=query.text,
        before=query.before,
        limit=query.limit + 1,
    )
    return paged(found, query.limit, "job_id")


def paged(found: list[dict[str, Any]], limit: int, key: str) -> dict[str, Any]:
    """A page, and where the next one begins."""
    return {"items": found[:limit], "next": found[limit - 1][key] if len(found) > limit else None}


@endpoint(
    "GET", "/print-jobs/<int:job_id>", "One print job with its history", permission="jobs.see", gives=models.PrintJob
)
def get_print_job(job_id: int) -> Any:
    looks.note("print-job-viewed", "print-job", str(job_id))
    return views.show_job(store(), job_id)


@endpoint(
    "GET",
    "/print-jobs/<int:job_id>/films/<int:number>/document",
    "A film's PDF or PostScript",
    permission="jobs.see",
    media_type="application/octet-stream",
)
def get_document(job_id: int, number: int) -> Any:
    return job_pages.document(job_id, number)


@endpoint(
    "GET",
    "/print-jobs/<int:job_id>/films/<int:number>/preview",
    "A film as a small picture",
    permission="jobs.see",
    media_type="image/png",
)
def get_preview(job_id: int, number: int) -> Any:
    looks.note("print-job-viewed", "print-job", str(job_id))
    return job_pages.preview(job_id, number)


@endpoint(
    "POST",
    "/print-jobs/<int:job_id>/<any(hold, release, cancel, confirm):verb>",
    "Hold, release, cancel, confirm that it came out",
    permission="jobs.act",
    gives=models.PrintJob,
)
def act_on_print_job(job_id: int, verb: str) -> Any:
    getattr(jobs, verb)(store(), job_id, actor())
    return views.show_job(store(), job_id)


@endpoint(
    "POST",
    "/print-jobs/<int:job_id>/move",
    "Give a waiting job to another printer",
    permission="jobs.act",
    body=models.MoveTo,
    gives=models.PrintJob,
)
def move_print_job(job_id: int, body: models.MoveTo) -> Any:
    jobs.move(store(), job_id, printer_verbs.get_printer(store(), body.printer), actor())
    return views.show_job(store(), job_id)


@endpoint(
    "POST",
    "/print-jobs/<int:job_id>/reprint",
    "Print an ended job once more, as a new job",
    permission="jobs.act",
    body=models.Reprint,
    gives=models.JobNumber,
    status=202,
)
def reprint_print_job(job_id: int, body: models.Reprint) -> Any:
    printer = printer_verbs.get_printer(store(), body.printer or jobs.get_job(store(), job_id).printer)
    return _accepted(jobs.reprint(store(), job_id, actor(), printer=printer, copies=body.copies))


def _accepted(job_id: int) -> Any:
    return {"job_id": job_id}, {"Location": url_for("api.get_print_job", job_id=job_id)}


# printers -----------------------------------------------------------------------------------------------------------


def _printer(name: str) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    return views.printer_view(printer), etag(printer.version)


@endpoint("GET", "/printers", "Every printer", permission="printers.see", gives=models.Printers)
def list_printers() -> Any:
    return {"items": [views.printer_view(printer) for printer in printer_verbs.all_printers(store())]}


@endpoint(
    "POST",
    "/printers",
    "Add a printer",
    permission="printers.change",
    body=models.NewPrinter,
    gives=models.Printer,
    status=201,
)
def add_printer(body: models.NewPrinter) -> Any:
    printer = Printer(
        name=body.name, device_uri=body.device_uri, ae_titles=tuple(body.ae_titles), settings=body.settings
    )
    printer_verbs.add_printer(store(), device_addresses.checked(store(), printer), actor())
    value, headers = _printer(body.name)
    return value, headers | {"Location": url_for("api.get_printer", name=body.name)}


@endpoint(
    "GET",
    "/printers/<name>",
    "A printer with its settings",
    permission="printers.see",
    gives=models.Printer,
    versioned=True,
)
def get_printer(name: str) -> Any:
    return _printer(name)


@endpoint(
    "PUT",
    "/printers/<name>",
    "Change a printer",
    permission="printers.change",
    body=models.PrinterChange,
    gives=models.Printer,
    versioned=True,
)
def set_printer(name: str, body: models.PrinterChange) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    check_version(printer.version)
    changed = replace(printer, device_uri=body.device_uri, ae_titles=tuple(body.ae_titles), settings=body.settings)
    changed = keeping_password(changed, printer)
    if (changed.device_uri, changed.settings.device_options) != (printer.device_uri, printer.settings.device_options):
        changed = device_addresses.checked(store(), changed)
    printer_verbs.set_printer(store(), changed, actor(), version=printer.version)
    return _printer(name)


@endpoint("DELETE", "/printers/<name>", "Remove a printer", permission="printers.change")
def remove_printer(name: str) -> Any:
    printer_verbs.remove_printer(store(), name, actor())


@endpoint(
    "GET", "/printers/<name>/check", "Why films would not come out", permission="printers.change", gives=models.Findings
)
def check_printer(name: str) -> Any:
    found = sending.device_of(store(), printer_verbs.get_printer(store(), name)).check()
    return {"items": [vars(each) for each in found]}


@endpoint(
    "POST",
    "/printers/<name>/test-page",
    "Print a page of its own",
    permission="printers.change",
    body=models.TestPage,
    gives=models.JobNumber,
    status=202,
)
def print_test_page(name: str, body: models.TestPage) -> Any:
    printer = printer_verbs.get_printer(store(), name)
    size, medium = body.film_size_id, body.medium_type
    job_id = own_pages.submit_test_page(
        store(), printer, actor(), pattern=body.pattern, FilmSizeID=size, MediumType=medium
    )
    return _accepted(job_id)


@endpoint(
    "POST",
    "/printers/<name>/<any(pause, resume, accept, reject):verb>",
    "Pause, resume, accept or reject films",
    permission="printers.change",
    gives=models.Printer,
)
def switch_printer(name: str, verb: str) -> Any:
    getattr(printer_verbs, verb)(store(), name, actor())
    return _printer(name)


# print profiles -----------------------------------------------------------------------------------------------------


def _profile_of(name: str, body: models.PrintProfileChange) -> PrintProfile:
    values = body.model_dump(exclude={"name", "grey"})
    return PrintProfile(name=name, grey=GreyPolicy(**body.grey.model_dump()), **values)


def _profile(name: str) -> Any:
    profile, version = printer_verbs.read_profile(store(), name)
    return views.profile_view(profile) | {"version": version}, etag(version)


@endpoint("GET", "/print-profiles", "Every print profile", permission="profiles.see", gives=models.PrintProfiles)
def list_print_profiles() -> Any:
    return {"items": [_profile(profile.name)[0] for profile in printer_verbs.all_profiles(store())]}


@endpoint(
    "POST",
    "/print-profiles",
    "Add a print profile",
    permission="profiles.change",
    body=models.NewPrintProfile,
    gives=models.PrintProfile,
    status=201,
)
def add_print_profile(body: models.NewPrintProfile) -> Any:
    printer_verbs.add_profile(store(), _profile_of(body.name, body), actor())
    return _profile(body.name)


@endpoint(
    "GET",
    "/print-profiles/<name>",
    "A print profile",
    permission="profiles.see",
    gives=models.PrintProfile,
    versioned=True,
)
def get_print_profile(name: str) -> Any:
    return _profile(name)


@endpoint(
    "PUT",
    "/print-profiles/<name>",
    "Change a print profile",
    permission="profiles.change",
    body=models.PrintProfileChange,
    gives=models.PrintProfile,
    versioned=True,
)
def set_print_profile(name: str, body: models.PrintProfileChange) -> Any:
    profile, version = printer_verbs.read_profile(store(), name)
    check_version(version)
    printer_verbs.set_profile(store(), _profile_of(profile.name, body), actor(), version=version)
    return _profile(name)


@endpoint("DELETE", "/print-profiles/<name>", "Remove a print profile", permission="profiles.change")
def remove_print_profile(name: str) -> Any:
    printer_verbs.remove_profile(store(), name, actor())
