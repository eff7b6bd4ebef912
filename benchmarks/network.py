"""The DICOM ports, as ratios to DCMTK's tools with the same client in one run.

Run as ``python -m benchmarks.network``. Needs dcmtk.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt

from appliance.network.limits import Limits
from appliance.network.print_scu import GRAYSCALE, printing
from appliance.network.requestor import Peer
from appliance.network.server import Listen, ServerGroup, start_server
from appliance.network.spool import spooled_dataset
from appliance.store import files
from tests.support.ports import free_port

CT = UID("1.2.840.10008.5.1.4.1.1.2")
INSTANCES, SIDE, ROUNDS = 500, 512, 5
FILM_BYTES = 59_000_000


def serve(folder: Path, durable: bool) -> ServerGroup:
    """Our SCP: hashed on the way; with `durable` renamed and synced before the answer."""

    def store(event: evt.Event) -> int:
        spooled = spooled_dataset(event)
        assert spooled.sha256
        if durable:
            kept = folder / f"{spooled.path.stem}.dcm"
            files.move(spooled.path, kept)  # name first, as the intake: one turn of the journal for both
            files.sync_file(kept)
            files.sync_folder(folder)
        return 0x0000

    def film(event: evt.Event) -> tuple[int, None]:
        spooled_dataset(event)
        return 0x0000, None

    ae = AE("APPLIANCE")
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(GRAYSCALE)
    ae.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_C_STORE, store), (evt.EVT_N_SET, film)]
    limits = Limits(associations_per_address=200, pending=250)
    return start_server(ae, [Listen()], handlers, spool=folder, limits=limits)


def make_instances(folder: Path) -> None:
    """CT images of 512 KB each, of noise."""
    pixels = np.random.default_rng(1).integers(0, 4096, (SIDE, SIDE), dtype=np.uint16).tobytes()
    for number in range(INSTANCES):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = CT
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        image.PatientID, image.InstanceNumber = "BENCH", number
        image.Rows, image.Columns, image.BitsAllocated, image.BitsStored, image.HighBit = SIDE, SIDE, 16, 12, 11
        image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
        image.PixelData = pixels
        image.save_as(folder / f"{number:04}.dcm", enforce_file_format=True)


def storescu(port: int, folder: Path) -> float:
    """Seconds to send the folder."""
    command = ["storescu", "-aec", "APPLIANCE", "+sd", "127.0.0.1", str(port), str(folder)]
    started = time.perf_counter()
    subprocess.run(command, env={**os.environ, "TCP_NODELAY": "1"}, check=True)
    return time.perf_counter() - started


def dcmtk_server(folder: Path) -> tuple[subprocess.Popen, int]:
    """storescp on a free port."""
    port = free_port()
    command = ["storescp", "-pdu", "131072", "-od", str(folder), str(port)]
    process = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"})
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process, port


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def stores(work: Path) -> dict[str, float]:
    """C-STORE of 500 x 512 KB, one association: seconds."""
    source = emptied(work / "source")
    make_instances(source)
    seconds: dict[str, list[float]] = {"durable": [], "plain": [], "storescp": []}
    for _ in range(ROUNDS):
        for name in ("durable", "plain"):
            with child_server(emptied(work / name), name == "durable") as port:
                seconds[name].append(storescu(port, source))
        process, port = dcmtk_server(emptied(work / "storescp"))
        seconds["storescp"].append(storescu(port, source))
        process.terminate()
        process.wait()
    return {name: statistics.median(times) for name, times in seconds.items()}


class child_server:  # noqa: N801
    """Our server in a process of its own."""

    def __init__(self, folder: Path, durable: bool) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.network", "serve", str(folder), str(int(durable))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.peak_kib = self.idle_kib = 0

    def __enter__(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def __exit__(self, *_: object) -> None:
        out = self.process.communicate("stop\n")[0]
        self.idle_kib, self.peak_kib = json.loads(out)


def film(work: Path) -> dict[str, float]:
    """One N-SET of 59 MB: seconds and memory."""
    pixels = bytes(FILM_BYTES)
    image, box = Dataset(), Dataset()
    box.ImageBoxPosition = 1
    times = []
    server = child_server(emptied(work / "film"), True)
    with server as port:
        for _ in range(ROUNDS):
            with printing(Peer(host="127.0.0.1", port=port, called="APPLIANCE")) as client:
                started = time.perf_counter()
                client.set_image("1.2.3", box, image, pixels)
                times.append(time.perf_counter() - started)
    return {"seconds": statistics.median(times), "peak_mib_above_idle": (server.peak_kib - server.idle_kib) / 1024}


def many(work: Path) -> dict[str, float]:
    """200 associations at once: seconds to accept all, echo times, idle CPU."""
    from tests.network.raw import ECHO_RQ, IMPLICIT, VERIFICATION, RawPeer, associate_rq, command, presentation_context

    server = child_server(emptied(work / "many"), False)
    with server as port:
        started = time.perf_counter()
        peers = [RawPeer(port) for _ in range(200)]
        for peer in peers:
            peer.send(associate_rq(presentation_context(1, VERIFICATION, IMPLICIT)))
        assert all(peer.pdu()[0] == 2 for peer in peers)
        accepted = time.perf_counter() - started
        sent = time.perf_counter()
        echoes = []
        for peer in peers:
            peer.send(command(ECHO_RQ))
        for peer in peers:
            peer.pdu()
            echoes.append(time.perf_counter() - sent)
        before = cpu_of(server.process.pid)
        time.sleep(3)
        idle = (cpu_of(server.process.pid) - before) / 3
        for peer in peers:
            peer.socket.close()
    return {"accepted_s": accepted, "echo_p99_ms": sorted(echoes)[197] * 1000, "idle_cpu_percent": idle * 100}


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run() -> list[dict[str, Any]]:
    """All of it, in a folder that is removed."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        crowd, one_film, seconds = many(work), film(work), stores(work)
    rows: list[dict[str, Any]] = [
        {"name": "200 associations at once", **crowd},
        {
            "name": "N-SET of 59 MB",
            "ours_s": one_film["seconds"],
            "peak_mib_above_idle": one_film["peak_mib_above_idle"],
        },
    ]
    for name, words in (("plain", "hashed"), ("durable", "hashed, renamed, synced")):
        rows.append(
            {
                "name": f"{INSTANCES} C-STOREs of 512 KB, {words}",
                "ours_s": seconds[name],
                "peer_s": seconds["storescp"],
                "ratio": seconds["storescp"] / seconds[name],
                "goal": "0.4 of storescp, aim 0.8",
                "peer": "DCMTK storescp, not durable",
            }
        )
    return rows


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        group = serve(Path(sys.argv[2]), sys.argv[3] == "1")
        idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(group.port, flush=True)
        sys.stdin.readline()
        print(json.dumps([idle, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
        group.stop()
        return
    print(*run(), sep="\n")


if __name__ == "__main__":
    main()
