"""A PostgreSQL server of the tests' own, from Debian's package: a cluster in a temporary folder, a database a test."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.support.ports import free_port

CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
fsync = {fsync}
shared_buffers = 32MB
max_connections = 200
max_wal_size = 2GB
checkpoint_timeout = 1h
autovacuum = on
log_min_messages = fatal
"""


def programs() -> Path:
    """Where Debian keeps initdb and pg_ctl: of the newest version there is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else Path(shutil.which("pg_ctl") or "/usr/bin/pg_ctl").parent


class Server:
    """One cluster. It may be killed and started again; what was committed is there."""

    def __init__(self, folder: Path, *, fsync: bool = False, of: Server | None = None) -> None:
        """`fsync`: only the loss of a whole machine needs it; a killed server finds what it wrote. `of`: it is a
        stand-by of that one, to which it is known as its folder's name."""
        self.folder = folder
        self.data = folder / "cluster"
        self.port = free_port()
        self._user = "postgres" if os.getuid() == 0 else ""  # the server refuses to run as root
        self._number = 0
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(folder, account.pw_uid, account.pw_gid)
        self._copy(of) if of else self._run(
            "initdb", "--pgdata", str(self.data), "-A", "trust", "-U", "appliance", "--locale=C.UTF-8", "--no-sync"
        )
        with (self.data / "postgresql.conf").open("a", encoding="ascii") as file:
            file.write(CONFIGURATION.format(port=self.port, folder=folder, fsync="on" if fsync else "off"))
        self.start()

    def _copy(self, of: Server) -> None:
        source = f"host=127.0.0.1 port={of.port} user=appliance application_name={self.folder.name}"
        self._run("pg_basebackup", "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", source)

    def promote(self) -> None:
        self._run("pg_ctl", "--pgdata", str(self.data), "--wait", "promote")

    def url(self, name: str) -> str:
        return f"postgresql://appliance@127.0.0.1:{self.port}/{name}"

    def local_url(self, url: str) -> str:
        """The same database by its socket, for who has no network."""
        return f"postgresql://appliance@/{url.rpartition('/')[2]}?host={self.folder}&port={self.port}"

    def start(self) -> None:
        self._run("pg_ctl", "--pgdata", str(self.data), "--wait", "--log", str(self.folder / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        """mode: fast drops sessions and stops; immediate is a crash."""
        self._run("pg_ctl", "--pgdata", str(self.data), "--wait", "--mode", mode, "stop")

    def set(self, setting: str, value: str) -> None:
        """Change a setting that needs no start; the server has read it when sessions begin after this."""
        self.execute("postgres", f"ALTER SYSTEM SET {setting} = {value}")
        self.execute("postgres", "SELECT pg_reload_conf()")

    @contextmanager
    def standing_by(self) -> Iterator[None]:
        """It is a stand-by, which can be read, and is promoted in the end."""
        self.stop()
        (self.data / "standby.signal").touch()
        self.start()
        try:
            yield
        finally:
            self.execute("postgres", "SELECT pg_promote()")

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Every process of it is stopped: connections stay open, and nobody answers."""
        head = int((self.data / "postmaster.pid").read_text("ascii").split()[0])
        below = Path(f"/proc/{head}/task/{head}/children").read_text("ascii").split()
        processes = [head, *map(int, below)]
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def _run(self, program: str, *arguments: str) -> None:
        line = [str(programs() / program), *arguments]
        line = ["runuser", "-u", self._user, "--", *line] if self._user else line
        done = subprocess.run(line, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def database(self, template: str = "template0") -> str:
        """A new database; its name."""
        self._number += 1
        name = f"test_{os.getpid()}_{self._number}"
        self.execute("postgres", f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def execute(self, database: str, sql: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def server(*, fsync: bool = False) -> Iterator[Server]:
    """A running cluster, removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="appliance-postgres-"))
    folder.chmod(0o755)
    made = Server(folder, fsync=fsync)
    try:
        yield made
    finally:
        made.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server_and_stand_by() -> Iterator[tuple[Server, Server]]:
    """Two, of which one follows the other until it is promoted."""
    with server() as first:
        folder = first.folder / "second"
        folder.mkdir(mode=0o755)
        second = Server(folder, of=first)
        try:
            yield first, second
        finally:
            second.stop("immediate")


def wait_until_follows(stand_by: Server, first: Server, seconds: float = 20) -> None:
    [(end,)] = first.execute("postgres", "SELECT pg_current_wal_lsn()")
    until = time.monotonic() + seconds
    while stand_by.execute("postgres", f"SELECT pg_last_wal_replay_lsn() >= '{end}'") != [(True,)]:
        assert time.monotonic() < until, "the stand-by does not follow"
        time.sleep(0.1)


def wait_until_answers(made: Server, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            made.execute("postgres", "SELECT 1")
            return
        except psycopg.OperationalError:
            assert time.monotonic() < end, "PostgreSQL does not answer"
            time.sleep(0.1)


class Link:
    """A line to the server that breaks at a COMMIT: before it got through, or before its answer came back."""

    def __init__(self, made: Server) -> None:
        self._server = made
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.breaks = ""  # "before" or "after" the next COMMIT
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, name: str) -> str:
        return self._server.url(name).replace(f":{self._server.port}/", f":{self.port}/")

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._server.port))
                except OSError:
                    near.close()
                    continue
                threading.Thread(target=self._there, args=(near, far), daemon=True).start()
                threading.Thread(target=self._back, args=(far, near), daemon=True).start()

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(65536):
                breaks = self.breaks if b"COMMIT" in data else ""
                if breaks:
                    self.breaks = ""
                    near.shutdown(socket.SHUT_RDWR)
                if breaks != "before":
                    far.sendall(data)
                if breaks:
                    time.sleep(0.3)  # the server gets it
        _hang_up(near, far)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while data := far.recv(65536):
                near.sendall(data)
        _hang_up(near, far)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
