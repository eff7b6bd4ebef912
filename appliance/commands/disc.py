"""``appliance disc``: create, list, show, cancel, release, confirm, spoil, decide, move, again, remake, verify.

What makes discs is loaded by the commands that make some: a list is there at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.commands.common import actor, assigned, data_not_needed, for_each, json_option, show, with_store
from appliance.commands.waiting import has_workers, wait_option
from appliance.errors import ApplianceError
from appliance.jobs.priorities import PRIORITIES
from appliance.media.check.finding import ERROR
from appliance.media.copy_types import all_copy_types
from appliance.media.views import list_discs, show_disc
from appliance.store import discs
from appliance.store.store import Store

if TYPE_CHECKING:
    from appliance.media.ordering import DiscOrder
    from appliance.media.plan import Note

VIDEO = click.Choice(["refuse", "mp4"])
COLUMNS = ("disc_id", "execution_status", "phase", "patient_name", "profile", "burner", "message")


@click.group("disc")
def command() -> None:
    """Discs of studies."""


@command.command("create")
@click.option("--study", "studies", multiple=True, metavar="UID", help="May be given again.")
@click.option("--series", multiple=True, metavar="UID")
@click.option("--instance", "instances", multiple=True, metavar="UID")
@click.option("--profile", default="", help="Application profile (STD-GEN-CD), or the name of a copy type (patient).")
@click.option("--medium", default="", help="cd-700, cd-650, dvd, dvd-dl, usb, zip, or a size: cd:BYTES.")
@click.option("--copy-type", "copy_type", default="", help="patient, physician, legal, anonymous, or the site's own.")
@click.option("--burner", default="folder", show_default=True)
@click.option("--copies", type=click.IntRange(1, 99), default=1, show_default=True)
@click.option("--priority", type=click.Choice(list(PRIORITIES)), default="MED", show_default=True)
@click.option("--label-text", default="", help="A line for the label, the ticket and the record.")
@click.option("--incomplete-reason", default="", help="Make it though instances are missing, for this reason.")
@click.option("--decision", "decisions", multiple=True, help="Of a conflict, as --plan names it.")
@click.option("--leave-out", multiple=True, metavar="UID", help="Instance that shall not go on it.")
@click.option("--leave-out-refused", is_flag=True, help="Leave out what can't go on it; it is told on the disc.")
@click.option("--video", type=VIDEO, help="What becomes of video the profile does not take.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="A choice of the copy type, for once.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be made; make nothing.")
@wait_option
@json_option
@with_store
def create(store: Store, as_json: bool, wait: bool, only_plan: bool, **options: Any) -> None:
    """Make discs of studies, series or instances."""
    from appliance.media.discs import create_disc

    order = _order(store, **options)
    if only_plan:
        _show_plan(store, order, as_json=as_json)
        return
    disc_id = create_disc(store, order, actor())
    show_disc_result(store, disc_id, wait=wait, as_json=as_json)


def _order(
    store: Store,
    *,
    studies: tuple[str, ...],
    series: tuple[str, ...],
    instances: tuple[str, ...],
    profile: str,
    copy_type: str,
    assignments: tuple[str, ...],
    leave_out: tuple[str, ...],
    leave_out_refused: bool,
    video: str | None,
    **values: Any,
) -> DiscOrder:
    from appliance.media.ordering import DiscOrder
    from appliance.media.selection import Selection

    if profile in all_copy_types(store):
        profile, copy_type = "", copy_type or profile
    choices: dict[str, Any] = dict(map(assigned, assignments))
    choices |= {"leave_out_refused": True} if leave_out_refused else {}
    choices |= {"video": video} if video else {}
    return DiscOrder(
        selection=Selection(studies=studies, series=series, instances=instances),
        copy_type=copy_type or "patient",
        profile=profile,
        choices=choices,
        leave_out=tuple((uid, "left out by request") for uid in leave_out),
        **values,
    )


def _show_plan(store: Store, order: DiscOrder, *, as_json: bool) -> None:
    from appliance.media.asking import held_for, news_by_study, news_of
    from appliance.media.discs import plan_disc
    from appliance.media.obstacles import can_be_left_out

    asked = news_by_study(store, order.selection)
    plan, gathered = plan_disc(store, order)
    news, held = news_of(asked), held_for(order, gathered, asked)
    if as_json:
        said = {"incomplete": list(gathered.incomplete), "news": news, "held": held}
        show(plan.to_json() | said, as_json=True)
        return
    click.echo(f"{plan.profile.name} on {plan.medium.title}")
    for volume in plan.volumes:
        click.echo(
            f"  volume {volume.number}: {volume.file_set_id}, {len(volume.placed)} instances, {volume.size:,} bytes"
        )
        for placed in volume.videos:
            uid = placed.source.keys.SOPInstanceUID
            click.echo(f"    {'/'.join(placed.file_id)}: {uid}, not in the DICOM directory")
    for line in news:
        click.echo(f"  its archive: {line}")
    for line in gathered.incomplete:
        click.echo(f"  incomplete: {line}")
    for conflict in plan.conflicts:
        click.echo(f"  to be decided: {conflict.message}")
        for side in conflict.sides:
            click.echo(f"    {side.text} ({side.instances} instances)")
        click.echo(f"    if that is right: --decision '{conflict.decision}'")
    for name, words in (
        ("refused", "refused"),
        ("mp4", "video"),
        ("left_out", "left out"),
        ("supplied", "supplied"),
        ("decompress", "decompressed"),
    ):
        _show_notes(words, getattr(plan, name))
    if any(note.choice == "mp4" for note in plan.refused):
        click.echo("  To put its video beside the DICOM files as MP4 files: --video mp4")
    if plan.refused and can_be_left_out(plan):
        click.echo("  To make it without what is refused: --leave-out-refused")
    for line in held:
        click.echo(f"  it will be held: {line}")
    if not plan.ready:
        click.echo("It can't be made so.")
    else:
        click.echo("It would wait for a person." if held else "Ready to be made.")


def _show_notes(words: str, notes: Iterable[Note]) -> None:
    """One line for all instances of which the same is said: a series has thousands."""
    alike: dict[str, list[str]] = {}
    for note in notes:
        proposal = f"; {note.proposal} would do" if note.proposal else ""
        alike.setdefault(note.reason + proposal, []).append(note.SOPInstanceUID)
    for reason, uids in alike.items():
        more = f" and {len(uids) - 1} more" if len(uids) > 1 else ""
        click.echo(f"  {words}: {uids[0]}{more}: {reason}")


@command.command("list")
@click.option("--status", "statuses", multiple=True, type=click.Choice(discs.STATUSES))
@click.option("--burner", "burner_name")
@click.option("--study", "study_instance_uid")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@click.option("--before", type=int, help="Only discs with a lower number.")
@json_option
@with_store
def list_(store: Store, as_json: bool, **conditions: Any) -> None:
    """The newest discs."""
    rows = list_discs(store, **conditions)
    show(rows if as_json else [_counting_patients(row) for row in rows], as_json=as_json, columns=COLUMNS)


def _counting_patients(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the list that names the first patient and counts the others."""
    name, others = row["patient_name"] or row["patient_id"], row["patients"] - 1
    return {**row, "patient_name": f"{name} and {others} more"} if name and others else row


