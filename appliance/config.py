"""Settings: ``appliance.toml`` and ``APPLIANCE_SECTION_KEY`` in the environment.

What the machine needs to start lies here (ports, folders, TLS, database, limits). What admins change in daily work lies
in the database. An unknown key or environment name is an error that names the nearest one there is.
"""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from appliance.errors import SettingError

ENVIRONMENT = "APPLIANCE_"
NOT_SETTINGS = ("APPLIANCE_DATA", "APPLIANCE_FAULT", "APPLIANCE_CONFIG")
"""Names of ours in the environment that are no settings."""


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("a folder is named from / on")
    return path


def is_ae_title(text: str) -> bool:
    """1 to 16 printable ASCII characters without a backslash, not spaces alone (PS3.5 6.2, AE)."""
    return bool(text.strip()) and len(text) <= 16 and text.isascii() and text.isprintable() and "\\" not in text


def is_host(text: str) -> bool:
    """A host name or IP address: no port, no brackets, no spaces."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return bool(re.fullmatch(r"[\w.-]+", text)) and _resolves(text)
    return True


def answers_to(name: str, hosts: Iterable[str]) -> bool:
    """Whether a page of these `hosts` is meant by a name; ".example.org" stands for every name below it."""
    known = {f"[{host}]" if ":" in host and host[0] != "[" else host for host in map(str.lower, hosts)}
    name = name.lower()
    return name in known or any(host.startswith(".") and name.endswith(host) for host in known)


def _resolves(name: str) -> bool:
    """Whether a resolver takes the letters of a name."""
    try:
        return bool(name.encode("idna"))
    except UnicodeError:
        return False


def _application(title: str) -> str:
    if not is_ae_title(title):
        raise ValueError("an AE title is 1 to 16 ASCII characters, no backslash")
    return title


def _address(text: str) -> str:
    if text not in ("", "*"):
        ipaddress.ip_address(text)
    return text


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
AETitle = Annotated[str, AfterValidator(_application)]
Address = Annotated[str, AfterValidator(_address)]
UID = Annotated[str, Field(max_length=64, pattern=r"^[0-9]+([.][0-9]+)+$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=1, le=36_500)]
"""A calendar reckons no further back than two thousand years."""
Seconds = Annotated[float, Field(gt=0, le=1_000_000)]
"""The system waits no longer than 24 days at once."""
MiB = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of appliance.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DicomSettings(Section):
    """Associations: where we listen, who may come in, and the limits of each."""

    ae_title: AETitle = "APPLIANCE"
    """Our AE title: what modalities call, and what we call archives and imagers with."""
    address: str = "127.0.0.1"
    """Where to listen. 0.0.0.0 for a hospital's network; the embedded default stays on this machine."""
    ports: tuple[Port, ...] = Field((11112,), min_length=1)
    """Plain DICOM ports. Below 1024 the system has to allow it; the package's units do."""
    tls_port: Port = 2762
    """DICOM TLS (PS3.15 B.12); opens once [tls] has a certificate."""
    unknown_peers: Literal["accept", "refuse"] = "accept"
    """What AE titles that nobody entered are answered: `accept` or `refuse`."""
    strict_called_ae: bool = False
    """Reject an unknown called AE title instead of giving it the default print profile."""
    associations: Count = 200
    """Established at once, in all. One more is told to come again (A-ASSOCIATE-RJ, temporary)."""
    associations_per_address: Count = 50
    """... from one address."""
    unassociated: Count = 256
    """Connections that have not asked for an association yet; the oldest is dropped first."""
    request_seconds: Seconds = 10
    """From a connection to its whole A-ASSOCIATE-RQ."""
    pdu_seconds: Seconds = 30
    """One PDU, from its first byte to its last."""
    send_seconds: Seconds = 30
    """How long a peer may not read what it is sent."""
    idle_seconds: Seconds = 3600
    """Between two messages of an association: people compose films meanwhile."""
    drain_seconds: Seconds = 30
    """What runs may end within this when we are stopped."""
    maximum_pdu: Annotated[int, Field(ge=4096, le=1 << 20)] = 131072
    """Bytes, as announced to peers."""
    film_mib: MiB = 512
    """Largest data set of one image box."""
    instance_mib: MiB = 8192
    """Largest instance that storage takes."""
    film_boxes: Count = 200
    """In one film session."""
    image_boxes: Count = 1000
    """On one film."""
    events: bool = True
    """Send N-EVENT-REPORT of print jobs and printer to peers that asked for these classes."""
    private_classes: tuple[UID, ...] = ()
    """Private storage SOP classes to take."""


class TlsSettings(Section):
    """Certificates for DICOM TLS. The TLS port opens once there is a certificate."""

    certificate: Path | None = None
    """Ours, in PEM; empty: tls/certificate.pem of the data folder, which `appliance tls init` makes."""
    key: Path | None = None
    """Its private key, in PEM; empty: beside it."""
    authorities: Path | None = None
    """In PEM: who vouches for peers; empty: tls/authorities.pem of the data folder (`appliance tls trust`)."""
    revoked: Path | None = None
    """In PEM: whose certificates were taken back (CRLs); empty: tls/revoked.pem there (`appliance tls revoked`)."""
    mutual: bool = True
    """Peers must show a certificate that `authorities` vouch for."""


