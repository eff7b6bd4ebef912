"""What every burner must do: one suite for all of them, over real folders, xorriso, and robots that rename."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import SettingError, UsageError
from appliance.media.burner.agent import report
from appliance.media.burner.outcome import BurnOutcome
from appliance.media.burner.registry import open_burner
from appliance.store import files
from tests.media.burner.conftest import MakeHarness
from tests.media.burner.harness import ROBOTS, SCHEMES, agent_defaults

DONE, RETRY, WAITING, WORKING = BurnOutcome.DONE, BurnOutcome.RETRY, BurnOutcome.WAITING, BurnOutcome.WORKING
SPOILED, UNCERTAIN, CANCELED = BurnOutcome.SPOILED, BurnOutcome.UNCERTAIN, BurnOutcome.CANCELED


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_image_comes_out_once_as_it_is(harness: MakeHarness, scheme: str) -> None:
    burner = harness(scheme)
    request = burner.request()
    result = burner.burn(request)
    assert (result.outcome, bool(result.evidence)) == (DONE, True), result.message
    assert burner.came_out() == [request.sha256]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_it_begins_before_the_first_byte_leaves(harness: MakeHarness, scheme: str) -> None:
    burner = harness(scheme)
    seen: list[list[str]] = []
    burner.burn(burner.request(begin=lambda: seen.append(burner.came_out())))
    assert seen == [[]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_burned_when_the_beginning_can_not_be_noted(harness: MakeHarness, scheme: str) -> None:
    class NoDatabaseError(Exception):
        pass

    def fail() -> None:
        raise NoDatabaseError

    burner = harness(scheme)
    with pytest.raises(NoDatabaseError):
        burner.burner.submit(burner.request(begin=fail))
    assert burner.came_out() == []
    assert burner.burner.status(burner.request()).outcome is RETRY


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_was_burned_is_read_back_or_the_robot_is_quoted(harness: MakeHarness, scheme: str) -> None:
    burner = harness(scheme)
    request = burner.request()
    burner.burn(request)
    found = burner.burner.verify(request)
    expected = {"primera": (True, "robot"), "epson": (None, "robot")}
    assert (found.good, found.by) == expected.get(scheme, (True, "read-back")), found.message
    if found.by == "read-back":
        assert found.sha256 == request.sha256
    else:
        assert "robot" in found.message


@pytest.mark.parametrize("scheme", ["folder", "drive"])
@pytest.mark.parametrize("damage", ["changed", "short"])
def test_one_wrong_byte_on_the_disc_is_noticed(harness: MakeHarness, scheme: str, damage: str) -> None:
    burner = harness(scheme)
    request = burner.request()
    burner.burn(request)
    path = burner.disc if scheme == "drive" else next(burner.place.glob("*.iso"))
    data = bytearray(path.read_bytes())
    data[request.bytes - 1] ^= 1
    path.write_bytes(data if damage == "changed" else data[: request.bytes - 2048])
    found = burner.burner.verify(request)
    assert found.good is False
    assert "not those of the image" in found.message


# what `status` says about a job nobody began, one that was made, and one that began and was lost
ANSWERS = {
    "folder": (RETRY, DONE, RETRY),
    "drive": (RETRY, DONE, UNCERTAIN),
    "agent": (RETRY, DONE, UNCERTAIN),
    "primera": (RETRY, DONE, UNCERTAIN),
    "epson": (RETRY, DONE, UNCERTAIN),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_after_an_interruption_the_burner_is_asked(harness: MakeHarness, scheme: str) -> None:
    burner = harness(scheme)
    request = burner.request()
    never, made, lost = ANSWERS[scheme]
    assert burner.burner.status(request).outcome is never
    burner.burn(request)
    begun = replace(request, begun=True)
    assert burner.burner.status(begun).outcome is made
    if burner.disc.exists():
        burner.disc.unlink()
    for path in burner.place.glob("0*") if burner.place.exists() else ():
        path.unlink()
    assert burner.burner.status(begun).outcome is lost


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("step", ["burn.half", "burn.done"])
def test_an_error_at_any_step_makes_no_disc_twice(harness: MakeHarness, scheme: str, step: str) -> None:
    burner = harness(scheme)
    begun: list[bool] = []
    request = burner.request(begin=lambda: begun.append(True))
    files.set_fault(f"{step}:EIO")
    burner.burner.submit(request)
    files.set_fault("")
    again = replace(request, begun=bool(begun))
    result = burner.follow(again)
    if result.outcome is RETRY:
        result = burner.burn(request)
    if result.outcome is not DONE:  # only a drive can't undo: its disc is waste, and said to be
        assert (scheme, result.outcome) == ("drive", SPOILED)
    assert len(burner.came_out()) <= 1


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_cancelled_burn_leaves_nothing_behind(harness: MakeHarness, scheme: str) -> None:
    burner = harness(scheme, "asleep" if scheme in (*ROBOTS, "agent") else "")
    request = burner.request(is_canceled=lambda: True)
    result = burner.burner.submit(request)
    if result.outcome is not CANCELED:
        result = burner.burner.cancel(request)
    assert result.outcome is CANCELED or (scheme, result.outcome) == ("drive", DONE), result.message
    left = [path.name for path in burner.place.iterdir()] if burner.place.exists() else []
    assert left == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_check_and_the_supplies_answer(harness: MakeHarness, scheme: str) -> None:
    burner = harness(scheme).burner
    findings = burner.probe()
    assert findings
    assert all(finding.ok for finding in findings), findings
    assert burner.supplies().burner_state == "idle"


@pytest.mark.parametrize("scheme", ["folder", *ROBOTS])
def test_a_folder_that_is_gone_waits_for_a_person(harness: MakeHarness, scheme: str) -> None:
    burner = harness(scheme)
    if burner.robot is not None:
        burner.robot.stop()
        for path in sorted(burner.place.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        burner.place.rmdir()
    burner.place.write_text("in the way")
    result = burner.burner.submit(burner.request())
    assert (result.outcome, result.reasons) == (WAITING, ("offline",))
    assert burner.burner.supplies().burner_state == "stopped"
    assert [finding.ok for finding in burner.burner.probe()] == [False]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_lies_under_no_allowed_folder_is_refused(tmp_path, scheme: str) -> None:  # type: ignore[no-untyped-def]
    target = "stdio:/somewhere/else" if scheme == "drive" else "/somewhere/else"
    with pytest.raises(UsageError, match="no allowed folder|names no agent"):
        open_burner(f"{scheme}:{target}", options={"folder_roots": (tmp_path,)})


def test_what_no_burner_is_is_refused() -> None:
    with pytest.raises(UsageError, match="not published"):
        open_burner("rimage:/orders")
    with pytest.raises(UsageError, match="No burner is reached by tape"):
        open_burner("tape:/dev/st0")
    with pytest.raises(UsageError, match="names no drive"):
        open_burner("drive:/etc/passwd")
    with pytest.raises(SettingError, match="did you mean speed"):
        open_burner("drive:/dev/sr0", options={"sped": 8})


# robots ---------------------------------------------------------------------------------------------------------------

# fault -> outcome, first reason
ROBOT_FAULTS = {
    "fails": (SPOILED, "robot-failed"),
    "jams": (WAITING, "media-jam"),
    "empty": (WAITING, "media-empty"),
    "slow": (DONE, ""),
    "forgets": (UNCERTAIN, ""),
}


@pytest.mark.parametrize("scheme", ROBOTS)
@pytest.mark.parametrize("fault", ROBOT_FAULTS)
def test_a_fault_of_the_robot_ends_as_it_should(harness: MakeHarness, scheme: str, fault: str) -> None:
    robot = harness(scheme, fault)
    begun: list[bool] = []
    request = robot.request(begin=lambda: begun.append(True))
    robot.burner.submit(request)
    request = replace(request, begun=bool(begun))
    outcome, reason = ROBOT_FAULTS[fault]
    result = robot.follow(request, until=lambda found: found.outcome is outcome)
    assert (result.outcome, result.reasons[:1]) == (outcome, (reason,) if reason else ()), result.message
    if outcome is SPOILED:
        assert sorted(robot.place.glob("*.iso")) + sorted(robot.place.glob("*.jpg")) == [], "they name a patient"
    if outcome is WAITING:  # a person clears it, and it goes on
        assert robot.robot is not None
        robot.robot.fault = ""
        assert robot.follow(request).outcome is DONE
        assert robot.came_out() == [request.sha256]


# what a robot's status file says -> what is told of the job, for people
STATUS_FILES: dict[str, tuple[str, str, bytes, str]] = {
    "epson: unknown numbers are no error": (
        "epson", "TDBStatus.txt", b"[000007-1]\r\nSTATUS=2\r\nERRORDISC_NUMBER=-1\r\nERROR=\r\n", ""),
    "epson: its error": ("epson", "TDBStatus.txt", b"[000007-1]\r\nERROR=no discs left\r\n", "no discs left"),
    "epson: zeros": ("epson", "TDBStatus.txt", b"[000007-1]\r\nERROR=0000\r\n", ""),
    "epson: another job's": ("epson", "TDBStatus.txt", b"[000006-1]\r\nERROR=no discs left\r\n", ""),
    "epson: half written": ("epson", "TDBStatus.txt", b"[ACTIVE_JOB]\r\nJOB1=000007-1\r\n[0000", ""),
    "primera: its robot": ("primera", "Status/Bravo.txt", b"[System]\nSysErrorString=Ink low\n", "Ink low"),
    "primera: the system": ("primera", "Status/SystemStatus.txt", b"[Bravo]\nSysErrorString=Ink low\n", "Ink low"),
    "primera: another robot": ("primera", "Status/XRP.txt", b"[System]\nSysErrorString=Ink low\n", ""),
    "primera: none": ("primera", "Status/Bravo.txt", b"[System]\nSysErrorString=No Errors\nSysErrorNumber=0\n", ""),
    "primera: UTF-8 with a mark": (
        "primera", "Status/Bravo.txt", "\ufeff[000007-1]\nJobErrorString=Farbe fehlt\n".encode(), "Farbe fehlt"),
    "primera: UTF-16": (
        "primera", "Status/Bravo.txt", "\ufeff[000007-1]\r\nJobErrorString=Ink low\r\n".encode("utf-16-le"), "Ink low"),
    "primera: no text": ("primera", "Status/Bravo.txt", bytes(range(256)), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", STATUS_FILES)
def test_a_status_file_is_read_as_its_maker_writes_it(harness: MakeHarness, case: str) -> None:
    scheme, name, data, told = STATUS_FILES[case]
    robot = harness(scheme, "asleep", **({"robot": "Bravo"} if scheme == "primera" else {}))
    request = robot.request()
    robot.burner.submit(request)
    path = robot.place / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    result = robot.burner.status(replace(request, begun=True))
    if told:
        assert result.outcome is WAITING and told in result.message
    else:
        assert result.outcome is WORKING, result.message


def test_a_cancel_the_robot_answered_is_not_asked_again(harness: MakeHarness) -> None:
    """TD Bridge renames the file that asks: .CDN, or .CER when it can't."""
    robot = harness("epson", "asleep")
    request = robot.request()
    robot.burner.submit(request)
    (robot.place / "000007-1.JDF").rename(robot.place / "000007-1.INP")
    assert robot.burner.cancel(request).outcome is WORKING
    (robot.place / "000007-1.JCF").rename(robot.place / "000007-1.CER")
    assert robot.burner.cancel(request).outcome is WORKING
    assert not (robot.place / "000007-1.JCF").exists()