@command.command("show")
@click.argument("disc_id", type=int)
@json_option
@with_store
def show_(store: Store, disc_id: int, as_json: bool) -> None:
    """A disc, its volumes, every piece of media, and its history."""
    show(show_disc(store, disc_id), as_json=as_json)


def _verb(name: str, words: str, module: str = "appliance.media.discs") -> None:
    """A verb on discs, of that name in its module."""

    @command.command(name, help=words)
    @click.argument("disc_ids", type=int, nargs=-1, required=True, metavar="DISC_ID…")
    @json_option
    @with_store
    def run(store: Store, disc_ids: tuple[int, ...], as_json: bool) -> None:
        deed = getattr(import_module(module), name)
        done, code = for_each(disc_ids, lambda disc_id: deed(store, disc_id, actor()))
        if as_json:
            show([show_disc(store, disc_id) for disc_id in done], as_json=True)
        sys.exit(code)


_verb("cancel", "Never make discs; one at work is stopped.")
_verb("release", "Let discs go on that wait for a person; what is in doubt is made anew.")
_verb("confirm", "You looked at the disc in doubt: it came out.", "appliance.media.doubt")
_verb("spoil", "You looked at the disc in doubt: it is spoilt, another one is made.", "appliance.media.doubt")


@command.command("decide")
@click.argument("disc_id", type=int)
@click.option("--decision", "decisions", multiple=True, help="Of a conflict, as the plan names it; looked:UID.")
@click.option("--leave-out", multiple=True, metavar="UID", help="Instance that shall not go on it.")
@click.option("--leave-out-refused", is_flag=True, help="Leave out what can't go on it; it is told on the disc.")
@click.option("--video", type=VIDEO, help="What becomes of video the profile does not take.")
@click.option("--incomplete-reason", default="", help="Make it though instances are missing, for this reason.")
@wait_option
@json_option
@with_store
def decide(
    store: Store,
    disc_id: int,
    decisions: tuple[str, ...],
    leave_out: tuple[str, ...],
    leave_out_refused: bool,
    video: str | None,
    incomplete_reason: str,
    wait: bool,
    as_json: bool,
) -> None:
    """Say what is right about a disc that waits for a person, and let it go on."""
    from appliance.media import discs as verbs

    left_out = [(uid, "left out by request") for uid in leave_out]
    values: dict[str, Any] = {"decisions": decisions, "leave_out": left_out, "incomplete_reason": incomplete_reason}
    values |= {"leave_out_refused": leave_out_refused, "video": video or ""}
    verbs.decide(store, disc_id, actor(), **values)
    show_disc_result(store, disc_id, wait=wait, as_json=as_json)


