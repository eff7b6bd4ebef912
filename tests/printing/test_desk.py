"""Which printer, profile and peer an association gets."""

from __future__ import annotations

import pytest
from sqlalchemy import event

from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.film.sheet import GreyPolicy
from appliance.printing.desk import Desks
from appliance.printing.first_run import add_first_printer
from appliance.printing.printer_verbs import (
    add_profile,
    get_profile,
    pause,
    remove_printer,
    remove_profile,
    set_profile,
)
from appliance.printing.profiles import PrintProfile, value_in_use
from appliance.security.peer_verbs import add_peer, remove_peer, set_peer
from appliance.security.peers import Peer
from appliance.store.store import Store
from tests.printing.films import add_folder_printer


def test_a_fresh_appliance_has_one_printer_that_everyone_gets(store: Store) -> None:
    add_first_printer(store)
    add_first_printer(store)
    for called in ("APPLIANCE", "ANYTHING"):
        desk = Desks(store).of(called, "CT1", "192.0.2.1")
        assert desk is not None
        assert (desk.printer.name, desk.profile.name, desk.peer.known) == ("film", "", False)
        assert desk.called_known == (called == "APPLIANCE")


def test_the_first_printer_does_not_come_back_once_removed(store: Store, clerk: Actor) -> None:
    add_first_printer(store)
    remove_printer(store, "film", clerk)
    add_first_printer(store)
    assert Desks(store).of("APPLIANCE", "CT1", "192.0.2.1") is None


@pytest.mark.parametrize(
    ("called", "calling", "address", "profile"),
    [
        ("OLD", "CT1", "192.0.2.1", "by called"),
        ("OLD", "CT1", "10.0.0.9", "by called"),
        ("X", "CT1", "192.0.2.1", "by calling"),
        ("X", "MR1", "192.0.2.1", "by address"),
        ("X", "MR1", "192.0.2.77", "by network"),
        ("X", "MR1", "10.0.0.9", "for all"),
    ],
)
def test_a_profile_is_found_by_called_then_calling_title_then_address(
    store: Store, clerk: Actor, called: str, calling: str, address: str, profile: str
) -> None:
    add_folder_printer(store)
    for name, choice in {
        "for all": {},
        "by network": {"address": "192.0.2.0/24"},
        "by address": {"address": "192.0.2.1"},
        "by calling": {"calling_ae_title": "CT1"},
        "by called": {"called_ae_title": "OLD"},
    }.items():
        add_profile(store, PrintProfile(name=name, printer="film", **choice), clerk)
    desk = Desks(store).of(called, calling, address)
    assert desk is not None and desk.profile.name == profile


