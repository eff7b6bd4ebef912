"""Volumes as others read them: xorriso, isoinfo, dcdirdmp, dcmdump, dciodvfy, gdcm, pydicom."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet
from pydicom.uid import ImplicitVRLittleEndian

from appliance.errors import ConflictError, DamagedError
from appliance.media import build, iso
from appliance.media.check import examine
from appliance.media.disc_file import content_file
from appliance.media.plan import Plan
from appliance.media.sizes import Shape
from appliance.media.source import SourceInstance
from appliance.network.file_head import IMPLEMENTATION_CLASS_UID
from appliance.store import files
from appliance.store.files import PartFile
from appliance.studies.record_tables import INSTANCE_KEYS
from tests.media import made
from tests.media.made import kept, planned

CONTENT = [("README.TXT", b"how to open it\r\n"), ("viewer/long name.html", b"<html>" * 1000), ("empty.txt", b"")]


def run(*command: str | Path) -> str:
    """Output and complaints of a tool."""
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False, timeout=60)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def extracted(image: Path, folder: Path) -> Path:
    """The files of an image, by xorriso."""
    run("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", folder, "--", "-chmod_r", "u+rwX", "/")
    run("chmod", "-R", "u+rwX", folder)
    return folder


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[SourceInstance]:
    folder = tmp_path_factory.mktemp("sources")
    return [kept(folder, made.image(number, series=1 + number // 10)) for number in range(1, 31)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, sources: list[SourceInstance]) -> Path:
    folder = tmp_path_factory.mktemp("image")
    return build.build(planned(sources), folder, lambda volume: CONTENT)[0].path


def test_every_instance_is_found_through_the_directory(
    image: Path, sources: list[SourceInstance], tmp_path: Path
) -> None:
    root = extracted(image, tmp_path / "x")
    assert run("dcdirdmp", root / "DICOMDIR").count(" -> ") == 30
    assert len(FileSet(root / "DICOMDIR")) == 30
    names = [line for line in run("dcmdump", "-q", "+P", "0004,1500", root / "DICOMDIR").splitlines() if line]
    assert len(names) == 30
    for record in dcmread(root / "DICOMDIR").DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            found = dcmread(root.joinpath(*record.ReferencedFileID))
            assert found.SOPInstanceUID == record.ReferencedSOPInstanceUIDInFile


def test_data_sets_are_byte_for_byte_as_received(image: Path, sources: list[SourceInstance], tmp_path: Path) -> None:
    root = extracted(image, tmp_path / "x")
    wanted = {Path(source.path).read_bytes()[source.data_set_offset :] for source in sources}
    found = set()
    for path in (root / "DICOM").rglob("I*"):
        data = path.read_bytes()
        assert data[:128] == bytes(128)
        found.add(data[made.part10.read_file_meta(path).data_set_offset :])
        assert dcmread(path).file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert found == wanted


def test_isoinfo_finds_level_1_names_a_blank_system_id_and_the_file_set_id(image: Path) -> None:
    told = run("isoinfo", "-d", "-i", image)
    assert "System id: \n" in told
    assert "Volume id: TESTDISC\n" in told
    names = run("isoinfo", "-f", "-i", image).split()
    assert {"/DICOMDIR.;1", "/README.TXT;1", "/DICOM/D0000000/I0000000.;1", "/VIEWER/LONG_NAM.HTM;1"} <= set(names)
    assert "/viewer/long name.html" in run("isoinfo", "-J", "-f", "-i", image)


def test_gdcm_reads_the_directory(image: Path, tmp_path: Path) -> None:
    gdcm = pytest.importorskip("gdcm")
    root = extracted(image, tmp_path / "x")
    reader = gdcm.Reader()
    reader.SetFileName(str(root / "DICOMDIR"))
    assert reader.Read()


def test_the_list_of_sums_is_right(image: Path, tmp_path: Path) -> None:
    root = extracted(image, tmp_path / "x")
    done = subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256.TXT"], cwd=root, capture_output=True, text=True, check=False
    )
    assert "FAILED" not in done.stdout + done.stderr
    assert len((root / "SHA256.TXT").read_text().splitlines()) == 30 + 1 + len(CONTENT)


def test_without_long_names_the_list_has_the_short_ones(sources: list[SourceInstance], tmp_path: Path) -> None:
    (done,) = build.build(planned(sources, joliet=False), tmp_path, lambda volume: CONTENT)
    root = extracted(done.path, tmp_path / "x")
    assert "VIEWER/LONG_NAM.HTM" in (root / "SHA256.TXT").read_text()
    assert "Joliet" not in run("isoinfo", "-d", "-i", done.path).replace("NO Joliet present", "")


def test_what_is_told_of_the_volume_is_true(image: Path) -> None:
    report = examine(image)
    assert report.findings == []
    assert report.sha256 == hashlib.sha256(image.read_bytes()).hexdigest()
    assert (report.instances, report.file_set_id, report.bytes) == (30, "TESTDISC", image.stat().st_size)


TOO_NEW = ("SURFACE SCAN", "TRACT", "ASSESSMENT", "PLAN", "ANNOTATION", "WF PRESENTATION", "INVENTORY")
"""Record types Debian's dciodvfy has not heard of."""
NEW_ATTRIBUTES = "not a recognized standard attribute - (0x0008,0x04"
"""Of inventories, too."""