@command.command("move")
@click.argument("disc_id", type=int)
@click.argument("burner", metavar="BURNER")
@wait_option
@json_option
@with_store
def move(store: Store, disc_id: int, burner: str, wait: bool, as_json: bool) -> None:
    """Give a disc to another burner."""
    from appliance.media import discs as verbs

    verbs.move(store, disc_id, burner, actor())
    show_disc_result(store, disc_id, wait=wait, as_json=as_json)


@command.command("again")
@click.argument("disc_id", type=int)
@click.option("--copies", type=click.IntRange(1, 98), default=1, show_default=True)
@click.option("--burner", help="Another burner.")
@wait_option
@json_option
@with_store
def again(store: Store, disc_id: int, copies: int, burner: str | None, wait: bool, as_json: bool) -> None:
    """Burn more copies of a disc that is done, from the image that is kept."""
    from appliance.media.again import burn_again

    burn_again(store, disc_id, actor(), copies=copies, burner=burner)
    show_disc_result(store, disc_id, wait=wait, as_json=as_json)


@command.command("remake")
@click.argument("disc_id", type=int)
@click.option("--burner", help="Another burner.")
@click.option("--copies", type=click.IntRange(1, 99))
@wait_option
@json_option
@with_store
def remake(store: Store, disc_id: int, burner: str | None, copies: int | None, wait: bool, as_json: bool) -> None:
    """Make an ended disc anew, from what is here now, as a new one."""
    from appliance.media import discs as verbs

    new = verbs.remake(store, disc_id, actor(), burner=burner, copies=copies)
    show_disc_result(store, new, wait=wait, as_json=as_json)


