"""Archives that die, freeze, lie or say nothing: what came is known, what is missing is said, and it ends in time."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.dicom.server import DicomServer
from appliance.dicom.storage_scp import StorageScp
from appliance.errors import DeviceError
from appliance.events import Actor
from appliance.media import asking
from appliance.media.selection import Selection, gather
from appliance.network import following
from appliance.network.limits import DEFAULT_LIMITS
from appliance.printing.first_run import add_first_printer
from appliance.security.peer_verbs import add_peer, set_peer
from appliance.security.peers import Peer
from appliance.store import instances, retrievals, studies
from appliance.store.store import Store
from appliance.store.tables import studies as tables
from appliance.store.tables.base import now
from appliance.studies import completeness, fetching, pacs, retrieving, search
from appliance.studies.fetching import Retriever
from appliance.studies.importing import import_path
from appliance.studies.intake import Intake
from appliance.studies.paper import attach
from tests.media import made
from tests.studies.odd_pacs import OddArchive
from tests.studies.pacs import archive, archive_process, send
from tests.support.away import away_once

STUDY = f"{made.ROOT}.1"
MANY = 80
IMPATIENT = replace(DEFAULT_LIMITS, connect_timeout=2.0, response_timeout=2.0)
SaveFiles = Callable[..., Path]


@pytest.fixture
def door(store: Store) -> Iterator[DicomServer]:
    """The front door, and a retriever that waits two seconds for an archive."""
    add_first_printer(store)
    server = DicomServer(store, [StorageScp(store)])
    server.start()
    stop = threading.Event()
    thread = threading.Thread(target=Retriever(store, moves=True, limits=IMPATIENT).run, args=(stop,))
    thread.start()
    yield server
    stop.set()
    thread.join()
    server.stop(0)


@pytest.fixture
def real(
    tmp_path: Path, store: Store, door: DicomServer, clerk: Actor, saved: SaveFiles
) -> Iterator[subprocess.Popen[bytes]]:
    """dcmqrscp with a study of many images."""
    with archive_process(tmp_path / "pacs", door.port) as (port, process):
        folder = saved(*(made.image(number) for number in range(1, MANY + 1)))
        assert send(port, "PACS", folder).returncode == 0
        add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port), clerk)
        yield process


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def here(store: Store) -> int:
    with store.database.read() as connection:
        return len(instances.uids_of_study(connection, STUDY))


def begun(store: Store, clerk: Actor, method: str = "auto", came: int = 5) -> int:
    number = retrieving.request_retrieve(store, "pacs", STUDY, clerk, method=method)
    until(lambda: here(store) >= came or retrieving.get_retrieval(store, number)["state"] in retrievals.FINAL)
    assert here(store) >= came, str(retrieving.get_retrieval(store, number))
    return number


def ended(store: Store, number: int) -> tuple[str, str]:
    until(lambda: retrieving.get_retrieval(store, number)["state"] in retrievals.FINAL)
    row = retrieving.get_retrieval(store, number)
    return row["state"], row["message"]


@pytest.mark.parametrize("method", ["get", "move"])
@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
def test_an_archive_lost_in_the_middle_leaves_a_study_that_says_what_is_missing(
    real: subprocess.Popen[bytes], store: Store, clerk: Actor, method: str, fate: signal.Signals
) -> None:
    number = begun(store, clerk, method)
    os.killpg(real.pid, fate)
    state, message = ended(store, number)
    assert state == "aborted"
    found = search.show_study(store, STUDY)
    lacking = MANY - found["instances"]
    assert lacking > 0, "it was too quick to be killed"
    assert found["incomplete_reason"] == f"{lacking} of {MANY} instances are missing"
    assert message.startswith(found["incomplete_reason"]) and "PACS" in message
    assert len(found["missing"]) == lacking
    if fate == signal.SIGSTOP:  # it comes back, and the rest is fetched
        os.killpg(real.pid, signal.SIGCONT)
        assert ended(store, retrieving.request_retrieve(store, "pacs", STUDY, clerk))[0] == "completed"
        assert search.show_study(store, STUDY)["complete"] is True


@pytest.mark.parametrize("method", ["get", "move"])
def test_a_retrieval_is_cancelled_on_its_way(
    real: subprocess.Popen[bytes], store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.02)
    number = begun(store, clerk, method)
    retrieving.cancel_retrieve(store, number, clerk)
    state, message = ended(store, number)
    assert state == "canceled" and "cancelled" in message
    found = search.show_study(store, STUDY)
    assert found["complete"] is False and found["instances"] < MANY
    assert ended(store, retrieving.request_retrieve(store, "pacs", STUDY, clerk))[0] == "completed"


@pytest.mark.parametrize("fate", ["frozen", "deaf"])
def test_a_cancel_is_heard_though_the_archive_says_nothing(
    store: Store, door: DicomServer, clerk: Actor, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    monkeypatch.setattr(following, "CANCEL_GRACE", 0.5)
    odd = OddArchive(images(3), door.port, waits_for=threading.Event(), says_pending=fate == "deaf")
    with known(store, clerk, odd):
        number = begun(store, clerk, "move", came=1)
        until(lambda: search.show_study(store, STUDY)["incomplete_reason"] == "1 of 3 instances are here")
        retrieving.cancel_retrieve(store, number, clerk)
        assert ended(store, number)[0] == "canceled"
        assert search.show_study(store, STUDY)["incomplete_reason"] == "2 of 3 instances are missing"


@pytest.mark.parametrize("fate", ["silent", "endless"])
def test_a_cancel_is_heard_while_the_archive_is_asked_what_it_has(
    store: Store, door: DicomServer, clerk: Actor, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    monkeypatch.setattr(following, "CANCEL_GRACE", 0.5)
    odd = OddArchive(images(2), door.port, tells_for_ever=fate == "endless")
    odd.ponders = threading.Event() if fate == "silent" else None
    with known(store, clerk, odd):
        number = retrieving.request_retrieve(store, "pacs", STUDY, clerk)
        until(lambda: retrieving.get_retrieval(store, number)["state"] == "processing")
        retrieving.cancel_retrieve(store, number, clerk)
        assert ended(store, number) == ("canceled", "cancelled")
        assert odd.moves == []


def test_an_archive_that_answers_for_ever_holds_up_no_disc(
    store: Store, door: DicomServer, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = OddArchive(images(2), door.port)
    with known(store, clerk, odd):
        assert fetched(store, clerk)[0] == "completed"
        monkeypatch.setattr(following, "CANCEL_GRACE", 0.5)
        monkeypatch.setattr(completeness, "ASK_SECONDS", 0.5)
        odd.tells_for_ever = True
        news = completeness.ask_again(store, STUDY)
    assert "has not told everything in time" in news.unasked


def test_more_answers_than_there_can_be_are_no_list(
    store: Store, door: DicomServer, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pacs, "MOST_ANSWERS", 20)
    with known(store, clerk, OddArchive(images(2), door.port, tells_for_ever=True)):
        assert fetched(store, clerk) == ("aborted", "pacs gives more than 20 answers to one query")


def test_a_worker_that_ends_leaves_its_retrieval_to_the_next(
    store: Store, clerk: Actor, door: DicomServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "CANCEL_GRACE", 0.5)
    odd = OddArchive(images(3), door.port, waits_for=threading.Event())
    with known(store, clerk, odd):
        begun(store, clerk, "move", came=1)
        stop = threading.Event()
        second = Retriever(store, moves=True)
        stop.set()
        row = retrieving.list_retrievals(store)[0]
        assert row["state"] == "processing"
        with store.database.read() as connection:
            fetch = fetching._Fetch(second, retrievals.get(connection, 1), second._intake, stop)  # type: ignore[arg-type]
        assert fetch.run() == ("pending", "")


def test_a_retrieval_whose_end_could_not_be_written_down_is_done_again_and_holds_up_no_other(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(fetching._Fetch, "run", lambda fetch: (retrievals.COMPLETED, ""))
    away_once(monkeypatch, "retrieval", "study")
    add_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=9), clerk)
    numbers = [retrieving.request_retrieve(store, "pacs", study, clerk) for study in ("1.1", "1.2")]
    stop = threading.Event()
    worker = threading.Thread(target=Retriever(store, moves=False).run, args=(stop,))
    worker.start()
    try:
        until(lambda: all(retrieving.get_retrieval(store, each)["state"] == "completed" for each in numbers))
    finally:
        stop.set()
        worker.join(20)


def test_a_silent_archive_holds_up_no_other(tmp_path: Path, store: Store, clerk: Actor, saved: SaveFiles) -> None:
    stop = threading.Event()
    patient = replace(DEFAULT_LIMITS, response_timeout=60.0)
    worker = threading.Thread(target=Retriever(store, moves=False, limits=patient).run, args=(stop,))
    with archive(tmp_path / "pacs", 1) as port, socket.create_server(("127.0.0.1", 0)) as silent:
        assert send(port, "PACS", saved(made.image(1))).returncode == 0
        for name, number in (("silent", silent.getsockname()[1]), ("pacs", port)):
            add_peer(store, Peer(name=name, ae_title="PACS", host="127.0.0.1", port=number), clerk)
        first = retrieving.request_retrieve(store, "silent", "1.2.3", clerk)
        worker.start()
        assert ended(store, retrieving.request_retrieve(store, "pacs", STUDY, clerk)) == ("completed", "")
        assert retrieving.get_retrieval(store, first)["state"] == "processing"
    stop.set()
    worker.join(20)
    assert not worker.is_alive()


def test_one_study_at_a_time_is_fetched_from_an_archive(store: Store, clerk: Actor) -> None:
    for name in ("pacs", "other"):
        add_peer(store, Peer(name=name, ae_title="PACS", host="127.0.0.1", port=9), clerk)
    for name, study in (("pacs", "1.1"), ("pacs", "1.2"), ("other", "1.3")):
        retrieving.request_retrieve(store, name, study, clerk)
    with store.database.write("retrieval") as connection:
        begun = [retrievals.claim(connection, "me") for _ in range(3)]
        assert [row and row.study_instance_uid for row in begun] == ["1.1", "1.3", None]
        retrievals.change(connection, 1, state=retrievals.COMPLETED)
        row = retrievals.claim(connection, "me")
    assert row is not None and row.study_instance_uid == "1.2"


# --- odd ones ---


def images(count: int, series: int = 1) -> list[made.Dataset]:
    found = [made.image(number, series=series) for number in range(1, count + 1)]
    for each in found:
        made.as_file(each)
    return found


class known:  # noqa: N801
    """An odd archive that listens and is our peer "pacs"."""

    def __init__(self, store: Store, clerk: Actor, odd: OddArchive) -> None:
        self.store, self.clerk, self.odd = store, clerk, odd

    def __enter__(self) -> OddArchive:
        self.listening = self.odd.listening()
        odd = self.listening.__enter__()
        add_peer(self.store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=odd.port), self.clerk)
        return odd

    def __exit__(self, *error: object) -> None:
        self.listening.__exit__(*error)  # type: ignore[arg-type]


def fetched(store: Store, clerk: Actor, method: str = "auto") -> tuple[str, str]:
    return ended(store, retrieving.request_retrieve(store, "pacs", STUDY, clerk, method=method))


def test_an_archive_that_takes_images_but_offers_no_c_get_is_asked_to_move(
    store: Store, door: DicomServer, clerk: Actor
) -> None:
    with known(store, clerk, OddArchive(images(3), door.port)) as odd:
        assert fetched(store, clerk) == ("completed", "")
        assert len(odd.moves) == 1 and here(store) == 3
        assert fetched(store, clerk, "get") == ("completed", "")  # all is here: nothing is asked for


def test_without_c_get_it_says_so(store: Store, door: DicomServer, clerk: Actor) -> None:
    with known(store, clerk, OddArchive(images(3), door.port)):
        state, message = fetched(store, clerk, "get")
    assert state == "aborted" and "does not offer C-GET" in message


def test_a_wrong_count_of_the_study_does_not_outweigh_its_images(store: Store, door: DicomServer, clerk: Actor) -> None:
    with known(store, clerk, OddArchive(images(3), door.port, study_count=7)):
        assert fetched(store, clerk) == ("completed", "")
    assert search.show_study(store, STUDY)["expected_by"] == "image-level"


def test_a_count_is_believed_where_the_archive_names_no_images(store: Store, door: DicomServer, clerk: Actor) -> None:
    with known(store, clerk, OddArchive(images(3), door.port, study_count=5, names_images=False)):
        assert fetched(store, clerk) == ("aborted", "3 of 5 instances have come")
    found = search.show_study(store, STUDY)
    assert (found["expected"], found["expected_by"], found["complete"]) == (5, "study-level", False)


def test_a_series_told_twice_is_counted_once(store: Store, door: DicomServer, clerk: Actor) -> None:
    odd = OddArchive(images(3), door.port, series_count=3, tells_twice=True, names_images=False)
    with known(store, clerk, odd):
        assert fetched(store, clerk) == ("completed", "")
    found = search.show_study(store, STUDY)
    assert (found["expected"], found["expected_by"], found["complete"]) == (3, "series-level", True)


def test_a_series_it_names_no_images_of_is_not_forgotten(store: Store, door: DicomServer, clerk: Actor) -> None:
    both = images(2) + images(3, series=2)
    odd = OddArchive(both, door.port, study_count=5, silent_series=(f"{STUDY}.2",), sends=2)
    with known(store, clerk, odd):
        assert fetched(store, clerk)[1] == "2 of 5 instances have come"
        odd.sends = 5
        assert fetched(store, clerk) == ("completed", "")


@pytest.mark.parametrize("status", [0xFE00, 0xB000, 0xA700])
def test_what_an_archive_told_before_its_limit_is_shown(
    store: Store, door: DicomServer, clerk: Actor, status: int
) -> None:
    odd = OddArchive(images(2), door.port, ends_with=status)
    with known(store, clerk, odd):
        answer = pacs.query(store, "pacs", "STUDY", {"PatientID": "P*"})
        assert [each["StudyInstanceUID"] for each in answer.matches] == [STUDY]
        assert "has not told everything: it " in str(answer.problem)
        odd.kept.clear()
        with pytest.raises(DeviceError, match="refuses the query"):
            pacs.query(store, "pacs", "STUDY", {"PatientID": "P*"})


def test_a_query_waits_no_longer_than_it_may(
    store: Store, door: DicomServer, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "CANCEL_GRACE", 0.5)
    with known(store, clerk, OddArchive(images(2), door.port, tells_for_ever=True)):
        answer = pacs.query(store, "pacs", "SERIES", {"StudyInstanceUID": STUDY}, limit=100_000, seconds=0.5)
    assert answer.matches and "in time" in str(answer.problem)


def test_success_without_all_the_images_is_no_success(store: Store, door: DicomServer, clerk: Actor) -> None:
    with known(store, clerk, OddArchive(images(5), door.port, sends=3)):
        assert fetched(store, clerk) == ("aborted", "2 of 5 instances are missing")


def test_answers_about_other_studies_are_passed_over(store: Store, door: DicomServer, clerk: Actor) -> None:
    other = made.image(9, study=2, PatientName="ROE^RICHARD", PatientID="P-2")
    made.as_file(other)
    with known(store, clerk, OddArchive([other, *images(2)], door.port, passes_over_keys=True)):
        retrieving.request_retrieve(store, "pacs", STUDY, clerk)
        until(lambda: here(store) == 2)
        assert ended(store, 1) == ("completed", "")
        assert completeness.ask_again(store, STUDY) == completeness.News()


def test_an_archive_that_says_nothing_while_it_sends_is_waited_for(
    store: Store, door: DicomServer, clerk: Actor
) -> None:
    slow = OddArchive(images(6), door.port, says_pending=False)
    send_one = slow._send

    def slowly(instance: made.Dataset) -> None:
        time.sleep(0.4)  # six of them take longer than the two seconds we wait for a word
        send_one(instance)

    slow._send = slowly  # type: ignore[method-assign]
    with known(store, clerk, slow):
        assert fetched(store, clerk, "move") == ("completed", "")


# --- what comes late ---


class Held:
    """Holds back the instance of a number (from 0) before it is made durable; those before it go through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        self.there, self.go_on = threading.Event(), threading.Event()
        self._numbers, self._sync = itertools.count(), Intake._sync

        def sync(intake: Intake, target: Path) -> None:
            if next(self._numbers) == number:
                self.there.set()
                assert self.go_on.wait(60)
            self._sync(intake, target)

        monkeypatch.setattr(Intake, "_sync", sync)


