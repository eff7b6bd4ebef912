"""``appliance purge``: remove what is past its days."""

from __future__ import annotations

import click

from appliance.commands.common import actor, json_option, show, with_store
from appliance.store.store import Store
from appliance.upkeep import purging


@click.command("purge")
@json_option
@with_store
def command(store: Store, as_json: bool) -> None:
    """Remove films, discs, studies and audit entries past their days (storage.*_days) or above their quota."""
    show(purging.purge(store, actor()), as_json=as_json)