@pytest.mark.parametrize("scheme", ROBOTS)
def test_a_job_folder_that_can_not_be_read_just_now_waits(harness: MakeHarness, scheme: str) -> None:
    robot = harness(scheme, "asleep")
    request = robot.request()
    robot.burner.submit(request)
    robot.place.rename(robot.folder / "elsewhere")
    result = robot.burner.status(replace(request, begun=True))
    assert (result.outcome, result.reasons) == (WAITING, ("offline",))
    (robot.folder / "elsewhere").rename(robot.place)
    assert robot.burner.status(replace(request, begun=True)).outcome is WORKING


@pytest.mark.parametrize("scheme", ROBOTS)
def test_a_robot_that_sleeps_is_said_to(harness: MakeHarness, scheme: str) -> None:
    robot = harness(scheme, "asleep", taken_deadline=0.0)
    robot.burner.submit(robot.request())
    result = robot.follow(robot.request(), until=lambda found: found.outcome is WAITING)
    assert (result.outcome, result.reasons) == (WAITING, ("offline",))


@pytest.mark.parametrize("scheme", ROBOTS)
def test_a_job_at_work_is_asked_to_stop(harness: MakeHarness, scheme: str) -> None:
    robot = harness(scheme, "jams")
    request = robot.request()
    robot.burner.submit(request)
    robot.follow(request, until=lambda found: found.outcome is WAITING)
    assert robot.burner.cancel(request).outcome is WORKING
    assert robot.follow(request).outcome is SPOILED  # the robot ends it as an error
    assert robot.came_out() == []