class WebSettings(Section):
    """The page."""

    address: str = "127.0.0.1"
    """Where the page listens. The package leaves it on this machine, behind a proxy on 443."""
    port: Port = 8080
    """Its TCP port."""
    hosts: tuple[str, ...] = Field(("localhost", "127.0.0.1", "[::1]"), min_length=1)
    """Host names the page answers to."""
    trusted_proxy: Address = ""
    """Address of the proxy whose X-Forwarded headers are believed."""
    certificate: Path | None = None
    """The proxy's certificate, in PEM: its end is told in time."""
    threads: Count = 8
    """Requests answered at once."""
    idle_minutes: Count = 30
    """Without a click somebody is logged out after this."""
    session_hours: Count = 12
    """... and in any case after this."""
    upload_mib: MiB = 4096
    """Largest upload in one request."""
    loopback_devices: bool = False
    """Printers at this machine's own addresses (CUPS, USB) may be added on the page."""
    site_name: str = ""
    """Stands on the page and in audit messages."""


class DatabaseSettings(Section):
    """Where rows are kept."""

    url: str = ""
    """postgresql://USER:PASSWORD@HOST/DATABASE, for several machines; empty is SQLite in the data folder."""


class NodeSettings(Section):
    """This machine among several that are one appliance (docs/scaling.md)."""

    name: str = Field("", max_length=24, pattern=r"^[A-Za-z0-9-]*$")
    """Its name, another one on each; empty is the host's. Printers and burners may be bound to it."""


class StorageSettings(Section):
    """Room on the disk, and how long things are kept."""

    reserve_percent: Annotated[float, Field(ge=0, le=50)] = 5
    """New work is refused when less of the disk than this is free."""
    reserve_mib: MiB = 512
    """... or less than this."""
    films_days: Days = 7
    """Days since a film ended; so for studies (last used), discs and audit. Days that a clock leapt ahead count a week
    later, or after `appliance purge --trust-clock`."""
    films_quota_gib: Count = 50
    """The oldest printed films go first when all take more."""
    studies_days: Days = 30
    """Days since a study was last used."""
    studies_quota_gib: Count = 500
    """Those used longest ago go first when all take more."""
    discs_days: Days = 7
    """Days since a disc ended."""
    audit_days: Days = 2190
    """Days of the audit trail; what a collector has not got yet is kept."""
    folder_roots: tuple[AbsolutePath, ...] = ()
    """Where folder: printers and burners may write, besides the data folder."""


class LimitsSettings(Section):
    """How far what comes from outside may go: past it a request is refused or a file left out, in words. Connections,
    PDUs, data sets and boxes have theirs in [dicom], the bytes of an upload in [web].
    """

    sequence_depth: Annotated[int, Field(ge=8, le=64)] = 64
    """Sequences within sequences: of a print request all, of an instance those of undefined length, the others are
    passed over when it comes. The standard's own go to about ten."""
    annotation_characters: Annotated[int, Field(ge=16, le=1024)] = 64
    """Of one annotation; what is longer is cut with a warning, refused to strict peers. 64 is what its VR has."""
    frame_mib: Annotated[int, Field(ge=1, le=2048)] = 512
    """One decoded frame: rows × columns × samples × bytes. A larger one is kept and copied, not shown or changed."""
    inflated_mib: Annotated[int, Field(ge=1, le=2048)] = 512
    """A deflated data set, unpacked to be shown or changed."""
    import_files: Count = 200_000
    """Files of one folder or archive."""
    import_gib: Count = 256
    """What comes out of one archive."""
    archive_ratio: Count = 2000
    """How many times its packed size a file of an archive may be; those below 64 MiB may be more."""
    upload_files: Count = 20_000
    """Files of one import by the page; an archive counts as one."""


class PrintingSettings(Section):
    """Film workers."""

    workers: Count = 2
    """Processes that compose films and send them."""
    compose_ahead: Count = 4
    """Films composed ahead for each printer."""
    duplicate_minutes: Count = 10
    """The same film from the same peer within this time is flagged."""


class DiscsSettings(Section):
    """Disc workers, and who stands on discs and labels as their maker."""

    workers: Count = 1
    """Processes that build discs."""
    institution: str = ""
    """Name of the hospital."""
    department: str = ""
    """... of the department."""
    address: str = ""
    """Its address, in one line."""
    phone: str = ""
    """Its telephone number."""
    email: str = ""
    """Its mail address."""
    web: str = ""
    """Its web address."""
    contact: str = ""
    """Whom to call when a disc can't be read."""
    logo: Path | None = None
    """PNG or JPEG, on labels."""
    site_files: Path | None = None
    """Folder whose files go on every disc: a viewer of the site's own, a leaflet."""