def test_every_record_type_passes_dciodvfy(tmp_path: Path) -> None:
    kinds = list(INSTANCE_KEYS)
    sources = [kept(tmp_path / "in", made.of_kind(kind, number)) for number, kind in enumerate(kinds, 1)]
    root = extracted(made.built(sources, tmp_path / "out"), tmp_path / "x")
    errors = [line for line in run("dciodvfy", root / "DICOMDIR").splitlines() if line.startswith("Error")]
    known = (*(f"<{kind}>" for kind in TOO_NEW), NEW_ATTRIBUTES)
    assert [line for line in errors if not any(text in line for text in known)] == []
    told = run("dcdirdmp", root / "DICOMDIR")
    assert told.count(" -> ") == len(kinds)
    assert "error" not in told.lower().replace("no error", "")


@pytest.mark.parametrize(("joliet", "udf"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("count", [0, 1, 45, 46, 1000, 1001])
def test_the_size_of_an_image_is_known_before(tmp_path: Path, joliet: bool, udf: bool, count: int) -> None:
    content = [("README.TXT", b"x"), *((f"PAGES/A{number:04d}.HTM", b"y" * number) for number in range(60))]
    shape = Shape(form="iso", joliet=joliet, udf=udf, files=tuple((path, len(data)) for path, data in content))
    numbered = [(f"DICOM/D{index // 1000:07d}/I{index % 1000:07d}", b"z" * (index % 3)) for index in range(count)]
    disc_files = [content_file(path, data) for path, data in [("DICOMDIR", b"d" * 3000), *content, *numbered]]
    with PartFile(tmp_path / "image.iso") as part:
        iso.write_iso(part, "X", disc_files, joliet=joliet, udf=udf)
        part.commit()
    space = sum(shape.space(len(data)) for _, data in numbered)
    assert (tmp_path / "image.iso").stat().st_size == shape.size(count, space, 3000)


def test_the_plan_knows_the_size_to_the_byte(sources: list[SourceInstance], tmp_path: Path) -> None:
    content = tuple((path, len(data)) for path, data in CONTENT)
    for profile, medium in (("STD-GEN-CD", "cd-700"), ("STD-GEN-DVD-JPEG", "dvd"), ("STD-GEN-ZIP-MAIL", "zip")):
        plan = planned(sources, profile, medium, content=content)
        (done,) = build.build(plan, tmp_path / profile, lambda volume: CONTENT)
        assert done.bytes == plan.volumes[0].size == done.path.stat().st_size


def test_dvds_have_a_udf_view_of_the_same_bytes(sources: list[SourceInstance], tmp_path: Path) -> None:
    (done,) = build.build(planned(sources, "STD-GEN-DVD-JPEG", "dvd"), tmp_path)
    image = done.path.read_bytes()
    assert b"NSR02" in image[: 40 * 2048]
    assert examine(done.path).findings == []
    assert run("isoinfo", "-f", "-i", done.path).count("/I00000") == 30


def test_a_folder_for_usb_has_the_same_file_set(sources: list[SourceInstance], tmp_path: Path) -> None:
    (done,) = build.build(planned(sources, "STD-GEN-USB-JPEG", "usb"), tmp_path, lambda volume: CONTENT)
    assert run("dcdirdmp", done.path / "DICOMDIR").count(" -> ") == 30
    assert (done.path / "viewer" / "long name.html").read_bytes() == CONTENT[1][1]
    assert examine(done.path).findings == []


def test_a_zip_has_the_directory_in_its_root(sources: list[SourceInstance], tmp_path: Path) -> None:
    (done,) = build.build(planned(sources, "STD-GEN-ZIP-MAIL", "zip"), tmp_path)
    with zipfile.ZipFile(done.path) as archive:
        assert archive.testzip() is None
        assert "DICOMDIR" in archive.namelist()
    assert done.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()
    assert examine(done.path).findings == []


def test_copies_of_a_plan_are_file_sets_of_their_own(sources: list[SourceInstance], tmp_path: Path) -> None:
    plan = planned(sources, medium="cd:120000", content=())
    discs = build.build(plan, tmp_path)
    assert len(discs) > 1
    assert len({disc.file_set_uid for disc in discs}) == len(discs)
    assert sum(disc.instances for disc in discs) == 30
    for disc in discs:
        assert examine(disc.path).findings == []
        assert disc.bytes <= 120_000


CHARSETS = [
    ("ISO_IR 144", "Люкceмбypг"),
    ("GB18030", "Wang^XiaoDong=王^小东"),
    ("ISO_IR 192", "Conceição^João"),
    (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
]


@pytest.mark.parametrize(("charset", "name"), CHARSETS)
def test_names_of_any_script_come_out_of_the_directory(charset: str | list[str], name: str, tmp_path: Path) -> None:
    source = kept(tmp_path / "in", made.image(SpecificCharacterSet=charset, PatientName=name))
    root = extracted(made.built([source], tmp_path / "out"), tmp_path / "x")
    record = next(iter(dcmread(root / "DICOMDIR").DirectoryRecordSequence))
    assert record.PatientName == name
    if isinstance(charset, str):  # Debian's dcmdump knows no ISO 2022
        family = name.rpartition("=")[2].partition("^")[0]
        assert family in run("dcmdump", "-q", "+U8", root / "DICOMDIR")


def test_one_patient_in_two_character_sets_gets_one_record(tmp_path: Path) -> None:
    sources = [
        kept(tmp_path / "in", made.image(1, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")),
        kept(
            tmp_path / "in",
            made.image(2, SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg", StudyDescription="Schädel"),
        ),
        kept(
            tmp_path / "in",
            made.image(3, SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg", StudyDescription="Füße"),
        ),
    ]
    root = extracted(made.built(sources, tmp_path / "out"), tmp_path / "x")
    records = list(dcmread(root / "DICOMDIR").DirectoryRecordSequence)
    assert [record.PatientName for record in records if record.DirectoryRecordType == "PATIENT"] == ["Müller^Jörg"]


def test_odd_but_legal_values_are_no_reason_to_refuse_a_disc(tmp_path: Path) -> None:
    image = made.image(ReferencedImageSequence=[Dataset()], CalibrationImage="", LossyImageCompressionRatio="")
    image.add_new(0x00181800, "CS", "")
    (done,) = build.build(planned([kept(tmp_path / "in", image)], "STD-GEN-DVD-JPEG", "dvd"), tmp_path / "out")
    assert done.findings == ()


# what goes wrong


def failing(plan: Plan, folder: Path) -> str:
    with pytest.raises(DamagedError) as error:
        build.build(plan, folder)
    assert list(folder.glob("volume*")) == [], "nothing half-made stays"
    return str(error.value)


@pytest.mark.parametrize("change", ["longer", "shorter", "other", "gone"])
def test_a_source_that_is_not_what_was_received_stops_the_disc(tmp_path: Path, change: str) -> None:
    source = kept(tmp_path / "in", made.image())
    plan = planned([source])
    path = Path(source.path)
    data = path.read_bytes()
    if change == "gone":
        path.unlink()
    else:
        path.write_bytes({"longer": data + b"x" * 10, "shorter": data[:-10], "other": data[:-1] + b"?"}[change])
    words = {"longer": "longer", "shorter": "shorter", "other": "not what was received", "gone": "can't be opened"}
    assert words[change] in failing(plan, tmp_path / "out")


def test_a_source_that_changes_while_it_is_read_stops_the_disc(tmp_path: Path) -> None:
    source = kept(tmp_path / "in", made.image(rows=1024, columns=1024))

    def touch(done: int, total: int) -> None:
        if done > 100_000:
            Path(source.path).touch()

    with pytest.raises(DamagedError, match="changed while"):
        build.build(planned([source]), tmp_path / "out", progress=touch)
    assert list((tmp_path / "out").iterdir()) == []


def test_an_instance_cut_short_before_intake_is_named(tmp_path: Path) -> None:
    whole = kept(tmp_path / "in", made.image())
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(Path(whole.path).read_bytes()[:-100])
    message = failing(planned([made.source(cut)]), tmp_path / "out")
    assert whole.keys.SOPInstanceUID in message
    assert "cut short" in message


def test_content_that_outgrew_the_medium_is_told(sources: list[SourceInstance], tmp_path: Path) -> None:
    with pytest.raises(ConflictError, match="leave the viewer out"):
        build.build(planned(sources, medium="cd:500000"), tmp_path, lambda volume: [("BIG.BIN", bytes(500_000))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("lower", ["README.TXT"]),
        ("THIS_IS_TOO_LONG_", ["README.TXT"]),
        ("DISC", ["README.TXT", "README.TXT"]),
        ("DISC", ["DICOM/lower"]),
        ("DISC", ["DICOM/A/B/C/D/E/F/G"]),
        ("DISC", ["DICOM/I0000001", "DICOM/I0000001"]),
    ],
)
def test_the_fence_refuses_what_pycdlib_would_take(tmp_path: Path, name: str, paths: list[str]) -> None:
    with PartFile(tmp_path / "x.iso") as part, pytest.raises(ConflictError):
        iso.write_iso(part, name, [content_file(path, b"x") for path in paths])


def test_a_file_of_4_gib_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(1 << 32)
    with PartFile(tmp_path / "x.iso") as part, pytest.raises(ConflictError, match="4 GiB"):
        iso.write_iso(part, "DISC", [content_file("LARGE.BIN", large)])


@pytest.mark.parametrize("point", ["iso.header", "iso.data:ENOSPC:3", "iso.sync"])
def test_a_full_disk_at_any_step_leaves_nothing(sources: list[SourceInstance], tmp_path: Path, point: str) -> None:
    where, _, rest = point.partition(":")
    files.set_fault(f"{where}:{rest or 'ENOSPC'}")
    try:
        with pytest.raises(OSError, match="No space"):
            build.build(planned(sources), tmp_path / "out")
    finally:
        files.set_fault("")
    assert list((tmp_path / "out").iterdir()) == []


def test_progress_counts_to_the_end_and_can_stop(sources: list[SourceInstance], tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    build.build(planned(sources), tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    packed = kept(tmp_path / "in", made.image(), ImplicitVRLittleEndian)
    for stopped in (planned(sources), planned([packed])):
        with pytest.raises(KeyboardInterrupt):
            build.build(stopped, tmp_path / "stopped", progress=stop)
        assert not list((tmp_path / "stopped").glob("*"))
