"""One film of 59 MB through the ``dicom:`` device to DCMTK's dcmprscp: seconds and memory.

Run as ``python -m benchmarks.film_imager``. Needs dcmtk.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference
from appliance.printing.device.outcome import Document, SendOutcome, SendRequest
from appliance.printing.device.registry import open_device

SIDE, ROUNDS = 5440, 5


def session(folder: Path) -> FilmSession:
    """STANDARD\\1,1 with one image of 12 bits."""
    length = SIDE * SIDE * 2
    if not (folder / "image").exists():
        (folder / "image").write_bytes(bytes(length))
    image = Image(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=SIDE,
        Columns=SIDE,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
        pixels=PixelReference(file="image", offset=0, length=length),
    )
    box = ImageBox(ImageBoxPosition=1, image=image)
    film = FilmBox(
        ImageDisplayFormat="STANDARD\\1,1", image_boxes=(box,), FilmSizeID="14INX17IN", FilmOrientation="PORTRAIT"
    )
    return FilmSession(film_boxes=(film,), MediumType="BLUE FILM")


def send(folder: Path, port: int) -> None:
    """Send the film once; print seconds and MiB above what the process had before."""
    document = folder / "film.pdf"
    document.write_bytes(b"%PDF-1.5")
    sheet = Document(path=document, document_format="application/pdf", film=1, copy=1, width_mm=355.6, height_mm=431.8)
    request = SendRequest(job_name="bench", documents=[sheet], session=session(folder), folder=folder)
    device = open_device(f"dicom://JUDGE@127.0.0.1:{port}")
    before = peak_kib()
    started = time.perf_counter()
    result = device.send(request, lambda sent, total: None)
    seconds = time.perf_counter() - started
    assert result.outcome is SendOutcome.DONE, result.message
    print(json.dumps([seconds, (peak_kib() - before) / 1024]))


def peak_kib() -> int:
    """Most memory of this process so far that is not pages of a file."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run() -> list[dict[str, Any]]:
    """Each round in a process of its own."""
    from tests.support.fault_imager import dcmprscp

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with dcmprscp(folder / "imager") as judge:
            rounds = []
            for _ in range(ROUNDS):
                command = [sys.executable, "-m", "benchmarks.film_imager", str(folder), str(judge.port)]
                rounds.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
                for path in (folder / "imager" / "database").iterdir():
                    path.unlink()
        seconds, mib = zip(*rounds, strict=True)
        return [
            {
                "name": "a film of 59 MB to an imager",
                "ours_s": statistics.median(seconds),
                "peak_mib_above_idle": statistics.median(mib),
                "peer": "DCMTK dcmprscp",
            }
        ]


def main() -> None:
    if len(sys.argv) > 2:
        send(Path(sys.argv[1]), int(sys.argv[2]))
    else:
        print(*run(), sep="\n")


if __name__ == "__main__":
    main()
