"""A made-up next version of the database, as a migration behind the real ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appliance.store import migrate

NEXT = "9000_made_up"
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9000_made_up", "{before}"


def upgrade() -> None:
    op.create_table("ward", sa.Column("name", sa.String(20), primary_key=True))
    with op.batch_alter_table("printer", recreate="always") as table:  # SQLite makes it anew
        table.add_column(sa.Column("ward", sa.String(20), nullable=True))
    with op.batch_alter_table("print_job", recreate="always") as table:
        table.add_column(sa.Column("ward", sa.String(20), nullable=True))
    op.execute("UPDATE print_job SET ward = 'west'")
    {last}
"""
WORKS = "op.execute(\"INSERT INTO ward VALUES ('west')\")"
BREAKS = 'raise RuntimeError("nobody thought of this row\\nand more")'
ORPHANS = 'op.execute("DELETE FROM print_job")'


def next_version(folder: Path, monkeypatch: pytest.MonkeyPatch, last: str = WORKS) -> None:
    """From here on the program is of a version with one migration more, whose last step is `last`."""
    before = migrate.head()
    shutil.copytree(migrate.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{NEXT}.py").write_text(MIGRATION.format(before=before, last=last))
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)


__all__ = ["BREAKS", "NEXT", "ORPHANS", "WORKS", "next_version"]
