"""By what words a print job is found: its label, the AE titles and its printer, in any script and case."""

from __future__ import annotations

from sqlalchemy import Connection

from appliance.store import print_job_words
from appliance.store.print_jobs import Job
from appliance.studies import normal

MOST_WORDS = 8
"""Of a text that is searched for, its first words count: each costs a look at every job that is walked over."""


def job_words(*, originator: str, called_ae_title: str, label: str, printer: str) -> set[str]:
    """The words a job of these texts is found by."""
    names = (normal.identifiers(name) for name in (originator, called_ae_title, printer))
    return set().union(normal.indexed(label), *names)


def prefixes(text: str) -> list[str]:
    """What words must begin with to fit a text a person typed."""
    return [word[: normal.LONGEST] for word in normal.words(text)][:MOST_WORDS]


def index_again(connection: Connection, job: Job, printer: str) -> None:
    """A job goes to another printer: it is found by that one's name from now on."""
    words = job_words(originator=job.originator, called_ae_title=job.called_ae_title, label=job.label, printer=printer)
    print_job_words.put(connection, job.job_id, words)