def test_a_primera_job_says_what_the_robot_needs(harness: MakeHarness) -> None:
    robot = harness("primera", "asleep", robot_root="\\\\appliance\\jobs", speed="8", robot="Bravo")
    robot.burner.submit(robot.request())
    text = (robot.place / "000007-1.JRQ").read_bytes()
    lines = text.decode().split("\r\n")
    assert "ImageFile = \\\\appliance\\jobs\\000007-1.iso" in lines
    assert "PrintLabel = \\\\appliance\\jobs\\000007-1.jpeg" in lines
    assert {"CloseDisc = YES", "VerifyDisc = YES", "Copies = 1", "BurnSpeed = 8", "RobotName = Bravo"} <= set(lines)
    assert b"\n" not in text.replace(b"\r\n", b"")


def test_an_epson_job_says_what_the_robot_needs(harness: MakeHarness) -> None:
    robot = harness("epson", "asleep", publisher="PP-100", robot_root="\\\\appliance\\jobs")
    robot.burner.submit(robot.request())
    lines = (robot.place / "000007-1.JDF").read_bytes().decode().split("\r\n")
    wanted = {"JOB_ID=000007-1", "PUBLISHER=PP-100", "COPIES=1", "DISC_TYPE=CD", "CLOSE_DISC=YES"}
    assert wanted | {"IMAGE=\\\\appliance\\jobs\\000007-1.iso"} <= set(lines)