@command.command("password")
@click.argument("disc_id", type=int)
@click.option("--pdf", type=click.Path(path_type=Path), help="Write the sheet to be printed here.")
@with_store
def password(store: Store, disc_id: int, pdf: Path | None) -> None:
    """The password of an encrypted archive. That it was asked for is kept in the audit trail."""
    from appliance.media.discs import password_of

    secret, sheet = password_of(store, disc_id, actor())
    if pdf is not None:
        pdf.write_bytes(sheet)
    else:
        click.echo(secret)


@command.command("verify")
@click.argument("path", type=click.Path(path_type=Path, exists=True), metavar="IMAGE|FOLDER|DEVICE")
@data_not_needed
@json_option
def verify(path: Path, as_json: bool) -> None:
    """Check anybody's disc: an image, a folder, a zip archive or a drive. Exit code 1 when something is wrong."""
    from appliance.media.check import examine

    try:
        report = examine(path)
    except OSError as error:
        raise ApplianceError(f"{path} can't be read: {error.strerror}.") from None
    findings = [finding.to_json() for finding in report.findings]
    errors = sum(finding["severity"] == ERROR for finding in findings)
    if as_json:
        facts = {name: getattr(report, name) for name in ("kind", "file_set_id", "file_set_uid", "instances", "files")}
        show(
            {**facts, "bytes": report.bytes, "sha256": report.sha256, "good": report.good, "findings": findings},
            as_json=True,
        )
    else:
        for finding in report.findings:
            click.echo(str(finding))
        click.echo(f"{report.kind} {report.file_set_id!r}: {report.instances} instances, {report.bytes:,} bytes.")
    if findings:
        raise ApplianceError(f"{path}: {_counted(len(findings), 'finding')}, {_counted(errors, 'error')} among them.")


def _counted(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def show_disc_result(store: Store, disc_id: int, *, wait: bool, as_json: bool) -> None:
    """Print a disc, at its end when waited for. Raises ApplianceError when it was waited for and is not done."""
    if wait:
        follow_disc(store, disc_id, quiet=as_json)
    view = show_disc(store, disc_id)
    if as_json:
        show(view, as_json=True)
    else:
        click.echo(f"Disc {disc_id} on {view['burner']}: {view['execution_status']} {view['message']}".rstrip())
        for volume in view["volumes"]:
            said = "verified" if volume["verified"] else "not verified"
            click.echo(f"  volume {volume['volume']}: {volume['image']} {volume['bytes']:,} bytes, {said}")
    if wait and view["execution_status"] != discs.DONE:
        raise ApplianceError(f"Disc {disc_id} is {view['execution_status']}: {view['message'] or view['reasons']}")


def follow_disc(store: Store, disc_id: int, *, quiet: bool = False) -> None:
    """Return when a disc is final or waits for a decision."""
    follower = _Follower(store, disc_id, quiet)
    while not follower.is_over():
        if not has_workers(store, "discs"):
            from appliance.media.worker import DiscWorker

            DiscWorker(store).work_off(until=follower.is_over)  # it returns, too, while a disc waits to be tried again
        time.sleep(0.2)


class _Follower:
    """Looks at a disc and says on stderr what changed."""

    def __init__(self, store: Store, disc_id: int, quiet: bool) -> None:
        self.store = store
        self.disc_id = disc_id
        self.quiet = quiet
        self._looked = 0.0
        self._said: tuple[str, str] = ("", "")
        self._over = False

    def is_over(self) -> bool:
        """Whether it is final or held."""
        if time.monotonic() - self._looked < 0.2:
            return self._over
        self._looked = time.monotonic()
        with self.store.database.read() as connection:
            disc = discs.find(connection, self.disc_id)
        self._over = disc.execution_status in discs.FINAL or bool(disc.held)
        said = (disc.phase, disc.message)
        if said != self._said and not self.quiet and not self._over:
            click.echo(f"  {disc.phase} {disc.message}".rstrip(), err=True)
        self._said = said
        return self._over