def killed_at(
    number: int, real: subprocess.Popen[bytes], store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> Held:
    """An archive killed while an instance of its C-MOVE is not durable yet; the retrieval has ended."""
    held = Held(monkeypatch, number)
    retrieval = retrieving.request_retrieve(store, "pacs", STUDY, clerk, method="move")
    until(held.there.is_set)
    os.killpg(real.pid, signal.SIGKILL)
    assert ended(store, retrieval)[0] == "aborted" and here(store) == number
    return held


def test_the_first_instance_is_half_a_study_though_it_becomes_durable_after_its_archive_died(
    real: subprocess.Popen[bytes], store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_at(0, real, store, clerk, monkeypatch).go_on.set()
    until(lambda: here(store) == 1)
    found = search.show_study(store, STUDY)
    assert (found["complete"], found["incomplete_reason"]) == (False, f"1 of {MANY} instances are here")
    assert found["retrieved_from"] == "pacs"  # a plan asks it again
    assert gather(store, Selection(studies=(STUDY,))).incomplete == (f"Study {STUDY} has 1 of {MANY} instances",)


def test_a_later_instance_that_becomes_durable_after_its_archive_died_is_not_said_to_be_missing(
    real: subprocess.Popen[bytes], store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = killed_at(1, real, store, clerk, monkeypatch)
    assert search.show_study(store, STUDY)["incomplete_reason"] == f"{MANY - 1} of {MANY} instances are missing"
    held.go_on.set()
    until(lambda: search.show_study(store, STUDY)["incomplete_reason"] == f"{MANY - 2} of {MANY} instances are missing")
    assert len(search.show_study(store, STUDY)["missing"]) == MANY - 2 and here(store) == 2


def test_a_late_first_instance_of_an_archive_that_does_not_count_is_no_whole_study(
    store: Store, door: DicomServer, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "CANCEL_GRACE", 0.5)
    held = Held(monkeypatch, 0)
    with known(store, clerk, OddArchive(images(3), door.port, names_images=False)):
        number = retrieving.request_retrieve(store, "pacs", STUDY, clerk, method="move")
        until(held.there.is_set)
        retrieving.cancel_retrieve(store, number, clerk)
        assert ended(store, number)[0] == "canceled" and here(store) == 0
        held.go_on.set()
        until(lambda: here(store) > 0)
        found = search.show_study(store, STUDY)
        assert found["complete"] is False and found["incomplete_reason"] == "cancelled"


@pytest.mark.parametrize("way", ["sent", "imported"])
@pytest.mark.parametrize("names_images", [True, False])
def test_what_an_archive_did_not_give_makes_the_study_whole_when_it_comes_otherwise(
    store: Store, door: DicomServer, clerk: Actor, saved: SaveFiles, way: str, names_images: bool
) -> None:
    with known(store, clerk, OddArchive(images(5), door.port, study_count=5, sends=3, names_images=names_images)):
        assert fetched(store, clerk)[0] == "aborted"
    assert search.show_study(store, STUDY)["complete"] is False
    if way == "sent":
        assert send(door.port, "APPLIANCE", saved(*images(5))).returncode == 0
    else:
        import_path(store, saved(*images(5)), clerk)
    until(lambda: search.show_study(store, STUDY)["complete"])
    assert search.show_study(store, STUDY)["missing"] == []


def test_a_study_sent_long_after_a_retrieval_failed_is_not_said_to_be_half(
    store: Store, door: DicomServer, clerk: Actor, saved: SaveFiles
) -> None:
    with known(store, clerk, OddArchive(images(3), door.port, sends=0)):
        assert fetched(store, clerk)[0] == "aborted" and here(store) == 0
    with store.database.write("retrieval") as connection:
        long_ago = now() - 2 * retrievals.ON_ITS_WAY
        connection.execute(tables.retrieval.update().values(updated=long_ago))
    assert send(door.port, "APPLIANCE", saved(*images(2))).returncode == 0
    until(lambda: here(store) == 2)
    assert search.show_study(store, STUDY)["complete"] is True


# --- asked again ---


THERE = {
    "DOE^JANE^^^": False,
    "doe^jane": False,
    "DOE^JANE=王^小明": False,
    "": False,
    "DOE^JOAN": True,
    "ROE^JANE=王^小明": True,
}


def test_names_are_compared_as_people_do_when_asked_again(store: Store, door: DicomServer, clerk: Actor) -> None:
    odd = OddArchive(images(1), door.port)
    with known(store, clerk, odd):
        assert fetched(store, clerk)[0] == "completed"
        for there, differs in THERE.items():
            odd.kept[0].PatientName, odd.kept[0].SpecificCharacterSet = there, "ISO_IR 192"
            assert bool(completeness.ask_again(store, STUDY).differs) is differs, there


def test_half_a_study_stays_half_when_its_archive_does_not_tell_how_much_there_is_any_more(
    store: Store, door: DicomServer, clerk: Actor
) -> None:
    odd = OddArchive(images(3), door.port, sends=2)
    with known(store, clerk, odd):
        assert fetched(store, clerk)[0] == "aborted"
        odd.names_images = False
        completeness.ask_again(store, STUDY)
        assert gather(store, Selection(studies=(STUDY,))).incomplete == (f"Study {STUDY} has 2 of 3 instances",)
        assert fetched(store, clerk) == ("aborted", "1 of 3 instances are missing"), "its success says nothing"
        odd.sends = 3
        assert fetched(store, clerk) == ("completed", "")


def test_a_cancelled_fetch_from_an_archive_that_does_not_count_is_no_whole_study_when_it_is_asked_again(
    store: Store, door: DicomServer, clerk: Actor
) -> None:
    with known(store, clerk, OddArchive(images(3), door.port, names_images=False)):
        assert fetched(store, clerk)[0] == "completed"
        with store.database.write("study") as connection:
            studies.change(connection, STUDY, incomplete_reason="cancelled")
        assert completeness.ask_again(store, STUDY).missing == "cancelled"
        assert gather(store, Selection(studies=(STUDY,))).incomplete == (f"Study {STUDY}: cancelled",)
        assert fetched(store, clerk) == ("completed", "")
        assert gather(store, Selection(studies=(STUDY,))).incomplete == ()


def test_a_half_fetched_study_is_known_to_be_half_though_its_archive_is_gone(
    store: Store, door: DicomServer, clerk: Actor
) -> None:
    """The service was killed in the middle of a first fetch, and the archive does not come back."""
    with known(store, clerk, OddArchive(images(3), door.port, sends=2)):
        assert fetched(store, clerk)[0] == "aborted"
    set_peer(store, Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=9), clerk)
    with store.database.write("study", "retrieval") as connection:
        studies.change(connection, STUDY, expected=None, missing=[], incomplete_reason="", retrieved_from="")
        retrievals.change(connection, 1, state="pending", working=None, total=3)
    assert ended(store, 1)[0] == "aborted"
    found = search.show_study(store, STUDY)
    assert (found["complete"], found["incomplete_reason"]) == (False, "2 of 3 instances are here")
    assert found["retrieved_from"] == "pacs"


# --- when a disc is planned ---


def said_now(store: Store, seconds: float = 60.0) -> list[str]:
    return asking.news_of(asking.news_by_study(store, Selection(studies=(STUDY,)), seconds))


def test_a_plan_says_what_the_archive_says_now_and_that_it_can_not_be_asked(
    store: Store, door: DicomServer, clerk: Actor
) -> None:
    odd = OddArchive(images(2), door.port)
    order = Selection(studies=(STUDY,))
    with known(store, clerk, odd):
        assert fetched(store, clerk)[0] == "completed"
        assert said_now(store) == []
        odd.kept[0].PatientName = odd.kept[1].PatientName = "ROE^JANE"
        assert said_now(store) == [f"pacs has another patient's name for study {STUDY} now: ROE^JANE, here DOE^JANE"]
        odd.kept += [each for each in images(3) if each.InstanceNumber == 3]
        said_now(store)
        assert gather(store, order).incomplete == (f"Study {STUDY}: 1 of 3 instances are missing",)
    [said] = said_now(store)
    assert "could not be asked" in said and "nothing listens" in said


def test_an_archive_that_does_not_answer_holds_up_no_plan(
    real: subprocess.Popen[bytes], store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(completeness, "SOON", IMPATIENT)
    begun(store, clerk)
    assert ended(store, 1)[0] == "completed"
    os.killpg(real.pid, signal.SIGSTOP)
    [said] = said_now(store)
    assert "could not be asked" in said
    monkeypatch.setattr(completeness, "SOON", replace(IMPATIENT, response_timeout=5.0))
    assert said_now(store, 0.2) == [f"The archive of study {STUDY} could not be asked: no answer in 0 seconds"]


def test_a_paper_stands_for_no_missing_image(store: Store, door: DicomServer, clerk: Actor, tmp_path: Path) -> None:
    odd = OddArchive(images(3), door.port, study_count=3, names_images=False, sends=2)
    paper = tmp_path / "letter.pdf"
    paper.write_bytes(b"%PDF-1.4\n%%EOF\n")
    with known(store, clerk, odd):
        assert fetched(store, clerk) == ("aborted", "2 of 3 instances have come")
        attach(store, paper, STUDY, clerk, patient_id=search.show_study(store, STUDY)["patient_id"])
        assert search.show_study(store, STUDY)["incomplete_reason"] == "3 of 4 instances are here"
        completeness.ask_again(store, STUDY)
        assert search.show_study(store, STUDY)["incomplete_reason"] == "3 of 4 instances are here"
        assert fetched(store, clerk) == ("aborted", "3 of 4 instances have come")
        odd.sends = 3
        assert fetched(store, clerk) == ("completed", "")
        completeness.ask_again(store, STUDY)
        found = search.show_study(store, STUDY)
        assert (found["instances"], found["complete"]) == (4, True)


def test_a_study_its_archive_files_under_two_patients_is_said(store: Store, door: DicomServer, clerk: Actor) -> None:
    odd = OddArchive(images(2), door.port)
    with known(store, clerk, odd):
        assert fetched(store, clerk) == ("completed", "")
        odd.also_under = "P-OTHER"
        [said] = completeness.ask_again(store, STUDY).differs
    assert said.startswith("pacs has another Patient ID for study") and "P-OTHER" in said


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
def test_a_study_of_more_series_than_its_archive_tells_is_fetched(
    store: Store, door: DicomServer, clerk: Actor, level: str
) -> None:
    odd = OddArchive(images(2) + images(2, series=2), door.port, study_count=4, limited=level)
    with known(store, clerk, odd):
        assert fetched(store, clerk) == ("completed", "")
    found = search.show_study(store, STUDY)
    assert (found["expected"], found["instances"], found["complete"]) == (4, 4, True)
