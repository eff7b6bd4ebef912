"""The hospital around the machine: DCMTK's clients, a browser of few words, printers that listen."""

from __future__ import annotations

import http.cookiejar
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np

from scripts.try_boot.machine import THERE
from tests.support.dcmtk_print import DcmtkPrint, secondary_capture

COMPRESSED = {  # how DCMTK makes it and how it offers it
    "JPEG lossless": (["dcmcjpeg", "+e1"], "-xs"),
    "JPEG baseline": (["dcmcjpeg", "+eb"], "-xy"),
    "JPEG-LS": (["dcmcjpls"], "-xt"),
    "RLE": (["dcmcrle"], "-xr"),
}


class Modality:
    """Made-up images and the commands that send them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.printing = DcmtkPrint(folder, ours=104)
        settings = folder / "scu.cfg"
        settings.write_text(settings.read_text().replace("Hostname = localhost", f"Hostname = {THERE}", 1))
        self.count = 0

    def image(self, side: int = 512) -> Path:
        self.count += 1
        pixels = np.add.outer(np.arange(side), np.arange(side) * 3 + self.count) % 256
        return secondary_capture(self.folder / f"image-{self.count}.dcm", pixels, 8)

    def film(self) -> bool:
        """Print one film on port 104; whether N-ACTION was answered."""
        return self.printing.is_acknowledged("OURS", self.printing.stored_print(self.image()))

    def store(self, *files: Path, offer: str = "-xe", to: str = THERE) -> bool:
        command = ["storescu", "-aet", "MOD", "-aec", "APPLIANCE", "-to", "10", offer, to, "104"]
        return subprocess.run([*command, *map(str, files)], capture_output=True, check=False).returncode == 0

    def compressed(self, kind: str) -> tuple[Path, str]:
        command, offer = COMPRESSED[kind]
        made = self.folder / f"{kind.replace(' ', '-')}.dcm"
        subprocess.run([*command, str(self.image()), str(made)], check=True, capture_output=True)
        return made, offer

    def jpeg2000(self) -> tuple[Path, str]:
        import pydicom
        from pydicom.uid import JPEG2000Lossless

        dataset = pydicom.dcmread(self.image())
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
        made = self.folder / "j2k.dcm"
        dataset.save_as(made)
        return made, "-xv"

    def echo(self, to: str = THERE, calling: str = "MOD", port: int = 104, *options: str) -> bool:
        command = ["echoscu", "-to", "5", "-ta", "5", "-aet", calling, "-aec", "APPLIANCE", *options, to, str(port)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


class Browser:
    """Fetches pages over HTTPS, its certificate checked against AUTHORITY; keeps cookies, fills in forms."""

    def __init__(self, authority: str, host: str = THERE) -> None:
        context = ssl.create_default_context(cadata=authority)
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), jar)
        self.base = f"https://{host}"
        self.at = self.base

    def get(self, path: str) -> str:
        with self.opener.open(urllib.parse.urljoin(self.base, path), timeout=60) as answer:
            self.at = answer.url
            return answer.read().decode()

    def fill(self, path: str, **fields: str) -> str:
        """Post the form at PATH with FIELDS, as its page gave it."""
        page = self.get(path)
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        data = urllib.parse.urlencode({"csrf_token": token[1] if token else "", **fields}).encode()
        request = urllib.request.Request(self.at, data, headers={"Referer": self.at})
        with self.opener.open(request, timeout=60) as answer:
            self.at = answer.url
            return answer.read().decode()


class RawPrinter:
    """Takes whatever comes on port 9100 of the hospital's side."""

    def __init__(self, address: str = "10.77.0.1") -> None:
        self.socket = socket.create_server((address, 9100))
        self.documents: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.socket.accept()
            parts = []
            while part := connection.recv(1 << 20):
                parts.append(part)
            self.documents.append(b"".join(parts))
            connection.close()
