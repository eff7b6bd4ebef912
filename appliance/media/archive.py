"""A zip archive with AES-256 (WinZip AE-2), for sites that forbid clear media. Its password is printed apart."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyzipper
from reportlab.lib.pagesizes import A5
from reportlab.pdfgen.canvas import Canvas

from appliance.errors import DamagedError
from appliance.media.build import Built
from appliance.media.burner.paths import sha256_of
from appliance.media.label_output import FONT, pdf_font
from appliance.media.progress import Watch
from appliance.store import files
from appliance.store.files import PartFile, failpoint
from appliance.words import say

BLOCK = 1 << 20


def encrypt(built: Built, password: str, watch: Watch) -> Built:
    """Put a checked archive's members into an encrypted one, in its place; read back before it is kept.

    Raises DamagedError when what is read back is not what went in.
    """
    secret = password.encode("ascii")
    with PartFile(built.path.with_name(built.path.name + ".aes")) as part:
        sums = _write(built, part, secret, watch)
        failpoint("build.encrypted")
        if dict(_sums(part.part, secret)) != sums:
            raise DamagedError(
                say("Volume %(volume)s: the encrypted archive is not what went in; make it again.", volume=built.volume)
            )
        whole = part.commit()
    files.rename(whole, built.path)
    digest, size = sha256_of(built.path)
    return replace(built, sha256=digest, bytes=size)


def _write(built: Built, part: PartFile, secret: bytes, watch: Watch) -> dict[str, str]:
    sums, done = {}, 0
    with (
        zipfile.ZipFile(built.path) as plain,
        pyzipper.AESZipFile(part.file, "w", compression=zipfile.ZIP_STORED, encryption=pyzipper.WZ_AES) as archive,
    ):
        archive.setpassword(secret)
        for info in plain.infolist():
            digest = hashlib.sha256()
            files.operation("write", part.part)
            with plain.open(info) as source, archive.open(info.filename, "w", force_zip64=True) as member:
                while data := source.read(BLOCK):
                    digest.update(data)
                    member.write(data)
            sums[info.filename] = digest.hexdigest()
            done += info.file_size
            watch.step(done, built.bytes)
    part.file.flush()
    return sums


def _sums(path: Path, secret: bytes) -> Iterator[tuple[str, str]]:
    with pyzipper.AESZipFile(path) as archive:
        archive.setpassword(secret)
        for info in archive.infolist():
            digest = hashlib.sha256()
            with archive.open(info) as member:
                while data := member.read(BLOCK):
                    digest.update(data)
            yield info.filename, digest.hexdigest()


def password_sheet(disc_id: int, file_set_id: str, password: str) -> bytes:
    """The sheet with the password, as PDF. It names no patient: it travels apart from the disc."""
    out = io.BytesIO()
    width, height = A5
    canvas = Canvas(out, pagesize=A5, invariant=1)
    canvas.setTitle("Password")
    lines = ((14, f"Password of archive {file_set_id} (disc {disc_id})"), (22, password))
    y = height - 120.0
    for size, text in lines:
        canvas.setFont(pdf_font(), size)
        canvas.drawCentredString(width / 2, y, text)
        y -= 60
    canvas.setFont(FONT, 10)
    for text in ("Keep this sheet apart from the disc.", "Any program that opens AES-256 zip archives opens it."):
        canvas.drawCentredString(width / 2, y, text)
        y -= 18
    canvas.showPage()
    canvas.save()
    return out.getvalue()
