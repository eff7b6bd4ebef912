"""The viewer on the disc, opened from file:// in Chromium, against what the decoder shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jpeg_ls import CharLS
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from appliance.media import viewer
from appliance.media.viewer import literal, spread, viewer_files
from appliance.media.words import words
from appliance.pixels import Decoder
from appliance.resources import shipped
from tests.media.content_helpers import document, volume, with_overlay
from tests.pixels.conftest import SHIPPED, grey
from tests.pixels.test_display import lut

STUDY = "1.2.826.0.1"


def slices(count: int, edge: int = 96, noise: float = 12.0) -> list[Dataset]:
    """A made-up CT: rings that grow from slice to slice, with noise."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[:edge, :edge] - edge / 2
    found = []
    for number in range(count):
        body = np.where(np.hypot(x, y) < edge / 3 + number, 40, -1000) + random.normal(0, noise, (edge, edge))
        dataset = grey(
            body.round().astype(np.int16), WindowCenter=40, WindowWidth=400, Modality="CT", InstanceNumber=number + 1
        )
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "HU"
        dataset.PatientName, dataset.PatientID, dataset.StudyDate = "Приклад^Анна=例^安", "77", "20261120"
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, STUDY + ".1"
        dataset.SeriesDescription, dataset.SeriesNumber = "<i>axial</i>", 1
        dataset.SliceLocation, dataset.SliceThickness = number * 2.5, 2.5
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        found.append(dataset)
    return found


def others() -> list[Dataset]:
    """One instance for each way of showing grey, each a series of its own."""
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    signed = (values.astype(np.int32) - 2048).astype(np.int16)
    table = [int(4095 * (k / 4095) ** 2) for k in range(4096)]
    made = [
        grey(values, PhotometricInterpretation="MONOCHROME1", WindowCenter=1000, WindowWidth=1500),
        grey(values, VOILUTSequence=Sequence([lut(0, table, 12)])),
        grey(signed, WindowCenter=100, WindowWidth=900, VOILUTFunction="SIGMOID"),
        grey(signed, BitsStored=12, HighBit=11),
        grey(np.stack([values, values[::-1], values.T])),
    ]
    for number, dataset in enumerate(made, 2):
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{STUDY}.{number}"
        dataset.PatientID, dataset.Modality = "77", "OT"
    return made


class Disc:
    """A disc's viewer laid out in a folder, with the instances it shows."""

    def __init__(
        self, folder: Path, datasets: list[Dataset], decoder: Decoder, share: float, extra: list[Path]
    ) -> None:
        self.paths = []
        for number, dataset in enumerate(datasets):
            self.paths.append(folder / f"{number}.dcm")
            dataset.save_as(self.paths[-1], enforce_file_format=True)
        described = volume([*self.paths, *extra])
        self.files = dict(viewer_files(described, decoder, folder / "work", share=share))
        for name, path in self.files.items():
            (folder / "disc" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / "disc" / name)
        self.folder = folder / "disc" / "VIEWER"
        self.bytes = sum(path.stat().st_size for path in self.files.values())
        self.image_bytes = sum(path.stat().st_size for path in self.paths)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    with Decoder() as decoder:
        yield decoder


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory, decoder: Decoder) -> Disc:
    """Room enough for every value, so that pixels can be compared exactly."""
    color = SHIPPED / "examples_ybr_color.dcm"
    return Disc(tmp_path_factory.mktemp("exact"), [*slices(30), *others()], decoder, 2.0, [color])


@pytest.fixture
def page(browser: Browser, disc: Disc) -> Iterator[Page]:
    yield from opened(browser, disc)


