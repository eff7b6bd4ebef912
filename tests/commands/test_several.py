"""A verb on several: what can't be done to one is said, and keeps no other from it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from appliance.cli import cli
from tests.media.disc_helpers import STUDY
from tests.support.cli import run


def command(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_of_three_discs_the_one_that_is_none_keeps_no_other_from_being_cancelled(data: Path) -> None:
    for _ in range(2):
        run("disc", "create", "--study", STUDY)
    result = command("disc", "cancel", "1", "9", "2", "--json")
    assert result.exit_code == 1
    assert result.stderr == "appliance: There is no disc 9.\n"
    assert [disc["disc_id"] for disc in json.loads(result.stdout)] == [1, 2]
    listed = json.loads(run("disc", "list", "--json"))
    assert [disc["execution_status_info"] for disc in listed] == ["CANCELED", "CANCELED"]


def test_of_three_print_jobs_the_one_that_is_none_keeps_no_other_from_being_held(data: Path) -> None:
    for _ in range(2):
        run("printer", "test-page", "film")
    result = command("job", "hold", "1", "9", str(10**20), "2")
    assert result.exit_code == 1
    assert result.stderr == "appliance: There is no print job 9.\nappliance: Nothing here has so large a number.\n"
    listed = json.loads(run("job", "list", "--json"))
    assert [job["job_state"] for job in listed] == ["pending-held", "pending-held"]


def test_of_two_studies_the_one_that_is_none_keeps_no_other_from_being_deleted(data: Path) -> None:
    result = command("study", "delete", "1.2.3", STUDY)
    assert result.exit_code == 1
    assert "1.2.3" in result.stderr
    assert json.loads(run("study", "list", "--json")) == []
