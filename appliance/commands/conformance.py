"""``appliance conformance``: the DICOM conformance statement of this appliance as it is set up."""

from __future__ import annotations

import click

from appliance.commands.common import with_store
from appliance.store.store import Store


@click.command("conformance")
@with_store
def command(store: Store) -> None:
    """Print the DICOM conformance statement (Markdown)."""
    from appliance.dicom.conformance import print_statement
    from appliance.dicom.media_conformance import media_statement
    from appliance.dicom.storage_conformance import storage_statement

    click.echo(print_statement(store))
    click.echo(storage_statement(store))
    click.echo(media_statement(store))
