"""Where the files that travel with the program lie: ``layouts`` and ``templates``."""

from __future__ import annotations

from pathlib import Path

from appliance.errors import NotFoundError

PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The shipped folder `name` ("layouts", "templates"): in an installed wheel, else at the top of the checkout."""
    candidates = (PACKAGE / "_shipped" / name, PACKAGE.parent / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise NotFoundError(
        f"the shipped folder {name!r} is missing: looked in {', '.join(map(str, candidates))}; reinstall"
    )