class SmtpSettings(Section):
    """Mail to tell people by."""

    host: str = ""
    """Mail server; empty: no mail."""
    port: Port = 25
    """Its TCP port."""
    sender: str = ""
    """From whom mails are."""
    recipients: tuple[str, ...] = ()
    """To whom."""
    starttls: bool = False
    """Insist on TLS, with a certificate this machine trusts."""


class NoticesSettings(Section):
    """Tells people when something waits for them."""

    webhook: str = ""
    """http:// or https:// address that gets each notice as JSON; empty: none."""
    language: Literal["en", "ru", "uk", "pt", "zh_Hans"] = "en"
    """What mails and the text of the webhook are written in."""
    film_minutes: Count = 10
    """A film that waits longer is told of."""


class SyslogSettings(Section):
    """Audit messages to a collector (RFC 5424)."""

    host: str = ""
    """Collector; empty: none."""
    port: Port = 6514
    """Its port."""
    transport: Literal["tls", "tcp", "udp"] = "tls"
    """`tls`, `tcp` or `udp`."""
    authorities: Path | None = None
    """In PEM: who vouches for the collector; empty: whom this machine trusts."""


class LogSettings(Section):
    """The log, on standard error. A line names the job, disc, study, association and peer it is about."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """`DEBUG` may hold names of patients: not for daily work."""
    format: Literal["auto", "json", "text"] = "auto"
    """auto: text at a terminal, else JSON."""


class Settings(Section):
    """All of appliance.toml."""

    dicom: DicomSettings = DicomSettings()
    tls: TlsSettings = TlsSettings()
    web: WebSettings = WebSettings()
    database: DatabaseSettings = DatabaseSettings()
    node: NodeSettings = NodeSettings()
    storage: StorageSettings = StorageSettings()
    limits: LimitsSettings = LimitsSettings()
    printing: PrintingSettings = PrintingSettings()
    discs: DiscsSettings = DiscsSettings()
    smtp: SmtpSettings = SmtpSettings()
    notices: NoticesSettings = NoticesSettings()
    syslog: SyslogSettings = SyslogSettings()
    log: LogSettings = LogSettings()


SYSTEM_FILE = Path("/etc/appliance/appliance.toml")


def find_config(data: Path, config: Path | None = None) -> Path | None:
    """The file settings are read from: the one given, else the data folder's, else /etc/appliance's."""
    if config is not None:
        if not config.is_file():
            raise SettingError(f"There is no settings file {config}.")
        return config
    places = (data / "appliance.toml", SYSTEM_FILE)
    return next((place for place in places if place.is_file()), None)


def load_settings(data: Path, config: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings of a data folder: file first, environment over it. Raises SettingError naming the key at fault."""
    path = find_config(data, config)
    values: dict[str, Any] = _read(path) if path else {}
    for section, key, value in _from_environment(os.environ if environ is None else environ):
        table = values.setdefault(section, {})
        if isinstance(table, dict):  # else it is said below that it must be one
            table[key] = value
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingError(_in_words(error, path)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))  # Windows' editors begin with a mark
    except (ValueError, RecursionError, OSError) as error:  # TOMLDecodeError and UnicodeDecodeError among them
        raise SettingError(f"{path} can't be read as TOML: {error}.") from None


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    names = {
        name: _section_and_key(name) for name in environ if name.startswith(ENVIRONMENT) and name not in NOT_SETTINGS
    }
    return [(section, key, _value(section, key, environ[name])) for name, (section, key) in names.items()]


def _section_and_key(name: str) -> tuple[str, str]:
    section, _, key = name.removeprefix(ENVIRONMENT).lower().partition("_")
    if (section, key) == ("dicom", "port"):
        return "dicom", "ports"
    if key not in _keys(section):
        raise SettingError(f"The environment names {name}, which is no setting{_nearest(name, environment_names())}.")
    return section, key


def environment_names() -> list[str]:
    """Every setting by its name in the environment."""
    return [f"{ENVIRONMENT}{section}_{key}".upper() for section in Settings.model_fields for key in _keys(section)] + [
        "APPLIANCE_DICOM_PORT"
    ]


def _keys(section: str) -> list[str]:
    return list(getattr(Settings(), section).__class__.model_fields) if section in Settings.model_fields else []


def _value(section: str, key: str, text: str) -> Any:
    default = getattr(getattr(Settings(), section), key)
    return [part.strip() for part in text.split(",") if part.strip()] if isinstance(default, tuple) else text


def _in_words(error: ValidationError, path: Path | None) -> str:
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    origin = f" in {path}" if path else ""
    if problem["type"] == "extra_forbidden":
        section, *key = [str(part) for part in problem["loc"]]
        known = [f"{section}.{name}" for name in _keys(section)] if key else list(Settings.model_fields)
        return f"Unknown setting {where}{origin}{_nearest(where, known)}"
    return f"Setting {where}{origin}: {problem['msg']} (it is {problem['input']!r})."


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(sorted(known))}"
