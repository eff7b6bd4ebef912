"""The print desk: what the front door asks before and after a film session, and the rows as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row

from appliance.film.sheet import GreyPolicy
from appliance.printing.printers import Printer, PrinterSettings
from appliance.printing.profiles import PrintProfile, choose_profile
from appliance.security.peer_verbs import peers_in
from appliance.security.peers import UNKNOWN, Peer, find_peer
from appliance.store import printers
from appliance.store.database import changes_of
from appliance.store.store import Store

DEFAULT_PRINTER = "film"


@dataclass(frozen=True, kw_only=True)
class PrintDesk:
    """Who prints what where: settled once, when an association is asked for."""

    printer: Printer
    profile: PrintProfile
    peer: Peer
    called_known: bool  # False: nobody named that called AE title; the default profile serves


class Desks:
    """The desks of one appliance. What they are made of is read anew when it has changed, not for every caller."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._book: _Book | None = None

    def of(self, called_ae_title: str, calling_ae_title: str, address: str) -> PrintDesk | None:
        """The desk for an association; None when there is no printer at all.

        A print profile is chosen by called AE title, then calling AE title, then address; else the printer of the
        called AE title; else the printer ``film``, or the first there is. Who calls a printer by an AE title of its own
        gets that printer; the appliance's own title names none, though the first printer has it.
        Raises ResourceError when the database is away.
        """
        book = self._read()
        named = next((p for p in book.printers.values() if called_ae_title in p.ae_titles), None)
        profile = choose_profile(book.profiles, called_ae_title, calling_ae_title, address)
        own_title = called_ae_title == self._store.settings.dicom.ae_title
        if named and profile and not own_title and not profile.called_ae_title and profile.printer != named.name:
            profile = None  # the printer was called by name: a looser profile doesn't lead elsewhere
        printer = book.printers.get(profile.printer) if profile else named
        printer = printer or book.printers.get(DEFAULT_PRINTER) or next(iter(book.printers.values()), None)
        if printer is None:
            return None
        known = named is not None or bool(profile and profile.called_ae_title)
        profile = profile or PrintProfile(name="", printer=printer.name)
        peer = book.peer(calling_ae_title, address)
        return PrintDesk(printer=printer, profile=profile, peer=peer, called_known=known)

    def peer(self, calling_ae_title: str, address: str) -> Peer:
        """Who calls; raises ResourceError when the database is away."""
        return self._read().peer(calling_ae_title, address)

    def _read(self) -> _Book:
        """All of it at one moment; threads may read it twice at once, and both are right."""
        with self._store.database.read() as connection:
            changes, book = changes_of(connection, "printer", "peer"), self._book
            if book is None or book.changes != changes:
                self._book = book = _Book(
                    changes=changes,
                    printers={row.name: printer_from_row(row) for row in printers.all_printers(connection)},
                    profiles=[profile_from_row(row) for row in printers.all_profiles(connection)],
                    peers=peers_in(connection),
                )
            return book


@dataclass(frozen=True, kw_only=True)
class _Book:
    """What desks are made of."""

    changes: int
    printers: dict[str, Printer]
    profiles: list[PrintProfile]
    peers: list[Peer]

    def peer(self, calling_ae_title: str, address: str) -> Peer:
        return find_peer(self.peers, calling_ae_title, address) or UNKNOWN


def printer_from_row(row: Row[Any]) -> Printer:
    """A printer as stored."""
    return Printer(
        name=row.name,
        device_uri=row.device_uri,
        ae_titles=tuple(row.ae_titles),
        settings=PrinterSettings.model_validate(row.settings),
        printer_state=row.printer_state,
        printer_state_reasons=tuple(row.printer_state_reasons),
        printer_state_message=row.printer_state_message,
        supplies=tuple((name, level) for name, level in row.supplies),
        is_accepting_jobs=row.is_accepting_jobs,
        paused=row.paused,
        version=row.version,
    )


def profile_from_row(row: Row[Any]) -> PrintProfile:
    """A print profile as stored."""
    values: dict[str, Any] = dict(row.settings)
    values["grey"] = grey_policy(values.get("grey", {}))
    return PrintProfile(name=row.name, printer=row.printer, **values)


def profile_settings(profile: PrintProfile) -> dict[str, Any]:
    """What of a profile is stored as JSON."""
    values = asdict(profile)
    return {key: value for key, value in values.items() if key not in ("name", "printer")}


def grey_policy(values: Mapping[str, Any]) -> GreyPolicy:
    tables = {name: tuple(table) for name, table in values.get("tables", {}).items()}
    return GreyPolicy(**{**values, "tables": tables})
