"""Settings: file, environment, and what is said of mistakes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.config import Settings, environment_names, load_settings
from appliance.errors import SettingError

ROOT = Path(__file__).parent.parent


def write(folder: Path, text: str) -> Path:
    (folder / "appliance.toml").write_text(text)
    return folder


def test_without_a_file_everything_has_a_default(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, environ={})
    assert (settings.dicom.ae_title, settings.dicom.ports, settings.web.port) == ("APPLIANCE", (11112,), 8080)
    assert (settings.dicom.associations, settings.dicom.associations_per_address) == (200, 50)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    data = write(tmp_path, "[dicom]\nports = [104, 11112]\nae_title = 'FILE'\n")
    settings = load_settings(data, environ={"APPLIANCE_DICOM_PORT": "4242", "APPLIANCE_DATA": "ignored"})
    assert (settings.dicom.ports, settings.dicom.ae_title) == ((4242,), "FILE")
    assert load_settings(data, environ={}).dicom.ports == (104, 11112)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[dicom]\nprots = [1]\n", "dicom.prots in .*did you mean dicom.ports"),
        ("[dicm]\n", "Unknown setting dicm.*did you mean dicom"),
        ('[storage]\nfolder_roots = ["films"]\n', "storage.folder_roots.0.*named from /.*films"),
        ("[dicom]\nports = ['x']\n", "dicom.ports.*it is 'x'"),
        ("[dicom]\nports = [70000]\n", "less than or equal to 65535"),
        ("[dicom\n", "can't be read as TOML"),
        ("x = " + "[" * 5000, "can't be read as TOML"),
        (f"[dicom]\nports = [1{'0' * 5000}]\n", "can't be read as TOML"),
        ("[dicom]\nports = []\n", "dicom.ports.*at least 1"),
        ('[dicom]\nae_title = "  "\n', "dicom.ae_title.*1 to 16 ASCII"),
        ('[dicom]\nae_title = "A\\\\B"\n', "dicom.ae_title.*no backslash"),
        ('[dicom]\nae_title = "ÄE"\n', "dicom.ae_title.*1 to 16 ASCII"),
        ("[dicom]\nrequest_seconds = inf\n", "dicom.request_seconds.*1000000"),
        ('[dicom]\nprivate_classes = ["abc"]\n', "dicom.private_classes.0.*it is 'abc'"),
        ("[storage]\nfilms_days = 1000000\n", "storage.films_days.*36500"),
        ("[web]\nidle_minutes = 100000000000\n", "web.idle_minutes.*1000000"),
        ('[web]\ntrusted_proxy = "proxy"\n', "web.trusted_proxy.*IPv4 or IPv6"),
        ("[web]\nhosts = []\n", "web.hosts.*at least 1"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        load_settings(write(tmp_path, text), environ={})


def test_a_mark_that_an_editor_puts_before_the_file_is_passed_over(tmp_path: Path) -> None:
    assert load_settings(write(tmp_path, "\ufeff[web]\r\nport = 1\r\n"), environ={}).web.port == 1


def test_a_section_that_is_none_is_named_whatever_the_environment_says(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="Setting dicom in .*it is 5"):
        load_settings(write(tmp_path, "dicom = 5\n"), environ={"APPLIANCE_DICOM_PORT": "1"})


def test_an_unknown_name_in_the_environment_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="APPLIANCE_WEB_PROT.*did you mean APPLIANCE_WEB_PORT"):
        load_settings(tmp_path, environ={"APPLIANCE_WEB_PROT": "1"})


def test_a_settings_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no settings file"):
        load_settings(tmp_path, tmp_path / "nowhere.toml", environ={})


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    documented = set(re.findall(r"^\| `([a-z]+\.[a-z0-9_]+)`", text, re.MULTILINE))
    sections = {name: getattr(Settings(), name) for name in Settings.model_fields}
    there = {f"{section}.{key}" for section, values in sections.items() for key in type(values).model_fields}
    assert documented == there
    assert not re.findall(r"^\| `([a-z0-9_.]+)` .*\|  \|$", text, re.MULTILINE), "each says what it is for"
    assert len(environment_names()) == len(there) + 1
