"""``scheme:/absolute/path``: where printers and burners that are folders lie."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote


def folder_uri(path: Path | str, scheme: str = "folder") -> str:
    """The URI of an absolute path. Of all signs only the percent sign is written otherwise."""
    return f"{scheme}:{str(path).replace('%', '%25')}"


def path_of(uri: str) -> Path | None:
    """The path that ``scheme:/path`` or ``scheme:///path`` names; None when it isn't absolute, or leads up by "..".

    Such a URI has neither query nor fragment: "?" and "#" are letters of names.
    """
    path = Path(unquote(uri.partition(":")[2].removeprefix("//")))
    return path if path.is_absolute() and ".." not in path.parts and "\0" not in str(path) else None