FIELDS = {"PatientName": "MÜLLER ÄNNE", "StudyDate": "20260102", "Serial": "000007-1", "LabelText": "two\nlines"}


def test_an_epson_template_is_filled_from_a_file_beside_the_job(harness: MakeHarness) -> None:
    given = {"template": "C:\\labels\\ours.tdd", "fields": ("patient=PatientName", "date=StudyDate", "text=LabelText")}
    robot = harness("epson", "asleep", robot_root="C:\\Jobs", **given)
    assert robot.burner.label_kind == ""
    request = robot.request(fields=FIELDS)
    robot.burner.submit(request)
    lines = (robot.place / "000007-1.JDF").read_bytes().decode().split("\r\n")
    assert {"LABEL=C:\\labels\\ours.tdd", "REPLACE_FIELD=C:\\Jobs\\000007-1.dat"} <= set(lines)
    told = (robot.place / "000007-1.dat").read_bytes()
    assert told == "patient=MÜLLER ÄNNE\r\ndate=20260102\r\ntext=two lines\r\n".encode("cp1252")
    robot.burner.close(request)
    assert not (robot.place / "000007-1.dat").exists()


def test_a_primera_template_gets_every_field_in_its_order(harness: MakeHarness) -> None:
    given = {"template": "C:\\labels\\ours.std", "fields": ("a=Serial", "b=AccessionNumber", "c=StudyDate")}
    robot = harness("primera", "asleep", **given)
    robot.burner.submit(robot.request(fields=FIELDS))
    lines = (robot.place / "000007-1.JRQ").read_bytes().decode("cp1252").split("\r\n")
    assert "PrintLabel = C:\\labels\\ours.std" in lines
    assert [line for line in lines if "MergeField" in line] == [
        "MergeField = 000007-1",
        "MergeField = ",
        "MergeField = 20260102",
    ]


