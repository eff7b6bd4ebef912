"""README.TXT, the web pages and the site's files on a disc."""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from appliance.errors import UsageError
from appliance.media.content import ContentOptions, content_files, readme
from appliance.media.description import Site
from appliance.media.words import languages, words
from appliance.pixels import Decoder
from tests.media.content_helpers import document, volume, with_overlay
from tests.pixels.conftest import SHIPPED, grey

NAMES = ["CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm", "test-SR.dcm", "rtplan.dcm"]
HOSTILE = "<script>alert(1)</script>^\"'&{{7*7}}"
NAME_8_3 = re.compile(r"([A-Z0-9_]{1,8}/)*[A-Z0-9_]{1,8}\.[A-Z0-9_]{1,3}")
XHTML = "{http://www.w3.org/1999/xhtml}"


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


def made(decoder: Decoder, paths: list[Path], workdir: Path, **options: object) -> dict[str, bytes]:
    files = content_files(volume(paths), decoder, workdir, ContentOptions(**options))  # type: ignore[arg-type]
    assert len({name for name, _ in files}) == len(files)
    return {name: path.read_bytes() for name, path in files}


def hostile(folder: Path) -> Path:
    dataset = grey(np.zeros((16, 16), np.uint8), PatientName=HOSTILE, PatientID="../../x\u202e<b>", Modality="CT")
    dataset.StudyDescription = dataset.SeriesDescription = "</p><img src=x onerror=alert(1)>"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2"
    path = folder / "hostile.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("language", languages())
def test_every_page_is_xhtml_whose_links_lead_to_files_on_the_disc(
    decoder: Decoder, tmp_path: Path, language: str
) -> None:
    files = made(decoder, [SHIPPED / name for name in NAMES] + [hostile(tmp_path)], tmp_path / "w", language=language)
    pages = {name: data for name, data in files.items() if name.endswith(".HTM") and not name.startswith("VIEWER")}
    assert len(pages) >= 7
    for name, data in pages.items():
        tree = ElementTree.fromstring(data)
        links = [one.get("href") for one in tree.iter(f"{XHTML}a")] + [
            one.get("src") for one in tree.iter(f"{XHTML}img")
        ]
        assert links
        for link in links:
            parts: list[str] = name.split("/")[:-1]
            for part in str(link).split("/"):
                parts = parts[:-1] if part == ".." else [*parts, part]
            assert "/".join(parts) in files, f"{link} in {name}"
    assert words(language)["disclaimer"] in pages["INDEX.HTM"].decode()


def test_names_are_8_3_and_ihe_pdi_holds_only_pages_and_pictures(decoder: Decoder, tmp_path: Path) -> None:
    files = made(decoder, [SHIPPED / name for name in NAMES], tmp_path)
    assert all(NAME_8_3.fullmatch(name) for name in files)
    pdi = {name.rsplit(".")[-1] for name in files if name.startswith("IHE_PDI/")}
    assert pdi == {"HTM", "JPG"}
    assert sum(name.startswith("IHE_PDI/S0003/") for name in files) == 6  # six of thirty frames


def test_hostile_names_come_out_as_text(decoder: Decoder, tmp_path: Path) -> None:
    files = made(decoder, [hostile(tmp_path)], tmp_path / "w")
    for name, data in files.items():
        if name.endswith(".HTM") and not name.startswith("VIEWER"):
            tree = ElementTree.fromstring(data)
            assert not list(tree.iter(f"{XHTML}script")) and not list(tree.iter(f"{XHTML}b"))
            assert all(one.get("onerror") is None for one in tree.iter())
    text = "".join(ElementTree.fromstring(files["INDEX.HTM"]).itertext())
    assert "<script>alert(1)</script>" in text and "{{7*7}}" in text and "\u202e" not in text
    assert "\u202e" not in files["README.TXT"].decode()


def test_an_sr_becomes_readable_text(decoder: Decoder, tmp_path: Path) -> None:
    files = made(decoder, [SHIPPED / "test-SR.dcm"], tmp_path)
    text = " ".join("".join(ElementTree.fromstring(files["IHE_PDI/S0001/R00001.HTM"]).itertext()).split())
    assert "Diameter: 3 cm" in text and '&%$§"!()<>{}/;' in text


@pytest.mark.parametrize(("tail", "modality", "warned"), [("88.11", "SR", True), ("88.59", "KO", False)])
def test_an_sr_and_a_key_object_show_their_image(
    decoder: Decoder, tmp_path: Path, tail: str, modality: str, warned: bool
) -> None:
    """Nobody verifies a selection of images: it has no Verification Flag."""
    image = SHIPPED / "CT_small.dcm"
    reference, referenced, name = Dataset(), Dataset(), Dataset()
    referenced.ReferencedSOPClassUID, referenced.ReferencedSOPInstanceUID = (
        "1.2",
        volume([image]).items[0].keys.SOPInstanceUID,
    )
    reference.RelationshipType, reference.ValueType = "CONTAINS", "IMAGE"
    reference.ReferencedSOPSequence = Sequence([referenced])
    name.CodeMeaning = "Key finding"
    flags = {"VerificationFlag": "UNVERIFIED"} if warned else {}
    sr = document(tmp_path, "sr", f"1.2.840.10008.5.1.4.1.1.{tail}", modality, ValueType="CONTAINER",
                  ConceptNameCodeSequence=Sequence([name]), ContentSequence=Sequence([reference, began()]),
                  **flags)  # fmt: skip
    files = made(decoder, [image, sr], tmp_path / "w")
    page = files["IHE_PDI/S0002/R00001.HTM"].decode()
    assert 'href="../S0001/F000/I00001.JPG"' in page and 'src="../S0001/F000/I00001.JPG"' in page
    assert ("not verified" in page) is warned and "Key finding" in page
    assert "2026-01-02 10:15" in page


