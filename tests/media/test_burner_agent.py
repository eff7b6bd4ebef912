"""A disc for a drive at somebody's desk: the agent fetches it over HTTP, burns it, reads it back, and reports."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from appliance.commands.burner_agent import Agent, Server
from appliance.errors import ApplianceError, DeviceError, NotFoundError, UsageError
from appliance.media import discs as verbs
from appliance.media.burner.agent import folder_of, jobs_of, report
from appliance.media.burner.options import BurnerOptions
from appliance.media.burner.registry import open_burner
from appliance.media.housekeeping import forget_agent_jobs
from appliance.media.views import show_disc
from appliance.media.worker import DiscWorker
from appliance.security.roles import may
from appliance.security.tokens import create_token
from appliance.store import discs
from appliance.store.store import Store
from appliance.web.api.describe import ENDPOINTS
from appliance.web.serve import make_server
from tests.media.disc_helpers import CLERK, add, eventually, fresh, ordered
from tests.support.certificates import Identity, identity


class Desk:
    """The PC at the desk, with a drive, and a worker and a page on the other side."""

    def __init__(self, store: Store, folder: Path, port: int) -> None:
        self.store = store
        self.port = port
        self.work = folder / "desk"
        self.work.mkdir()
        self.drive = folder / "desk-drive.img"
        self.drive.write_bytes(b"")
        self.token = create_token(store, "desk", "agent", CLERK)

    def agent(self, token: str = "", port: int = 0) -> Agent:
        server = Server(f"http://127.0.0.1:{port or self.port}", "desk", token or self.token)
        options = BurnerOptions(folder_roots=(self.work.parent,))
        return Agent(server, open_burner(f"drive:stdio:{self.drive}", options=options), self.work)

    def on_the_drive(self, size: int) -> str:
        return hashlib.sha256(self.drive.read_bytes()[:size]).hexdigest()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = fresh(tmp_path / "data")
    add(store, "desk", "agent:desk-7")
    server = make_server(store)
    port = server.effective_port
    threading.Thread(target=server.run, daemon=True).start()
    stop = threading.Event()
    worker = threading.Thread(target=DiscWorker(store).run, args=(stop,), daemon=True)
    worker.start()
    yield Desk(store, tmp_path, port)
    stop.set()
    worker.join(20)
    server.close()
    server.task_dispatcher.shutdown()
    store.close()


def _begun(desk: Desk) -> bool:
    return any(folder_of(desk.store.folder.root, "desk-7").glob("*.json"))


def test_a_disc_is_burned_at_the_desk_and_verified_here(desk: Desk) -> None:
    disc_id = ordered(desk.store, burner="desk")
    eventually(lambda: _begun(desk))
    desk.agent().run(threading.Event(), once=True)
    eventually(lambda: show_disc(desk.store, disc_id)["execution_status"] == "DONE")
    volume = show_disc(desk.store, disc_id)["volumes"][0]
    assert volume["verified"]
    assert "read back by agent desk-7" in volume["pieces"][0]["message"]
    assert desk.on_the_drive(volume["bytes"]) == volume["sha256"] == volume["pieces"][0]["sha256"]
    desk.agent().run(threading.Event(), once=True)
    assert list(desk.work.iterdir()) == []
    assert not _begun(desk)


def test_a_desk_without_a_blank_disc_asks_for_one_here(desk: Desk) -> None:
    desk.drive.unlink()
    disc_id = ordered(desk.store, burner="desk")
    eventually(lambda: _begun(desk))
    stop = threading.Event()
    running = threading.Thread(target=desk.agent().run, args=(stop,), daemon=True)
    running.start()
    eventually(lambda: "Insert a blank CD for disc 1 of 1" in show_disc(desk.store, disc_id)["message"])
    verbs.cancel(desk.store, disc_id, CLERK)
    eventually(lambda: show_disc(desk.store, disc_id)["execution_status"] == "FAILURE")
    stop.set()
    running.join(20)
    assert not desk.drive.exists()


def test_a_report_that_did_not_get_through_is_told_later_and_nothing_burned_twice(desk: Desk) -> None:
    class Cut(Server):
        def report(self, job_name: str, said: dict) -> None:
            if said["state"] == "done":
                raise DeviceError("the cable is out")
            super().report(job_name, said)

    disc_id = ordered(desk.store, burner="desk")
    eventually(lambda: _begun(desk))
    agent = desk.agent()
    agent.server = Cut(f"http://127.0.0.1:{desk.port}", "desk", desk.token)
    with pytest.raises(DeviceError, match="cable"):
        agent.run(threading.Event(), once=True)
    before = desk.drive.stat().st_mtime_ns
    desk.agent().run(threading.Event(), once=True)
    eventually(lambda: show_disc(desk.store, disc_id)["execution_status"] == "DONE")
    assert desk.drive.stat().st_mtime_ns == before


def test_an_absent_agent_is_said_to_be(desk: Desk) -> None:
    disc_id = ordered(desk.store, burner="desk")
    eventually(lambda: "Agent desk-7 is not there" in show_disc(desk.store, disc_id)["message"])
    assert show_disc(desk.store, disc_id)["reasons"] == ["offline"]
    verbs.cancel(desk.store, disc_id, CLERK)
    eventually(lambda: show_disc(desk.store, disc_id)["execution_status"] == "FAILURE")


def test_a_job_is_kept_for_its_agent_until_its_piece_has_ended(desk: Desk) -> None:
    disc_id = ordered(desk.store, burner="desk")
    eventually(lambda: _begun(desk))
    assert forget_agent_jobs(desk.store) == 0 and _begun(desk)
    with desk.store.database.write("disc") as connection:
        (piece,) = discs.pieces(connection, [disc_id])
        discs.change_piece(connection, piece.piece_id, state="in-doubt")
    assert forget_agent_jobs(desk.store) == 1 and not _begun(desk)


def test_an_agent_without_a_good_token_gets_nothing(desk: Desk) -> None:
    with pytest.raises(ApplianceError, match="is the token right"):
        desk.agent(token="appl_wrong").run(threading.Event(), once=True)
    viewer = create_token(desk.store, "looker", "viewer", CLERK)
    with pytest.raises(ApplianceError, match="403"):
        desk.agent(token=viewer).run(threading.Event(), once=True)


def test_an_agents_token_opens_what_agents_need_and_nothing_else(desk: Desk) -> None:
    """It lies on a PC at a desk: a clerk's would open every patient's images."""
    opened = [(each.method, each.rule) for each in ENDPOINTS if may("agent", each.permission)]
    assert len(opened) == 3 and all("/agent-jobs" in rule for _, rule in opened)
    for path in ("api/v1/studies", "api/v1/burners", "discs"):
        asked = Request(f"http://127.0.0.1:{desk.port}/{path}", headers={"Authorization": f"Bearer {desk.token}"})
        with pytest.raises(HTTPError, match="403"):
            urlopen(asked, timeout=10)


def test_a_burner_may_be_opened_by_one_agents_token_alone(desk: Desk) -> None:
    """A desk that was broken into opens the discs of its own drive."""
    add(desk.store, "other", "agent:desk-8", token="desk-8")
    jobs = f"http://127.0.0.1:{desk.port}/api/v1/burners/other/agent-jobs"
    theirs = create_token(desk.store, "desk-8", "agent", CLERK)
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(jobs, headers={"Authorization": f"Bearer {desk.token}"}), timeout=10)
    with urlopen(Request(jobs, headers={"Authorization": f"Bearer {theirs}"}), timeout=10) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    ],
    ids=["cut in mid answer", "a proxy's page", "something else"],
)
def test_an_answer_that_is_none_is_asked_for_again(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(4096)
                caller.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises(DeviceError, match="can't be read"):
            Server(f"http://127.0.0.1:{listener.getsockname()[1]}", "desk", "token").jobs()


def test_an_agent_believes_a_renewed_certificate_without_a_restart(tmp_path: Path) -> None:
    old, new = identity(tmp_path, "old"), identity(tmp_path, "new")
    known = tmp_path / "known.pem"
    known.write_bytes(old.certificate.read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve_tls, args=(listener, new), daemon=True).start()
        server = Server(f"https://127.0.0.1:{listener.getsockname()[1]}", "desk", "token", known)
        with pytest.raises(DeviceError, match="CERTIFICATE_VERIFY_FAILED"):
            server.jobs()
        known.write_bytes(new.certificate.read_bytes())
        assert server.jobs() == []


def _serve_tls(listener: socket.socket, ours: Identity) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ours.certificate, ours.key)
    for _ in range(2):
        plain, _ = listener.accept()
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as caller:
            caller.recv(4096)
            caller.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"items":[]}')


def test_images_do_not_travel_in_the_clear() -> None:
    with pytest.raises(UsageError, match="don't travel in the clear"):
        Server("http://appliance.example", "desk", "token")


def test_no_path_leads_out_of_the_agents_folder(tmp_path: Path) -> None:
    for name in ("../x", "a/b", "", "a" * 65):
        with pytest.raises(NotFoundError):
            folder_of(tmp_path, name)
    with pytest.raises(NotFoundError):
        report(tmp_path, "../../etc/passwd", {})


def test_a_job_that_ends_while_an_agent_asks_is_just_not_there(tmp_path: Path) -> None:
    (tmp_path / "000001-1.json").symlink_to(tmp_path / "gone")  # in the folder's list, and no more
    assert jobs_of(tmp_path) == []