@pytest.mark.parametrize("scheme", ROBOTS)
def test_a_field_nobody_knows_is_refused(tmp_path: Path, scheme: str) -> None:
    options = {"folder_roots": [str(tmp_path)], "fields": ["patient=PatientsName"]}
    with pytest.raises(SettingError, match="there are PatientName"):
        open_burner(f"{scheme}:{tmp_path}/jobs", options=options)


# drive ----------------------------------------------------------------------------------------------------------------


def test_a_drive_asks_for_a_blank_disc(harness: MakeHarness) -> None:
    drive = harness("drive", "empty")
    request = drive.request(title="disc 2 of 3")
    empty = drive.burner.submit(request)
    assert (empty.outcome, empty.reasons) == (WAITING, ("media-needed",))
    assert "Insert a blank CD for disc 2 of 3" in empty.message
    drive.insert()
    assert drive.burn(request).outcome is DONE
    finished = drive.burner.submit(request)
    assert (finished.outcome, finished.reasons) == (WAITING, ("media-needed", "media-not-blank"))


def test_a_half_written_disc_is_waste(harness: MakeHarness) -> None:
    drive = harness("drive")
    request = drive.request(begun=True)
    drive.burn(request)
    drive.disc.write_bytes(drive.disc.read_bytes()[: request.bytes // 2])
    assert drive.burner.status(request).outcome is SPOILED


def test_a_drive_that_is_not_there_waits(harness: MakeHarness) -> None:
    burner = open_burner("drive:/dev/appliance-no-such-drive")
    result = burner.submit(harness("drive").request())
    assert (result.outcome, result.reasons) == (WAITING, ("offline",))
    assert [finding.ok for finding in burner.probe()] == [True, False, False]


# agent ----------------------------------------------------------------------------------------------------------------


def test_an_agent_that_read_something_else_back_is_not_believed(harness: MakeHarness) -> None:
    desk = harness("agent", "asleep")
    request = desk.request()
    desk.burner.submit(request)
    said = {"state": "done", "verified": True, "verified_by": "read-back", "sha256": "0" * 64}
    report(desk.place, request.job_name, {**agent_defaults(), **said})
    assert desk.burner.status(request).outcome is DONE
    assert desk.burner.verify(request).good is False
    report(desk.place, request.job_name, {**agent_defaults(), "state": "done"})
    assert desk.burner.verify(request).good is None


# folder ---------------------------------------------------------------------------------------------------------------


def test_the_ticket_of_another_disc_says_nothing_of_this_one(harness: MakeHarness) -> None:
    burner = harness("folder")
    request = burner.request()
    burner.burn(replace(request, ticket={"sha256": "another"}))
    assert burner.burner.status(replace(request, begun=True)).outcome is RETRY
    assert "move it away" in str(burner.burner.submit(request).message)


def test_a_folder_has_image_label_and_ticket(harness: MakeHarness) -> None:
    folder = harness("folder")
    folder.burn(folder.request())
    assert sorted(path.name for path in folder.place.iterdir()) == ["000007-1.iso", "000007-1.json", "000007-1.pdf"]
    assert json.loads((folder.place / "000007-1.json").read_text()) == {"disc_id": 7}
