"""Addresses of static files, each with a hash of its content, so that browsers keep them for good."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, url_for


def install(app: Flask) -> None:
    folder = Path(app.static_folder or "")
    hashes = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        for path in folder.rglob("*")
        if path.is_file()
    }

    @lru_cache(maxsize=256)
    def asset(name: str) -> str:
        return url_for("static", filename=name, v=hashes[name])

    app.jinja_env.globals["asset"] = asset
