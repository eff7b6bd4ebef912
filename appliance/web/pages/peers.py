"""Peers: the DICOM applications the appliance talks with."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _
from wtforms import BooleanField, HiddenField, IntegerField, RadioField, SelectField, StringField

from appliance.media.burners import all_burners
from appliance.network import scu
from appliance.network.calling import to_call
from appliance.security import peer_verbs
from appliance.security.peers import Peer
from appliance.store.store import Store
from appliance.web.calls import calling_out
from appliance.web.forms import Form, TickBoxes, at_most, between, choices, optional, required, say_done, strip
from appliance.web.live import live, see
from appliance.web.panels import Advice
from appliance.web.visitor import actor, needs, store, visitor
from appliance.web.wording import PERMISSIONS

blueprint = Blueprint("peers", __name__, url_prefix="/peers")

CHARSETS = {
    "": _("as the file says"),
    "ISO_IR 100": _("Western European (ISO_IR 100)"),
    "ISO_IR 144": _("Cyrillic (ISO_IR 144)"),
    "ISO_IR 192": _("Unicode (ISO_IR 192)"),
    "GB18030": _("Chinese (GB18030)"),
}
ANSWERING = {
    "tolerant": _("tolerant: what can be printed is printed, with a warning"),
    "strict": _("strict: as the standard says, to the letter"),
}
STATUS_OF = {
    "queue": _("the queue: normal while films are taken"),
    "device": _("the printer itself: low on film, jammed, off"),
}
DONE_WHEN = {
    "printed": _("printed"),
    "queued": _("taken for printing"),
}


class PeerForm(Form):
    name = StringField(_("Name"), [required(), at_most(64)], filters=[strip])
    ae_title = StringField(_("AE title it calls with"), [required(), at_most(16)], filters=[strip])
    address = StringField(_("Address it calls from"), [at_most(64)], filters=[strip])
    allows = TickBoxes(_("It may"), choices=lambda: choices(PERMISSIONS))
    host = StringField(_("Address to call it at"), [at_most(255)], filters=[strip])
    port = IntegerField(_("Port"), [optional(), between(0, 65535)])
    tls = BooleanField(_("Call it by TLS"))
    certificate = StringField(_("Fingerprint of its certificate (SHA-256)"), [at_most(128)], filters=[strip])
    answering = RadioField(_("Answers"), choices=lambda: choices(ANSWERING), default="tolerant")
    mask_warnings = BooleanField(_("Answer success instead of warnings"))
    separate_classes = BooleanField(_("It may propose the print classes one by one"))
    assumed_charset = SelectField(_("Characters of its texts"), choices=lambda: choices(CHARSETS))
    printer_status = RadioField(_("Printer status tells of"), choices=lambda: choices(STATUS_OF), default="queue")
    events = BooleanField(_("Tell it of changes (N-EVENT-REPORT)"))
    done_when = RadioField(_("Say done when a film is"), choices=lambda: choices(DONE_WHEN), default="printed")
    burner = SelectField(_("Discs it orders are made by"))
    version = HiddenField()


@blueprint.get("")
@needs("peers.see")
def index() -> Any:
    see("caller")
    return render_template(
        "peers/index.html",
        peers=peer_verbs.all_peers(store()),
        permissions=PERMISSIONS,
        lets_strangers_in=store().settings.dicom.unknown_peers == "accept",
        calls=peer_verbs.latest_strangers(store()),
    )


@blueprint.get("/strangers/live")
@needs("peers.see", live=True)
@live("caller")
def strangers() -> Any:
    """Who called and is no peer: the admin sees a new scanner knock."""
    return render_template("peers/_strangers.html", calls=peer_verbs.latest_strangers(store()))


@blueprint.route("/new", methods=["GET", "POST"])
@needs("peers.change")
def new() -> Any:
    form = _form(Peer(name="", ae_title=_asked("ae_title", 16), address=_asked("address", 64)))
    if form.does(lambda: peer_verbs.add_peer(store(), _peer(form), actor())):
        say_done(_("The peer is added."))
        return redirect(url_for("peers.index"), code=303)
    return render_template("peers/edit.html", form=form, peer=None)


def _form(peer: Peer, **values: str) -> PeerForm:
    form = PeerForm(obj=peer, **values)
    names = [burner.name for burner in all_burners(store())]
    form.burner.choices = [("", gettext("the usual one")), *((name, name) for name in names)]
    return form


def _asked(name: str, longest: int) -> str:
    """A value of the address: what is known of a caller that shall become a peer."""
    return request.args.get(name, "").strip()[:longest]


@blueprint.route("/<name>", methods=["GET", "POST"])
@needs("peers.change")
def edit(name: str) -> Any:
    peer, version = peer_verbs.read_peer(store(), name)
    form = _form(peer, version=str(version))
    form.name.data = name  # known by it: never changed here
    if form.does(lambda: _set(form, peer)):
        say_done(_("The peer is changed; it holds from its next association on."))
        return redirect(url_for("peers.index"), code=303)
    return render_template("peers/edit.html", form=form, peer=peer)


@blueprint.get("/<name>/check")
@needs("peers.echo")
def check(name: str) -> Any:
    return _check_page(peer_verbs.get_peer(store(), name))


@blueprint.post("/<name>/echo")
@needs("peers.echo")
def echo(name: str) -> Any:
    """Ask the peer whether it is there."""
    peer = peer_verbs.get_peer(store(), name)
    called = to_call(store(), peer)
    with calling_out():
        result = scu.echo(called)
    peer_verbs.note_echo(store(), peer, actor(), ok=result.ok)
    return _check_page(peer, result)


def _check_page(peer: Peer, result: scu.EchoResult | None = None) -> str:
    see("caller")
    calls = peer_verbs.latest_calls(store(), peer)
    return render_template("peers/check.html", peer=peer, result=result, calls=calls, dicom=store().settings.dicom)


@blueprint.get("/<name>/calls")
@needs("peers.echo", live=True)
@live("caller")
def calls(name: str) -> Any:
    """Its latest associations: the admin sees its echo arrive."""
    peer = peer_verbs.get_peer(store(), name)
    return render_template("peers/_calls.html", peer=peer, calls=peer_verbs.latest_calls(store(), peer))


@blueprint.post("/<name>/remove")
@needs("peers.change")
def remove(name: str) -> Any:
    peer_verbs.remove_peer(store(), name, actor())
    say_done(_("The peer is removed."))
    return redirect(url_for("peers.index"), code=303)


def _set(form: PeerForm, before: Peer) -> None:
    version = int(form.version.data) if (form.version.data or "").isdecimal() else 0
    peer_verbs.set_peer(store(), _peer(form, before), actor(), version=version)


def _peer(form: PeerForm, before: Peer | None = None) -> Peer:
    values = {key: value for key, value in form.data.items() if key not in ("version", "csrf_token")}
    values["allows"] = tuple(values["allows"] or ())
    values["port"] = values["port"] or 0
    return Peer(**values, rule=before.rule if before else {})


def advise(store: Store) -> list[Advice]:
    """Say loudly that strangers are let in."""
    settings = store.settings.dicom
    if settings.unknown_peers != "accept" or not visitor().may("peers.change"):
        return []
    if settings.address in ("127.0.0.1", "::1", "localhost"):
        text = gettext("Any program on this machine may print and store. Add your peers before you open the port.")
        return [Advice(level="note", text=text, action=gettext("Peers"), url=url_for("peers.index"))]
    text = gettext(
        "Strangers are let in: whoever reaches the DICOM port may print and store. "
        "Add your peers, then set dicom.unknown_peers to refuse."
    )
    return [Advice(level="error", text=text, action=gettext("Peers"), url=url_for("peers.index"))]