def opened(browser: Browser, disc: Disc) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    page = context.new_page()
    problems: list[str] = []
    # the tests read the canvas back, which Chromium remarks on
    page.on("console", lambda said: None if "willReadFrequently" in said.text else problems.append(said.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda one: None if one.url.startswith(("file:", "data:", "blob:")) else problems.append(one.url)
    )
    page.goto(f"file://{disc.folder}/VIEWER.HTM")
    settled(page)
    yield page
    context.close()
    assert problems == []


def settled(page: Page) -> None:
    """Until the wanted frame is drawn."""
    expect(page.locator("#message")).to_have_text("")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def stack(page: Page, number: int) -> None:
    page.locator("#stacks button").nth(number).click()
    settled(page)


def picture(page: Page, rows: int, columns: int) -> np.ndarray:
    """The middle of the canvas at 1:1, as (rows, columns) of its red channel."""
    page.locator("#actual").click()
    settled(page)
    script = """([rows, columns]) => { const c = document.getElementById('canvas');
      const x = Math.round((c.width - columns) / 2), y = Math.round((c.height - rows) / 2);
      const d = c.getContext('2d').getImageData(x, y, columns, rows).data; const out = [];
      for (let k = 0; k < d.length; k += 4) out.push(d[k]); return out; }"""
    return np.array(page.evaluate(script, [rows, columns]), np.int16).reshape(rows, columns)


def off_by(page: Page, shown: np.ndarray) -> int:
    return int(np.abs(picture(page, *shown.shape).astype(int) - shown).max())


def test_a_slice_is_shown_as_the_decoder_shows_it(page: Page, disc: Disc, decoder: Decoder) -> None:
    assert off_by(page, decoder.frame(disc.paths[0], 1)) == 0


def test_the_wheel_keys_and_slider_scroll(page: Page, disc: Disc, decoder: Decoder) -> None:
    page.mouse.move(600, 400)
    for _ in range(3):
        page.mouse.wheel(0, 100)
    page.keyboard.press("ArrowDown")
    settled(page)
    assert "Image 5 / 30 (5)" in page.locator("#bottom-left").inner_text()
    assert "Slice position: 10 mm" in page.locator("#bottom-left").inner_text()
    assert off_by(page, decoder.frame(disc.paths[4], 1)) == 0
    page.locator("#slider").fill("30")
    settled(page)
    assert off_by(page, decoder.frame(disc.paths[29], 1)) == 0


def window_said(page: Page) -> tuple[float, float]:
    found = re.search(r"Window: (-?[\d.]+) / ([\d.]+) HU", page.locator("#bottom-right").inner_text())
    assert found
    return float(found[1]), float(found[2])


def test_a_preset_sets_the_window(page: Page, disc: Disc, decoder: Decoder) -> None:
    page.locator("#presets").select_option(label="Lung")
    settled(page)
    assert window_said(page) == (-600, 1500)
    assert off_by(page, decoder.frame(disc.paths[0], 1, window=(-600.0, 1500.0))) == 0


def test_dragging_sets_window_and_level(page: Page, disc: Disc, decoder: Decoder) -> None:
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(700, 350)
    page.mouse.up()
    settled(page)
    center, width = window_said(page)
    assert width > 400 and center < 40
    assert off_by(page, decoder.frame(disc.paths[0], 1, window=(center, width))) <= 1
    page.keyboard.press("r")
    settled(page)
    assert window_said(page) == (40, 400)


def test_zoom_and_pan_move_the_picture(page: Page) -> None:
    def said() -> int:
        settled(page)
        found = re.search(r"Zoom: (\d+) %", page.locator("#bottom-right").inner_text())
        assert found
        return int(found[1])

    before = said()
    page.mouse.move(600, 400)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    assert said() > before * 2
    page.locator("#actual").click()
    assert said() == 100
    bright = """() => {
      const c = document.getElementById('canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
      let x = 0, n = 0;
      for (let k = 0; k < d.length; k += 4) if (d[k] > 60) { x += (k / 4) % c.width; n++; }
      return x / n; }"""
    middle = page.evaluate(bright)
    page.locator("[data-mode=pan]").click()
    page.mouse.move(600, 400)
    page.mouse.down()
    page.mouse.move(650, 400)
    page.mouse.up()
    settled(page)
    assert page.evaluate(bright) == pytest.approx(middle + 50, abs=1)


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_every_kind_of_grey_looks_as_the_decoder_shows_it(
    page: Page, disc: Disc, decoder: Decoder, number: int
) -> None:
    stack(page, number + 1)
    assert off_by(page, decoder.frame(disc.paths[30 + number], 1)) <= 1


def test_a_multiframe_is_a_stack_of_its_own_and_plays(page: Page, disc: Disc, decoder: Decoder) -> None:
    stack(page, 5)
    page.keyboard.press("End")
    settled(page)
    assert off_by(page, decoder.frame(disc.paths[34], 3)) <= 1
    page.locator("#speed").fill("30")
    stack(page, 5)
    page.keyboard.press("Space")
    expect(page.locator("#bottom-left")).to_contain_text("Image 2 / 3")
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "false"


def test_color_is_shown_and_its_window_is_off(page: Page, decoder: Decoder) -> None:
    stack(page, 6)
    expected = decoder.frame(SHIPPED / "examples_ybr_color.dcm", 1)[..., 0]
    assert np.abs(picture(page, *expected.shape) - expected).mean() < 3
    assert page.locator("#presets").is_disabled()


def test_inverting_turns_black_and_white(page: Page, disc: Disc, decoder: Decoder) -> None:
    page.keyboard.press("i")
    settled(page)
    turned = 255 - decoder.frame(disc.paths[0], 1).astype(int)
    assert off_by(page, turned) <= 1


def test_names_of_any_script_and_hostile_texts_are_text(page: Page) -> None:
    assert page.locator("#patient").inner_text() == "Приклад, Анна (例, 安)"
    assert "<i>axial</i>" in page.locator("#stacks button").first.inner_text()
    assert page.locator("#edge-left").inner_text() == "R" and page.locator("#edge-top").inner_text() == "A"
    assert page.locator(".warning").inner_text() == "NOT FOR DIAGNOSIS"


def test_everything_can_be_reached_by_keyboard_and_has_a_name(page: Page) -> None:
    nameless = page.evaluate("""() => [...document.querySelectorAll('button, select, input, canvas')]
      .filter(e => !(e.textContent || e.getAttribute('aria-label') || '').trim()).map(e => e.outerHTML)""")
    assert nameless == []
    page.keyboard.press("PageDown")
    settled(page)
    assert page.locator("#stacks button").nth(1).get_attribute("aria-current") == "true"


def test_two_fingers_zoom(browser: Browser, disc: Disc) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"file://{disc.folder}/VIEWER.HTM")
    settled(page)
    zoom = "parseInt(document.getElementById('bottom-right').textContent.match(/Zoom: (\\d+)/)[1])"
    before = page.evaluate(zoom)
    client = context.new_cdp_session(page)
    for kind, reach in (("touchStart", 20), ("touchMove", 40), ("touchMove", 80)):
        points = [{"x": 195 - reach, "y": 300, "id": 1}, {"x": 195 + reach, "y": 300, "id": 2}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settled(page)
    assert page.evaluate(zoom) > before * 2
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_within_a_third_values_are_off_by_no_more_than_it_says(
    browser: Browser, decoder: Decoder, tmp_path: Path
) -> None:
    datasets = slices(12, edge=256, noise=25)
    disc = Disc(tmp_path, datasets, decoder, 1 / 3, [])
    its_own = 96 << 10  # files and words, whatever is on the disc
    assert disc.bytes - its_own <= disc.image_bytes / 3
    for page in opened(browser, disc):
        found = re.search(r"rounded to ±(\d+)", page.locator("#bottom-right").inner_text())
        assert found and int(found[1]) <= 16
        # 400 HU are 255 greys
        assert off_by(page, decoder.frame(disc.paths[0], 1)) <= int(found[1]) * 255 / 399 + 1


def test_a_presentation_state_is_said_where_it_belongs(browser: Browser, decoder: Decoder, tmp_path: Path) -> None:
    datasets = slices(2)
    image, series = Dataset(), Dataset()
    image.ReferencedSOPInstanceUID = datasets[1].SOPInstanceUID
    series.ReferencedImageSequence = Sequence([image])
    state = document(tmp_path, "pr", "1.2.840.10008.5.1.4.1.1.11.1", "PR", PatientID="77", StudyInstanceUID=STUDY,
                     ReferencedSeriesSequence=Sequence([series]))  # fmt: skip
    disc = Disc(tmp_path, datasets, decoder, 1.0, [state])
    for page in opened(browser, disc):
        assert page.locator("#note").is_hidden()
        page.keyboard.press("ArrowDown")
        settled(page)
        assert page.locator("#note").inner_text() == "Saved presentation not applied"


def referring(kind: str, uid: str) -> dict[str, Sequence]:
    """Where a presentation state of a kind names its images (PS3.3 C.11.11, C.11.14, C.11.29, C.11.23)."""
    image, holder, outer = Dataset(), Dataset(), Dataset()
    image.ReferencedSOPInstanceUID = uid
    holder.ReferencedImageSequence = Sequence([image])
    if kind == "11.4":
        outer.ReferencedSeriesSequence = Sequence([holder])
        return {"BlendingSequence": Sequence([outer])}
    return {
        {"11.8": "AdvancedBlendingSequence", "11.6": "VolumetricPresentationStateInputSequence"}[kind]: Sequence(
            [holder]
        )
    }


@pytest.mark.parametrize("kind", ["11.4", "11.6", "11.8"])
def test_images_of_every_kind_of_presentation_state_are_known(decoder: Decoder, tmp_path: Path, kind: str) -> None:
    state = document(tmp_path, "pr", f"1.2.840.10008.5.1.4.1.1.{kind}", "PR", **referring(kind, "1.2.3.4"))
    assert decoder.references(state) == ["1.2.3.4"]


def test_an_overlay_is_said_not_to_be_shown(browser: Browser, decoder: Decoder, tmp_path: Path) -> None:
    datasets = slices(2)
    with_overlay(datasets[1])
    disc = Disc(tmp_path, datasets, decoder, 1.0, [])
    for page in opened(browser, disc):
        assert page.locator("#note").is_hidden()
        page.keyboard.press("ArrowDown")
        settled(page)
        assert page.locator("#note").inner_text() == "Overlay not shown"


def test_a_part_of_the_disc_that_cannot_be_read_is_said(browser: Browser, disc: Disc, tmp_path: Path) -> None:
    shutil.copytree(disc.folder, tmp_path / "VIEWER")
    (tmp_path / "VIEWER" / "S0002" / "C00001.JS").unlink()
    page = browser.new_page()
    page.goto(f"file://{tmp_path}/VIEWER/VIEWER.HTM")
    settled(page)
    page.locator("#stacks button").nth(1).click()
    page.get_by_text(words("en")["failed"]).wait_for()
    page.close()


def test_a_video_is_said_not_to_be_shown(browser: Browser, decoder: Decoder, tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate
    from pydicom.uid import MPEG4HP41

    video = grey(np.zeros((8, 8), np.uint8), NumberOfFrames=1, StudyInstanceUID=STUDY, SeriesInstanceUID=STUDY)
    video.PixelData = encapsulate([b"\0\0\0\1"])
    video.file_meta.TransferSyntaxUID = MPEG4HP41
    disc = Disc(tmp_path, [video], decoder, 1.0, [])
    page = browser.new_page()
    page.goto(f"file://{disc.folder}/VIEWER.HTM")
    page.get_by_text(words("en")["video"]).wait_for()
    page.close()


@pytest.mark.parametrize("near", [0, 1, 3, 20])
@pytest.mark.parametrize("maximum", [3, 255, 1000, 4095, 65535])
def test_our_jpeg_ls_decodes_as_charls_does(decoding: Page, maximum: int, near: int) -> None:
    if near > maximum // 2:
        pytest.skip("JPEG-LS allows no such loss")
    y, x = np.mgrid[:61, :83]
    for noise in (0, maximum / 200, maximum / 8):
        image = (np.sin(x / 17) + np.cos(y / 23) + 2) / 4 * maximum
        image = image + np.random.default_rng(5).normal(0, noise, image.shape) * (y > 20)
        image[5:9, 10:30] = maximum  # runs, and what ends them
        values = np.clip(image, 0, maximum).astype(np.uint8 if maximum < 256 else np.uint16)
        data = bytes(CharLS.encode_array(values, near))
        ours = decoding.evaluate("d => [...window.decodeJpegLs(new Uint8Array(d)).values]", list(data))
        assert np.array_equal(ours, CharLS.decode(np.frombuffer(data, np.uint8)).ravel())


@pytest.fixture(scope="module")
def decoding(browser: Browser) -> Iterator[Page]:
    page = browser.new_page()
    page.add_script_tag(path=shipped("templates") / "viewer" / "JPEGLS.JS")
    yield page
    page.close()


def test_spoiled_data_is_said_not_shown(decoding: Page) -> None:
    data = bytearray(CharLS.encode_array(np.random.default_rng(6).integers(0, 4096, (40, 40)).astype(np.uint16), 0))
    for seed in range(60):
        random = np.random.default_rng(seed)
        for at in random.integers(0, len(data), 5):
            data[at] = random.integers(0, 256)
        script = "d => { try { window.decodeJpegLs(new Uint8Array(d)); return 'done'; } catch (e) { return 'said'; } }"
        assert decoding.evaluate(script, list(data)) in ("done", "said")


def test_any_bytes_survive_as_a_literal(browser: Browser, tmp_path: Path) -> None:
    data = bytes(range(256)) + bytes(f"\0{0}\0\0\0009\\'\r\n", "ascii") + np.random.default_rng(3).bytes(5000)
    (tmp_path / "A.JS").write_bytes(b"window.got=" + literal(data))
    (tmp_path / "A.HTM").write_text('<meta charset="utf-8"><script src="A.JS" charset="x-user-defined"></script>')
    page = browser.new_page()
    page.goto(f"file://{tmp_path}/A.HTM")
    assert bytes(page.evaluate("[...window.got].map(c => c.charCodeAt(0) & 255)")) == data
    assert len(literal(np.random.default_rng(4).bytes(100_000))) < 102_500
    page.close()


def test_several_studies_and_patients_each_have_their_own_stacks(
    browser: Browser, decoder: Decoder, tmp_path: Path
) -> None:
    datasets = slices(4, edge=64)
    for number, dataset in enumerate(datasets):
        dataset.PatientID, dataset.StudyInstanceUID = str(number // 3), f"{STUDY}.{number % 3}"
        dataset.SeriesInstanceUID = f"{STUDY}.{number}.1"
    disc = Disc(tmp_path, datasets, decoder, 2.0, [])
    for page in opened(browser, disc):
        assert page.locator("#stacks button").count() == 4
        for number in range(4):
            stack(page, number)
            assert off_by(page, decoder.frame(disc.paths[number], 1)) == 0


def test_a_date_behind_an_arabic_name_reads_as_any_date(browser: Browser, decoder: Decoder, tmp_path: Path) -> None:
    """Without a mark 2026-02-01 reads 01-02-2026 there (UAX #9 W2): another day."""
    datasets = slices(2, edge=64)
    for number, dataset in enumerate(datasets):
        dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "قباني^لنزار"
        dataset.PatientID, dataset.StudyInstanceUID, dataset.StudyDate = str(number), f"{STUDY}.{number}", "20260201"
        dataset.SeriesInstanceUID = f"{STUDY}.{number}.1"
    script = """() => { const text = document.querySelector('#stacks h2').firstChild, at = text.data.indexOf('2026');
      return [...'2026-02-01'].map((_, n) => { const one = document.createRange();
        one.setStart(text, at + n); one.setEnd(text, at + n + 1); return one.getBoundingClientRect().left; }); }"""
    for page in opened(browser, Disc(tmp_path, datasets, decoder, 2.0, [])):
        places = page.evaluate(script)
        assert places == sorted(places)


def test_frames_are_spread_over_a_clip() -> None:
    assert spread(3, 6) == [1, 2, 3] and spread(30, 6)[0] == 1 and spread(30, 6)[-1] == 30 and spread(9, 1) == [5]


def test_a_run_of_more_frames_than_are_shown_is_spread_evenly_and_says_so(
    browser: Browser, decoder: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewer, "MOST_FRAMES", 10)
    frames = np.stack([np.full((16, 16), 100 * k, np.uint16) for k in range(25)])
    run = grey(frames, StudyInstanceUID=STUDY, SeriesInstanceUID=STUDY + ".9", PatientID="77", Modality="OT")
    made = Disc(tmp_path, [run], decoder, 2.0, [])
    page = browser.new_page()
    page.goto((made.folder / "VIEWER.HTM").as_uri())
    note = words("en")["some_frames"].format(count=10, of=25)
    expect(page.locator("#note")).to_contain_text(note)
    page.keyboard.press("End")
    expect(page.locator("#bottom-left")).to_contain_text("10 / 10 (25)")
    page.close()


@pytest.mark.skipif(not shutil.which("firefox-esr"), reason="Firefox is not installed here")
def test_firefox_shows_the_image_from_a_file(disc: Disc, tmp_path: Path) -> None:
    """The second engine: a picture of the page, grey values in its middle, no window of an error."""
    target = tmp_path / "firefox.png"
    command = [
        "firefox-esr",
        "--headless",
        "--no-remote",
        "--profile",
        tmp_path / "profile",
        "--window-size",
        "1200,800",
    ]
    (tmp_path / "profile").mkdir()
    subprocess.run(
        [*command, "--screenshot", target, (disc.folder / "VIEWER.HTM").as_uri()],
        env={**os.environ, "HOME": str(tmp_path), "MOZ_DISABLE_CONTENT_SANDBOX": "1"},
        capture_output=True,
        check=True,
        timeout=60,
    )
    picture = np.asarray(Image.open(target).convert("L"))
    middle = picture[300:500, 600:900]
    assert len(np.unique(middle)) > 40, "the noise of the body"
    assert picture.shape[1] == 1200


def laid_out(folder: Path, decoder: Decoder, paths: list[Path], *, overview: bool, **changes: object) -> Path:
    for name, path in viewer_files(volume(paths, **changes), decoder, folder / "work", overview=overview):
        (folder / "disc" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "disc" / name)
    return folder / "disc" / "VIEWER" / "VIEWER.HTM"


def test_who_has_no_javascript_is_sent_to_what_every_disc_has() -> None:
    """INDEX.HTM is not on a physician's disc."""
    noscript = (shipped("templates") / "viewer" / "VIEWER.HTM").read_text().partition("<noscript>")[2]
    assert "../README.TXT" in noscript.partition("</noscript>")[0]
    assert all("README.TXT" in words(language)["old_browser"] for language in ("en", "ru", "uk", "pt", "zh"))


@pytest.mark.parametrize(("overview", "said"), [(False, "SM (1), SR (1)"), (True, "SM (1)")])
def test_what_the_viewer_does_not_show_is_told(
    browser: Browser, decoder: Decoder, tmp_path: Path, overview: bool, said: str
) -> None:
    slide = grey(np.zeros((8, 8), np.uint8), Modality="SM", SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.6")
    slide.PatientName, slide.PatientID, slide.StudyInstanceUID, slide.SeriesInstanceUID = "Roe^Eva", "1", "1.2.3", "1.9"
    slide.save_as(tmp_path / "slide.dcm", enforce_file_format=True)
    report = document(tmp_path, "report.dcm", "1.2.840.10008.5.1.4.1.1.88.11", "SR")
    page = browser.new_page()
    page.goto(f"file://{laid_out(tmp_path, decoder, [tmp_path / 'slide.dcm', report], overview=overview)}")
    expect(page.locator("#stacks p")).to_have_text(f"{words('en')['other_objects']}: {said}")
    expect(page.locator("#stacks h2")).to_contain_text("Roe, Eva")
    page.close()


@pytest.mark.parametrize("count", [1, 3])
def test_the_viewer_of_one_of_several_discs_says_so(
    browser: Browser, decoder: Decoder, tmp_path: Path, count: int
) -> None:
    slices(1, edge=64)[0].save_as(tmp_path / "0.dcm", enforce_file_format=True)
    page = browser.new_page()
    page.goto(f"file://{laid_out(tmp_path, decoder, [tmp_path / '0.dcm'], overview=False, number=1, count=count)}")
    expect(page.locator("#stacks button")).to_have_count(1)
    expect(page.locator("#disc")).to_have_text("" if count == 1 else "Disc 1 of 3")
    page.close()