def test_a_printer_called_by_its_title_is_not_overruled_by_a_looser_profile(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    add_folder_printer(store, "other")
    add_profile(store, PrintProfile(name="all to other", printer="other"), clerk)
    desk = Desks(store).of("FILM", "CT1", "192.0.2.1")
    assert desk is not None and desk.printer.name == "film"


def test_the_appliance_s_own_title_names_no_printer(store: Store, clerk: Actor) -> None:
    add_first_printer(store)
    add_folder_printer(store, "other")
    add_profile(store, PrintProfile(name="ct", printer="other", calling_ae_title="CT1"), clerk)
    printers = [Desks(store).of("APPLIANCE", calling, "192.0.2.1").printer.name for calling in ("CT1", "MR1")]  # type: ignore[union-attr]
    assert printers == ["other", "film"]


def test_a_profile_gives_defaults_overrides_and_aliases(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    given = PrintProfile(
        name="p",
        printer="film",
        defaults={"FilmSizeID": "14INX17IN", "MaxDensity": "290"},
        overrides={"MagnificationType": "CUBIC"},
        aliases={"35CMX43CM": "14INX17IN"},
        grey=GreyPolicy(without_lut="lin-od", tables={"SOFT": (0, 65535)}),
    )
    add_profile(store, given, clerk)
    profile = get_profile(store, "p")
    assert profile.grey == given.grey
    assert value_in_use(profile, "FilmSizeID", None) == "14INX17IN"
    assert value_in_use(profile, "FilmSizeID", "8INX10IN") == "8INX10IN"
    assert value_in_use(profile, "FilmSizeID", "35CMX43CM") == "14INX17IN"
    assert value_in_use(profile, "MagnificationType", "NONE") == "CUBIC"
    assert value_in_use(profile, "MaxDensity", "") == 290


def test_profiles_that_make_no_sense_are_refused_by_field(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    cases = {
        "defaults": PrintProfile(name="p", printer="film", defaults={"FilmSize": "A4"}),
        "overrides": PrintProfile(name="p", printer="film", overrides={"FilmSizeID": "14X17"}),
        "address": PrintProfile(name="p", printer="film", address="nowhere"),
        "called_ae_title": PrintProfile(name="p", printer="film", called_ae_title="x" * 17),
        "name": PrintProfile(name=" ", printer="film"),
    }
    for field, profile in cases.items():
        with pytest.raises(UsageError) as refused:
            add_profile(store, profile, clerk)
        assert refused.value.field == field
    with pytest.raises(NotFoundError, match="no printer 'gone'"):
        add_profile(store, PrintProfile(name="p", printer="gone"), clerk)


def test_two_who_change_a_profile_at_once_are_told(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    profile = PrintProfile(name="p", printer="film")
    add_profile(store, profile, clerk)
    set_profile(store, profile, clerk, version=1)
    with pytest.raises(ConflictError, match="someone else"):
        set_profile(store, profile, clerk, version=1)


def test_a_known_peer_is_found_by_title_and_address(store: Store, clerk: Actor) -> None:
    add_folder_printer(store)
    add_peer(store, Peer(name="ct", ae_title="CT1", address="192.0.2.0/24", answering="strict"), clerk)
    add_peer(store, Peer(name="ct spare", ae_title="CT1", address="192.0.2.7"), clerk)
    add_peer(store, Peer(name="anyone here", ae_title="*", address="192.0.2.0/24"), clerk)
    found = {
        (calling, address): Desks(store).of("FILM", calling, address).peer.name  # type: ignore[union-attr]
        for calling, address in [("CT1", "192.0.2.7"), ("CT1", "192.0.2.8"), ("MR", "192.0.2.7"), ("CT1", "10.0.0.1")]
    }
    assert list(found.values()) == ["ct spare", "ct", "anyone here", ""]


def test_one_who_keeps_asking_sees_each_change_of_printer_profile_and_peer(store: Store, clerk: Actor) -> None:
    desks = Desks(store)
    assert desks.of("FILM", "CT1", "192.0.2.1") is None
    add_folder_printer(store)
    add_profile(store, PrintProfile(name="p", printer="film"), clerk)
    add_peer(store, Peer(name="ct", ae_title="CT1"), clerk)
    first = desks.of("FILM", "CT1", "192.0.2.1")
    assert first is not None and (first.printer.name, first.profile.name, first.peer.name) == ("film", "p", "ct")
    set_profile(store, PrintProfile(name="p", printer="film", defaults={"FilmSizeID": "A4"}), clerk)
    set_peer(store, Peer(name="ct", ae_title="CT1", answering="strict"), clerk)
    pause(store, "film", clerk)
    then = desks.of("FILM", "CT1", "192.0.2.1")
    assert then is not None and then.printer.paused
    assert then.profile.defaults == {"FilmSizeID": "A4"} and then.peer.answering == "strict"
    remove_peer(store, "ct", clerk)
    assert not desks.peer("CT1", "192.0.2.1").known
    remove_profile(store, "p", clerk)
    remove_printer(store, "film", clerk)
    assert desks.of("FILM", "CT1", "192.0.2.1") is None


def test_what_has_not_changed_is_not_read_again(store: Store) -> None:
    add_folder_printer(store)
    desks, seen = Desks(store), []
    desks.of("FILM", "CT1", "192.0.2.1")
    event.listen(store.database.engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    desks.of("FILM", "CT1", "192.0.2.1")
    assert not [statement for statement in seen if "printer." in statement]
