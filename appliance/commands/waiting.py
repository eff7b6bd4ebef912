"""``--wait``: follow a job to its end, by the running service or in the foreground under the same locks."""

from __future__ import annotations

import time

import click

from appliance.commands.common import show
from appliance.errors import ApplianceError
from appliance.store import job_states as states
from appliance.store.store import Store

wait_option = click.option("--wait", is_flag=True, help="Wait until it is done.")


def show_job_result(store: Store, job_id: int, *, wait: bool, as_json: bool) -> None:
    """Print a job, at its end when waited for. Raises ApplianceError when it was waited for and did not print."""
    from appliance.printing.views import show_job  # not at the top: other commands wait here for no films

    if wait:
        follow_job(store, job_id)
    view = show_job(store, job_id)
    if as_json:
        show(view, as_json=True)
    else:
        click.echo(f"Job {job_id} on {view['printer']}: {view['job_state']} {view['job_state_message']}".rstrip())
    if wait and view["job_state"] != states.COMPLETED:
        raise ApplianceError(f"Job {job_id} is {view['job_state']}: {view['job_state_message']}")


def follow_job(store: Store, job_id: int) -> None:
    """Return when a job is final or held."""
    from appliance.printing.jobs import get_job

    while get_job(store, job_id).job_state not in (*states.FINAL, states.HELD):
        if not has_workers(store, "films"):
            from appliance.printing.worker import FilmWorker

            FilmWorker(store).work_off()  # it returns, too, while a job waits to be tried again
        time.sleep(0.2)


def has_workers(store: Store, kind: str) -> bool:
    """Whether a process of the running service does this kind of work."""
    return bool(store.locks.living(kind))