def began() -> Dataset:
    """When something was begun."""
    item = Dataset()
    item.RelationshipType, item.ValueType, item.DateTime = "CONTAINS", "DATETIME", "20260102101500.5+0100"
    return item


def encapsulated(folder: Path, data: bytes, kind: str, tail: str) -> Path:
    return document(folder, f"{tail}.dcm", f"1.2.840.10008.5.1.4.1.1.104.{tail}", "DOC", DocumentTitle="Letter",
                    EncapsulatedDocument=data + bytes(len(data) % 2), EncapsulatedDocumentLength=len(data),
                    MIMETypeOfEncapsulatedDocument=kind)  # fmt: skip


@pytest.mark.parametrize(("kind", "white"), [("G", True), ("R", False)])
def test_graphics_of_an_image_are_in_its_picture_and_regions_are_not(
    decoder: Decoder, tmp_path: Path, kind: str, white: bool
) -> None:
    dataset = grey(np.full((64, 64), 500, np.uint16), WindowCenter=1000, WindowWidth=2000, Modality="CR")
    with_overlay(dataset, kind)
    dataset.save_as(tmp_path / "cr.dcm", enforce_file_format=True)
    files = made(decoder, [tmp_path / "cr.dcm"], tmp_path / "out", viewer=False)
    (picture,) = [data for name, data in files.items() if name.endswith(".JPG")]
    with Image.open(BytesIO(picture)) as shown:
        assert bool(np.asarray(shown.convert("L"))[0].mean() > 200) is white


def test_an_image_that_is_not_on_this_disc_is_said_to_be_elsewhere(decoder: Decoder, tmp_path: Path) -> None:
    """A Key Object on the first of two discs, its image on the second."""
    reference, item = Dataset(), Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    item.RelationshipType, item.ValueType, item.ReferencedSOPSequence = "CONTAINS", "IMAGE", Sequence([reference])
    key = document(tmp_path, "ko", "1.2.840.10008.5.1.4.1.1.88.59", "KO", ValueType="CONTAINER", ContentSequence=[item])
    files = made(decoder, [key], tmp_path / "out", viewer=False)
    (page,) = [data for name, data in files.items() if "/R" in name]
    assert "(image: not on this disc)" in page.decode()


def test_an_encapsulated_pdf_lies_on_the_disc_byte_for_byte(decoder: Decoder, tmp_path: Path) -> None:
    data = b"%PDF-1.4\n%%EOF\n"
    files = made(decoder, [encapsulated(tmp_path, data, "application/pdf", "1")], tmp_path / "w")
    assert files["DOCUMENT/D0010001.PDF"] == data
    assert 'href="DOCUMENT/D0010001.PDF"' in files["INDEX.HTM"].decode()


def test_what_only_says_it_is_pdf_is_not_put_there(decoder: Decoder, tmp_path: Path) -> None:
    files = made(decoder, [encapsulated(tmp_path, b"MZ\x90\0", "application/pdf", "1")], tmp_path / "w")
    assert not [name for name in files if name.startswith("DOCUMENT")]
    assert "damaged, not shown" in files["INDEX.HTM"].decode()


CDA = """<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Letter</title><component><section><title>Findings</title>
<text><paragraph>Fine &lt;script&gt;</paragraph><script>alert(1)</script>
<table onclick="x()"><tr><td>A</td></tr></table></text></section></component></ClinicalDocument>"""


@pytest.mark.parametrize("kind", ["text/XML", "text/xml", "Text/xml; charset=UTF-8"])
def test_a_cda_is_shown_by_its_narrative_only(decoder: Decoder, tmp_path: Path, kind: str) -> None:
    """PS3.3 A.45.2 writes it with capitals."""
    files = made(decoder, [encapsulated(tmp_path, CDA.encode(), kind, "2")], tmp_path / "w")
    tree = ElementTree.fromstring(files["IHE_PDI/S0001/R00001.HTM"])
    assert "Fine <script>" in [one.text for one in tree.iter(f"{XHTML}p")]
    assert [one.text for one in tree.iter(f"{XHTML}td")] == ["A"]
    assert not list(tree.iter(f"{XHTML}script")) and tree.find(f".//{XHTML}table[@onclick]") is None


