"""The verbs on printers and print profiles."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.film.catalog import load
from appliance.film.sheet import WITHOUT_LUT, GreyPolicy
from appliance.folders import noting_mount
from appliance.jobs.options import problem_of
from appliance.printing.desk import printer_from_row, profile_from_row, profile_settings
from appliance.printing.device.registry import SCHEMES
from appliance.printing.grey_tables import checked_table
from appliance.printing.printers import HIDDEN, Printer, PrinterSettings, readable, readable_uri
from appliance.printing.profiles import FILM_KEYWORDS, TERMS, PrintProfile, is_value_of
from appliance.security.audit import record
from appliance.security.peer_verbs import check_ae_title
from appliance.store import print_jobs, printers
from appliance.store.store import Store
from appliance.words import row, say


def all_printers(store: Store) -> list[Printer]:
    """Every printer, by name."""
    with store.database.read() as connection:
        return [printer_from_row(row) for row in printers.all_printers(connection)]


def get_printer(store: Store, name: str) -> Printer:
    """A printer by name. Raises NotFoundError."""
    with store.database.read() as connection:
        row = printers.get(connection, name)
    if row is None:
        raise NotFoundError(say("There is no printer %(name)s.", name=repr(name)))
    return printer_from_row(row)


def printer_settings(values: Mapping[str, Any]) -> PrinterSettings:
    """Settings from plain values. Raises UsageError that names the field."""
    try:
        return PrinterSettings.model_validate(values)
    except ValidationError as error:
        where, words = problem_of(error, PrinterSettings)
        raise UsageError(f"{where + ': ' if where else ''}{words}", field=where or "bits") from None


def add_printer(store: Store, printer: Printer, actor: Actor) -> None:
    """Add a printer. Raises UsageError naming the field, ConflictError when name or AE title is taken."""
    check_printer(printer)
    _check_film_sizes(store, printer.settings)
    printer = _noting_mount(store, printer, None)
    with store.database.write("print", "printer") as connection:
        if printers.get(connection, printer.name) is not None:
            raise ConflictError(say("There is a printer %(printer)s already.", printer=repr(printer.name)))
        _refuse_taken_titles(connection, printer)
        _check_redirect(connection, printer)
        printers.insert(
            connection,
            name=printer.name,
            device_uri=printer.device_uri,
            ae_titles=list(printer.ae_titles),
            settings=printer.settings.model_dump(mode="json"),
        )
        _audit(connection, "printer-added", printer.name, actor, device_uri=readable_uri(printer.device_uri))


def set_printer(store: Store, printer: Printer, actor: Actor, *, version: int | None = None) -> None:
    """Change a printer's address, AE titles and settings; waiting jobs are composed anew when their looks change.

    Raises NotFoundError, UsageError, ConflictError when `version` is not the stored one.
    """
    check_printer(printer)
    _check_film_sizes(store, printer.settings)
    printer = _noting_mount(store, printer, get_printer(store, printer.name))
    with store.database.write("print", "printer") as connection:
        row = printers.get(connection, printer.name)
        if row is None:
            raise NotFoundError(say("There is no printer %(printer)s.", printer=repr(printer.name)))
        _refuse_taken_titles(connection, printer)
        _check_redirect(connection, printer)
        changed = printers.change(
            connection,
            printer.name,
            version=version,
            device_uri=printer.device_uri,
            ae_titles=list(printer.ae_titles),
            settings=printer.settings.model_dump(mode="json"),
        )
        if not changed:
            raise ConflictError(
                say("Printer %(printer)s was changed by someone else: read it again.", printer=repr(printer.name))
            )
        if PrinterSettings.model_validate(row.settings) != printer.settings:
            print_jobs.compose_anew(connection, printer_name=printer.name)
        _audit(connection, "printer-changed", printer.name, actor, settings=readable(printer.settings))


def remove_printer(store: Store, name: str, actor: Actor) -> None:
    """Remove a printer. Raises NotFoundError, ConflictError while jobs wait for it or others lead to it."""
    with store.database.write("print", "printer") as connection:
        if waiting := print_jobs.count_waiting(connection, printer_name=name):
            raise ConflictError(
                say(
                    "%(waiting)s jobs wait for printer %(name)s: move or cancel them first.",
                    waiting=waiting,
                    name=repr(name),
                )
            )
        _refuse_led_to(connection, name)
        if not printers.remove(connection, name):
            raise NotFoundError(say("There is no printer %(name)s.", name=repr(name)))
        _audit(connection, "printer-removed", name, actor)


def _refuse_led_to(connection: Connection, name: str) -> None:
    """What would lead nowhere sends films to a printer nobody chose: people say first where they go instead."""
    for profile in printers.all_profiles(connection):
        if profile.printer == name:
            raise ConflictError(
                say(
                    "Print profile %(profile)s leads to printer %(name)s: give it another printer, or remove it first.",
                    profile=repr(profile.name),
                    name=repr(name),
                )
            )
    for other in printers.all_printers(connection):
        if other.name != name and PrinterSettings.model_validate(other.settings).redirected_to == name:
            raise ConflictError(
                say(
                    "Printer %(other)s redirects its films to printer %(name)s: change its error_policy first.",
                    other=repr(other.name),
                    name=repr(name),
                )
            )


def pause(store: Store, name: str, actor: Actor) -> None:
    """Send nothing to a printer; jobs are still taken."""
    _switch(store, name, "pause", actor, paused=True)


def resume(store: Store, name: str, actor: Actor) -> None:
    """Send again, also after the printer was stopped."""
    _switch(
        store,
        name,
        "resume",
        actor,
        paused=False,
        printer_state="idle",
        printer_state_reasons=[],
        printer_state_message="",
    )


def accept(store: Store, name: str, actor: Actor) -> None:
    """Take jobs again."""
    _switch(store, name, "accept", actor, is_accepting_jobs=True)


def reject(store: Store, name: str, actor: Actor) -> None:
    """Take no more jobs; those accepted still print."""
    _switch(store, name, "reject", actor, is_accepting_jobs=False)


def check_printer(printer: Printer) -> None:
    """Raise UsageError for what no printer can be, naming the field."""
    if not printer.name or not printer.name.isascii() or not printer.name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(say("A printer's name is made of letters, digits, - and _."), field="name")
    scheme, colon, rest = printer.device_uri.partition(":")
    if scheme not in SCHEMES or not colon or not rest:
        forms = ", ".join(form for _, form in SCHEMES.values())
        raise UsageError(
            say(
                "%(device_uri)s is no device address; there are %(forms)s.",
                device_uri=repr(printer.device_uri),
                forms=forms,
            ),
            field="device_uri",
        )
    if printer.settings.device_options.get("password") == HIDDEN:
        words = say("Type the password again: it is not sent to another address by itself.")
        raise UsageError(words, field="device_options")
    for ae_title in printer.ae_titles:
        check_ae_title(ae_title, field="ae_titles")


def _noting_mount(store: Store, printer: Printer, before: Printer | None) -> Printer:
    known = (before.device_uri, before.settings.device_options) if before else None
    options = noting_mount(printer.device_uri, printer.settings.device_options, store.folder.root, known)
    return replace(printer, settings=printer.settings.model_copy(update={"device_options": options}))


def _check_film_sizes(store: Store, settings: PrinterSettings) -> None:
    """Every film size a printer is set to is one the layouts know: a mistyped one would hold its films for ever."""
    _check_known(store, (settings.default_film_size_id, *(medium.film_size_id for medium in settings.media)), "media")


def _check_known(store: Store, sizes: Iterable[str], field: str) -> None:
    known = load(store.folder.layouts).film_sizes
    for size in sizes:
        if size not in known:
            near = difflib.get_close_matches(size, known, 1, cutoff=0.5)
            hint = (
                say("; did you mean %(near)s?", near=near[0])
                if near
                else say("; there are %(known)s.", known=", ".join(known))
            )
            raise UsageError(say("There is no film size %(size)s%(hint)s", size=repr(size), hint=hint), field=field)


# print profiles -----------------------------------------------------------------------------------------------------


def all_profiles(store: Store) -> list[PrintProfile]:
    """Every print profile, by name."""
    with store.database.read() as connection:
        return [profile_from_row(row) for row in printers.all_profiles(connection)]


def get_profile(store: Store, name: str) -> PrintProfile:
    """A print profile by name. Raises NotFoundError."""
    return read_profile(store, name)[0]


def read_profile(store: Store, name: str) -> tuple[PrintProfile, int]:
    """A print profile by name, and its version for :func:`set_profile`. Raises NotFoundError."""
    with store.database.read() as connection:
        row = printers.get_profile(connection, name)
    if row is None:
        raise NotFoundError(say("There is no print profile %(name)s.", name=repr(name)))
    return profile_from_row(row), row.version


def add_profile(store: Store, profile: PrintProfile, actor: Actor) -> None:
    """Add a print profile. Raises UsageError, ConflictError."""
    profile = checked_profile(store, profile)
    with store.database.write("print", "printer") as connection:
        if printers.get_profile(connection, profile.name) is not None:
            raise ConflictError(say("There is a print profile %(profile)s already.", profile=repr(profile.name)))
        settings = profile_settings(profile)
        printers.insert_profile(connection, name=profile.name, printer=profile.printer, settings=settings)
        _audit(connection, "profile-added", profile.name, actor, **settings)


def set_profile(store: Store, profile: PrintProfile, actor: Actor, *, version: int | None = None) -> None:
    """Change a print profile; waiting jobs are composed anew when its grey changes.

    Raises NotFoundError, UsageError, ConflictError.
    """
    profile = checked_profile(store, profile)
    settings = profile_settings(profile)
    with store.database.write("print", "printer") as connection:
        row = printers.get_profile(connection, profile.name)
        if row is None:
            raise NotFoundError(say("There is no print profile %(profile)s.", profile=repr(profile.name)))
        if not printers.change_profile(
            connection, profile.name, version=version, printer=profile.printer, settings=settings
        ):
            raise ConflictError(
                say("Print profile %(profile)s was changed by someone else: read it again.", profile=repr(profile.name))
            )
        if profile_from_row(row).grey != profile.grey:
            print_jobs.compose_anew(connection, profile=profile.name)
        _audit(connection, "profile-changed", profile.name, actor, **settings)


def remove_profile(store: Store, name: str, actor: Actor) -> None:
    """Remove a print profile. Raises NotFoundError, ConflictError while films wait that need its grey."""
    with store.database.write("print", "printer") as connection:
        _refuse_needed(connection, name)
        if not printers.remove_profile(connection, name):
            raise NotFoundError(say("There is no print profile %(name)s.", name=repr(name)))
        _audit(connection, "profile-removed", name, actor)


def _refuse_needed(connection: Connection, name: str) -> None:
    """Films composed without the profile whose grey they came by would show its pixels as P-values."""
    row = printers.get_profile(connection, name)
    waiting = print_jobs.count_waiting(connection, profile=name)
    if row is not None and waiting and profile_from_row(row).grey != GreyPolicy():
        raise ConflictError(
            say(
                "%(waiting)s jobs wait that came by print profile %(name)s: let them print, or cancel them, first.",
                waiting=waiting,
                name=repr(name),
            )
        )


def checked_profile(store: Store, profile: PrintProfile) -> PrintProfile:
    """The profile with numbers as numbers. Raises UsageError naming the field."""
    if not profile.name.strip():
        raise UsageError(say("A print profile needs a name."), field="name")
    get_printer(store, profile.printer)
    for field in ("called_ae_title", "calling_ae_title"):
        if getattr(profile, field):
            check_ae_title(getattr(profile, field), field=field)
    if profile.address:
        try:
            ipaddress.ip_network(profile.address, strict=False)
        except ValueError:
            raise UsageError(
                say("%(address)s is no IP address or network.", address=repr(profile.address)), field="address"
            ) from None
    for field in ("defaults", "overrides"):
        unknown = [keyword for keyword in getattr(profile, field) if keyword not in FILM_KEYWORDS]
        if unknown:
            raise UsageError(
                say(
                    "%(unknown)s is no film attribute; there are %(film_keywords)s.",
                    unknown=unknown[0],
                    film_keywords=", ".join(FILM_KEYWORDS),
                ),
                field=field,
            )
    _check_grey(profile.grey)
    numbered = replace(profile, defaults=_numbers(profile.defaults), overrides=_numbers(profile.overrides))
    _check_values(numbered)
    for field in ("defaults", "overrides"):
        size = getattr(numbered, field).get("FilmSizeID", "CURRENT")
        if size != "CURRENT":  # a mistyped one would have every film refused
            _check_known(store, [size], field)
    return numbered


def _check_values(profile: PrintProfile) -> None:
    for field in ("defaults", "overrides"):
        for keyword, value in getattr(profile, field).items():
            if not is_value_of(keyword, value):
                known = ", ".join(TERMS.get(keyword, ()))
                words = say("%(keyword)s can't be %(value)s.", keyword=keyword, value=repr(value))
                raise UsageError(
                    row((words, say("There are: %(known)s.", known=known)), " ") if known else words, field=field
                )


def _check_grey(grey: GreyPolicy) -> None:
    for name, values in grey.tables.items():
        checked_table(name, values)
    if grey.without_lut not in (*WITHOUT_LUT, *grey.tables):
        known = ", ".join((*WITHOUT_LUT, *grey.tables))
        raise UsageError(
            say(
                "This print profile has no table %(without_lut)s; there are %(known)s.",
                without_lut=repr(grey.without_lut),
                known=known,
            ),
            field="without_lut",
        )


NUMBERS = ("NumberOfCopies", "MinDensity", "MaxDensity", "Illumination", "ReflectedAmbientLight")


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {key: int(value) if key in NUMBERS else value for key, value in values.items()}
    except (TypeError, ValueError):
        raise UsageError(say("%(numbers)s are whole numbers.", numbers=", ".join(NUMBERS)), field="defaults") from None


def _check_redirect(connection: Connection, printer: Printer) -> None:
    """Films are redirected to another printer there is: else they would wait at a dead one, and nobody be told."""
    other = printer.settings.redirected_to
    if other and (other == printer.name or printers.get(connection, other) is None):
        words = (
            say("A printer can't redirect its films to itself.")
            if other == printer.name
            else say("There is no printer %(name)s.", name=repr(other))
        )
        raise UsageError(words, field="error_policy")


def _refuse_taken_titles(connection: Any, printer: Printer) -> None:
    for other in printers.all_printers(connection):
        taken = set(other.ae_titles) & set(printer.ae_titles)
        if other.name != printer.name and taken:
            raise ConflictError(
                say("AE title %(taken)s is printer %(name)s's already.", taken=sorted(taken)[0], name=repr(other.name))
            )


def _switch(store: Store, name: str, verb: str, actor: Actor, **values: Any) -> None:
    with store.database.write("print", "printer") as connection:
        if not printers.change(connection, name, **values):
            raise NotFoundError(say("There is no printer %(name)s.", name=repr(name)))
        _audit(connection, f"printer-{verb}", name, actor)


def _audit(connection: Any, event: str, name: str, actor: Actor, **detail: Any) -> None:
    record(connection, event, actor, object_kind=event.partition("-")[0], object_id=name, detail=detail)
