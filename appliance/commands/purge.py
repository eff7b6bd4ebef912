"""``appliance purge``: remove what is past its days."""

from __future__ import annotations

import click

from appliance.commands.common import actor, json_option, show, with_store
from appliance.store import ages
from appliance.store.store import Store
from appliance.upkeep import purging


@click.command("purge")
@click.option("--trust-clock", is_flag=True, help="The clock went ahead by days (see appliance check), and is right.")
@json_option
@with_store
def command(store: Store, trust_clock: bool, as_json: bool) -> None:
    """Remove films, discs, studies and audit entries past their days (storage.*_days) or above their quota."""
    if trust_clock:
        ages.trust_clock(store)
    show(purging.purge(store, actor()), as_json=as_json)
