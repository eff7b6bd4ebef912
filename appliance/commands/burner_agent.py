"""``appliance burner-agent``: on the PC at the desk; fetches images, burns them in its drive, reads back, reports."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import signal
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import click

from appliance.commands.common import data_not_needed
from appliance.errors import ApplianceError, DeviceError, NotFoundError, UsageError
from appliance.media.burner.options import BurnerOptions
from appliance.media.burner.outcome import Burner, BurnOutcome, BurnRequest, BurnResult
from appliance.media.burner.registry import open_burner
from appliance.store import files

POLL_SECONDS = 2.0
BEAT_SECONDS = 5.0
"""Between two signs of life while the drive is at work."""
TIMEOUT = 60.0
BLOCK = 1 << 20
MARKS = (".begun", ".final")
JOB_FILE = re.compile(r"\d{6,}-\d[-0-9a-z]*\.(iso|pdf|begun|final|burn-log)(\.part)?")
"""Names of jobs (a serial and a piece of a UID) with what belongs to them, whole or on its way."""


@click.command("burner-agent")
@data_not_needed
@click.option("--server", required=True, metavar="URL", help="The appliance's page: https://appliance.example")
@click.option("--burner", required=True, help="Name of the burner there (burner add NAME --uri agent:NAME).")
@click.option("--token-file", required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--drive", default="drive:/dev/sr0", show_default=True, help="The burner here, by its URI.")
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder for images on their way.")
@click.option(
    "--authority", type=click.Path(path_type=Path, exists=True), help="Certificate the server's is signed by."
)
@click.option("--once", is_flag=True, help="Do what there is to do, then end.")
def command(
    server: str, burner: str, token_file: Path, drive: str, work: Path, authority: Path | None, once: bool
) -> None:
    """Burn what the appliance has for this desk, until it is told to stop."""
    token = token_file.read_text("ascii").strip()
    work = files.make_folder(work.absolute())
    local = open_burner(drive, options=BurnerOptions(folder_roots=(work, work.parent)))
    agent = Agent(Server(server, burner, token, authority), local, work)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    agent.run(stop, once=once)


class Server:
    """The appliance's API, as far as agents use it."""

    def __init__(self, url: str, burner: str, token: str, authority: Path | None = None) -> None:
        parts = urlsplit(url)
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        if parts.scheme not in ("http", "https") or not parts.hostname or (parts.scheme == "http" and not local):
            raise UsageError("--server is https://HOST: patients' images don't travel in the clear.")
        self.parts = parts
        self.path = f"{parts.path.rstrip('/')}/api/v1/burners/{quote(burner, safe='')}/agent-jobs"
        self.headers = {"Authorization": f"Bearer {token}"}
        self.authority = str(authority) if authority else None
        ssl.create_default_context(cafile=self.authority)  # one that can't be read is said at once

    def _connection(self) -> http.client.HTTPConnection:
        """Authorities are read anew: the appliance's certificate is renewed while the agent runs for years."""
        host, port = self.parts.hostname or "", self.parts.port
        if self.parts.scheme == "https":
            context = ssl.create_default_context(cafile=self.authority)
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT)

    def _open(self, method: str, path: str, body: Any = None) -> tuple[Any, http.client.HTTPResponse]:
        """Raises DeviceError when the server can't be reached, NotFoundError, ApplianceError."""
        headers = {**self.headers, **({"Content-Type": "application/json"} if body is not None else {})}
        connection = None
        try:
            connection = self._connection()
            connection.request(method, self.path + path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
            raise DeviceError(f"The appliance at {self.parts.netloc} can't be reached: {error}.") from None
        if answer.status == 404:
            connection.close()
            raise NotFoundError("The job is gone.")
        if answer.status >= 300:
            connection.close()
            raise ApplianceError(f"The appliance answers {answer.status} {answer.reason}: is the token right?")
        return connection, answer

    def jobs(self) -> list[dict[str, Any]]:
        """What there is to burn."""
        connection, answer = self._open("GET", "")
        try:
            return list(json.loads(answer.read())["items"])
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
            # the line was cut in mid answer, or a proxy's page came instead of it
            raise DeviceError(f"What {self.parts.netloc} answers can't be read: {error}.") from None
        finally:
            connection.close()

    def report(self, job_name: str, said: dict[str, Any]) -> None:
        """Say how a burn stands."""
        connection, _ = self._open("POST", f"/{quote(job_name, safe='')}/report", said)
        connection.close()

    def fetch(self, job_name: str, what: str, target: Path, sha256: str = "") -> None:
        """Download an image or label; it has its name once it is whole and, if `sha256` is given, is that."""
        digest = hashlib.sha256()
        connection, answer = self._open("GET", f"/{quote(job_name, safe='')}/{what}")
        try:
            with files.PartFile(target) as part:
                while data := answer.read(BLOCK):
                    digest.update(data)
                    part.write(data)
                if answer.length:  # a cut connection looks like the end
                    raise DeviceError(f"The {what} came only half; it is fetched again.")
                if sha256 and digest.hexdigest() != sha256:
                    raise DeviceError(f"The {what} came damaged; it is fetched again.")
                part.commit()
        except (OSError, http.client.HTTPException) as error:
            raise DeviceError(f"The {what} came only half: {error}.") from None
        finally:
            connection.close()


class Agent:
    """Works off the jobs of one burner, one after the other."""

    def __init__(self, server: Server, burner: Burner, work: Path) -> None:
        self.server = server
        self.burner = burner
        self.work = work
        self._said: dict[str, Any] = {}

    def run(self, stop: threading.Event, *, once: bool = False) -> None:
        """Until `stop`, or with `once` until there is nothing to do. Raises ApplianceError with `once` only."""
        self._clear_ended()
        while not stop.is_set():
            try:
                jobs = self.server.jobs()
                self._forget({job["job_name"] for job in jobs})
                ended = [self._look_after(job) for job in jobs]
            except ApplianceError as error:
                if once:
                    raise
                click.echo(str(error), err=True)
                ended = []
            if once and all(ended):
                return
            stop.wait(POLL_SECONDS if not once else 0.1)

    def _look_after(self, job: dict[str, Any]) -> bool:
        """One look at a job; True when it has ended here."""
        name = job["job_name"]
        final = self._kept(name)
        if final is not None:  # burned, and perhaps not told because the network was gone
            self._clear(name)
            self._say(name, final)
            return True
        if job.get("begun") and not self._begun(name).exists():
            return self._unknown(name)
        self._fetch(job)
        return self._burn(job)

    def _fetch(self, job: dict[str, Any]) -> None:
        """Have image and label here, unless nobody wants them any more."""
        name, image = job["job_name"], self._image(job["job_name"])
        label = image.with_suffix(".pdf")
        if job["canceled"] or (image.exists() and (label.exists() or not job["has_label"])):
            return
        if not image.exists():
            self._say(name, {"state": "working", "message": "The image is being fetched."})
            self.server.fetch(name, "image", image, job["sha256"])
        if job["has_label"]:
            self.server.fetch(name, "label", label)

    def _unknown(self, name: str) -> bool:
        """A burn was begun for this desk that this folder knows nothing of: it is not begun again."""
        text = "A burn was begun here by another PC or from another folder: look at the disc in the drive."
        said = {"state": "uncertain", "message": text, "begun": True}
        self._end(name, said)
        return True

    def _burn(self, job: dict[str, Any]) -> bool:
        name = job["job_name"]
        with Beat(self.server, job) as beat:
            request = self._request(job, beat)
            if job["canceled"]:
                result = self.burner.cancel(request)
            elif request.begun:
                result = self.burner.status(request)
            else:
                result = self.burner.submit(request)
            said = self._words(result)
            if result.outcome is BurnOutcome.DONE:
                said |= self._verified(request)
        if result.outcome is BurnOutcome.RETRY:
            self._say(name, {"state": "working", "message": result.message})
            files.remove(self._begun(name))
            return False
        if result.outcome in (BurnOutcome.WORKING, BurnOutcome.WAITING):
            self._say(name, said | {"begun": request.begun})
            return False
        self._end(name, said)
        self.burner.close(request)
        return True

    def _end(self, name: str, said: dict[str, Any]) -> None:
        """It is over here, however it ended: what was said last is kept, and no image of a patient."""
        files.write_file(self._final(name), json.dumps(said).encode())
        self._clear(name)
        self._say(name, said)

    def _words(self, result: BurnResult) -> dict[str, Any]:
        return {
            "state": result.outcome.value,
            "reasons": list(result.reasons),
            "message": result.message,
            "evidence": result.evidence,
            "done": result.done,
        }

    def _verified(self, request: BurnRequest) -> dict[str, Any]:
        found = self.burner.verify(request)
        return {
            "verified": found.good,
            "verified_by": found.by,
            "verification": found.message,
            "sha256": found.sha256,
        }

    def _request(self, job: dict[str, Any], beat: Beat) -> BurnRequest:
        name = job["job_name"]
        image = self._image(name)
        label = image.with_suffix(".pdf")
        taken = ("form", "sha256", "bytes", "medium", "volume_id", "number", "count", "title", "ticket")
        return BurnRequest(
            job_name=name,
            image=image,
            label=label if label.exists() and self.burner.label_kind == "pdf" else None,
            serials=tuple(job["serials"]),
            begun=self._begun(name).exists(),
            begin=lambda: self._begin(name),
            is_canceled=beat.is_canceled,
            progress=beat.progress,
            **{key: job[key] for key in taken},
        )

    def _begin(self, name: str) -> None:
        """Kept here and there before the first byte leaves: without the appliance's ear nothing is burned."""
        files.write_file(self._begun(name), b"")
        self._say(name, {"state": "working", "message": "It is being burned.", "begun": True})

    def _say(self, name: str, said: dict[str, Any]) -> None:
        """Report what changed."""
        if self._said.get(name) != said:
            self.server.report(name, said)
            self._said[name] = said
            click.echo(f"{name}: {said['state']} {said.get('message', '')}".rstrip(), err=True)

    def _forget(self, known: set[str]) -> None:
        """Remove the files of jobs that the appliance has no more."""
        for path in self._ours():
            if _job_of(path) not in known:
                files.remove(path)

    def _clear(self, name: str) -> None:
        """Remove all of a job but its marks: nothing is burned from it any more."""
        for path in self._ours():
            if _job_of(path) == name and path.suffix not in MARKS:
                files.remove(path)

    def _clear_ended(self) -> None:
        """The same of all that ended here: the appliance need not be there for that."""
        for name in {_job_of(path) for path in self._ours() if path.suffix == ".final"}:
            self._clear(name)

    def _ours(self) -> list[Path]:
        """Files of jobs; what somebody else laid into the folder is not touched."""
        return [path for path in self.work.iterdir() if path.is_file() and JOB_FILE.fullmatch(path.name)]

    def _image(self, name: str) -> Path:
        return self.work / f"{name}.iso"

    def _begun(self, name: str) -> Path:
        return self.work / f"{name}.begun"

    def _final(self, name: str) -> Path:
        return self.work / f"{name}.final"

    def _kept(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._final(name).read_text())
        except FileNotFoundError:
            return None
        return found


def _job_of(path: Path) -> str:
    return path.name.partition(".")[0]


class Beat:
    """A sign of life while the drive is at work: how far it is, and whether somebody cancelled the job."""

    def __init__(self, server: Server, job: dict[str, Any]) -> None:
        self.server = server
        self.name = job["job_name"]
        self._canceled, self._ended = threading.Event(), threading.Event()
        self.is_canceled = self._canceled.is_set
        self._done = self._said = 0
        self._thread = threading.Thread(target=self._run, daemon=True)

    def progress(self, done: int, total: int) -> None:
        """So many bytes are written, or read back."""
        self._done = done

    def _run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(ApplianceError):  # the network is gone: the disc is burned all the same
                jobs = self.server.jobs()
                if any(job["job_name"] == self.name and job["canceled"] for job in jobs):
                    self._canceled.set()
                if (done := self._done) != self._said:
                    said = {"state": "working", "message": "It is being burned.", "begun": True, "done": done}
                    self.server.report(self.name, said)
                    self._said = done

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
