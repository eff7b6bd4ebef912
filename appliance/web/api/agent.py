"""The desk's side of a burner: its agent fetches jobs and images, and reports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask import abort, send_file
from pydantic import Field

from appliance.errors import NotFoundError
from appliance.media.burner import agent
from appliance.media.burner.options import burner_options
from appliance.media.burners import get_burner
from appliance.security.audit import record
from appliance.security.audit_verbs import note_denied
from appliance.security.revoking import by_token
from appliance.security.roles import AGENT
from appliance.web.api.describe import Open, Strict, endpoint
from appliance.web.visitor import actor, store, visitor
from appliance.words import say

Words = Annotated[str, Field(max_length=2000)]


class AgentJob(Open):
    """A piece of media to be burned."""

    job_name: str
    sha256: str
    bytes: int
    title: str
    canceled: bool


class AgentJobs(Strict):
    """What an agent has to do."""

    items: list[AgentJob]


class AgentReport(Strict):
    """How a burn stands, or what came of it."""

    state: Literal["working", "waiting", "done", "spoiled", "refused", "uncertain", "canceled"]
    reasons: tuple[Annotated[str, Field(max_length=64)], ...] = ()
    message: Words = ""
    evidence: Words = ""
    done: Annotated[int, Field(ge=0)] = 0
    begun: bool = False
    """Bytes may have left for the disc."""
    verified: bool | None = None
    verified_by: Literal["read-back", "robot", "nobody"] = "nobody"
    verification: Words = ""
    sha256: Annotated[str, Field(max_length=64)] = ""


def _folder(burner: str) -> Any:
    """Where an agent's jobs lie; 403 for the token of another one."""
    stored = get_burner(store(), burner)
    if not stored.burner_uri.startswith("agent:"):
        raise NotFoundError(say("Burner %(burner)s has no agent.", burner=burner))
    wanted = burner_options(stored.settings.options).token
    if wanted and visitor().role == AGENT and visitor().name != by_token(wanted):
        note_denied(store(), actor(), f"burner {burner}")
        abort(403)
    return agent.folder_of(store().folder.root, stored.burner_uri.partition(":")[2])


@endpoint(
    "GET",
    "/burners/<burner>/agent-jobs",
    "What the agent of a burner has to burn",
    permission="discs.burn",
    gives=AgentJobs,
)
def list_agent_jobs(burner: str) -> Any:
    return {"items": agent.jobs_of(_folder(burner))}


@endpoint(
    "GET",
    "/burners/<burner>/agent-jobs/<job>/<any(image, label):what>",
    "Image or label of a job",
    permission="discs.burn",
    media_type="application/octet-stream",
)
def get_agent_file(burner: str, job: str, what: str) -> Any:
    path = agent.file_of(_folder(burner), job, what)
    with store().database.write() as connection:
        record(connection, f"disc-{what}-fetched", actor(), object_kind="burner", object_id=burner, detail={"job": job})
    return send_file(path, mimetype="application/octet-stream", conditional=True)


@endpoint(
    "POST",
    "/burners/<burner>/agent-jobs/<job>/report",
    "Say how the burn of a job stands",
    permission="discs.burn",
    body=AgentReport,
)
def report_agent_job(burner: str, job: str, body: AgentReport) -> Any:
    agent.report(_folder(burner), job, body.model_dump(mode="json"))