def test_a_cda_with_entities_of_its_own_is_not_shown(decoder: Decoder, tmp_path: Path) -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><text>&b;</text>'
    files = made(decoder, [encapsulated(tmp_path, laughs, "text/xml", "2")], tmp_path / "w")
    assert "not shown" in files["INDEX.HTM"].decode()
    assert not [name for name in files if "/R" in name]


def test_the_readme_says_who_what_how_and_whom_to_call() -> None:
    disc = volume([SHIPPED / "CT_small.dcm"], number=1, count=2, incomplete="scanner down", serial="D-7",
                  supplied=("StudyID (1.2.3)",), label_rest=("Study: a long name",))  # fmt: skip
    data = readme(disc, ContentOptions(readme="ascii"), {"VIEWER", "INDEX.HTM", "IHE_PDI"})
    text = data.decode("ascii")
    assert text.count("\n") == text.count("\r\n") and max(map(len, text.splitlines())) <= 72
    joined = " ".join(text.split())
    wanted = [
        "Made Up Hospital",
        "+1 555 0100",
        "1 Example Street",
        "CompressedSamples, CT1",
        "1CT1",
        "Disc 1 of 2",
        "D-7",
        "scanner down",
        "StudyID (1.2.3)",
        "VIEWER/VIEWER.HTM",
        "DICOMDIR",
        "Study: a long name",
        "2026-11-21",
    ]
    assert [one for one in wanted if one not in joined] == []


def test_the_readme_keeps_or_transliterates_other_scripts() -> None:
    disc = volume([SHIPPED / "CT_small.dcm"], site=Site(institution="Лікарня Київ"))
    kept = readme(disc, ContentOptions(language="uk"))
    assert kept.startswith(b"\xef\xbb\xbf") and "Лікарня Київ" in kept.decode("utf-8-sig")
    turned = readme(disc, ContentOptions(language="uk", readme="transliterated")).decode("ascii")
    assert "Likarnya Kyiv" in turned or "Likarnia Kyiv" in turned or "Likarnya" in turned
    english = readme(disc, ContentOptions(language="zh", readme="ascii")).decode("ascii")
    assert "HOW TO OPEN" in english and "?" not in english


def test_the_readme_of_a_disc_without_pages_and_viewer_tells_of_no_pictures_in_them() -> None:
    disc = volume([])
    assert "NOT FOR DIAGNOSIS" not in readme(disc, ContentOptions()).decode("utf-8-sig")
    assert "NOT FOR DIAGNOSIS" in readme(disc, ContentOptions(), {"VIEWER"}).decode("utf-8-sig")


@pytest.mark.parametrize(
    ("profile", "pdi"),
    [("STD-GEN-CD", True), ("STD-GEN-USB-J2K", True), ("STD-CTMR-CD", False), ("AUG-GEN-DVD-VIDEO", False)],
)
def test_only_profiles_ihe_knows_are_said_to_follow_it(profile: str, pdi: bool) -> None:
    text = " ".join(readme(volume([], profile=profile), ContentOptions()).decode("utf-8-sig").split())
    assert ("Portable Data for Imaging" in text) == pdi and f"the DICOM profile {profile}" in text


@pytest.mark.parametrize(
    ("language", "kind", "words"),
    [("uk", "utf-8", "немає запису каталогу"), ("zh", "utf-8", "目录记录"), ("uk", "ascii", "no directory record")],
)
def test_the_readme_says_why_something_is_left_out_in_its_own_language(language: str, kind: str, words: str) -> None:
    disc = volume([], left_out=("1.2.9: no directory record exists for SOP class 1.2.3",))
    text = readme(disc, ContentOptions(language=language, readme=kind)).decode("utf-8-sig")
    assert words in " ".join(text.split()) and "1.2.9" in text


def test_the_sites_files_come_along_under_fenced_names(decoder: Decoder, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    (drop / "weasis").mkdir(parents=True)
    (drop / "weasis" / "start.exe").write_bytes(b"1")
    (drop / "AUTORUN.INF").write_bytes(b"2")
    (drop / "link.txt").symlink_to("/etc/passwd")
    files = made(decoder, [], tmp_path / "w", site_files=drop, viewer=False, web_content=False)
    assert set(files) == {"WEASIS/START.EXE", "README.TXT"}


@pytest.mark.parametrize("name", ["dicomdir", "README.TXT", "long name.html", "ünï.txt"])
def test_a_name_a_disc_cannot_have_is_refused_by_name(decoder: Decoder, tmp_path: Path, name: str) -> None:
    (drop := tmp_path / "drop").mkdir()
    (drop / name).write_bytes(b"1")
    with pytest.raises(UsageError, match=re.escape(name)):
        made(decoder, [], tmp_path / "w", site_files=drop)


def test_long_names_are_kept_with_joliet(decoder: Decoder, tmp_path: Path) -> None:
    (drop := tmp_path / "drop").mkdir()
    (drop / "long name.html").write_bytes(b"1")
    files = made(decoder, [], tmp_path / "w", site_files=drop, long_names=True, viewer=False)
    assert "long name.html" in files


def test_all_languages_have_the_same_words() -> None:
    assert all(set(words(language)) == set(words("en")) for language in languages())
    with pytest.raises(UsageError, match="en, ru"):
        words("xx")
