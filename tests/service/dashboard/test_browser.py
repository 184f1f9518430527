"""The dashboard as a person uses it, in Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from pneumoscope.bundle import Bundle
from pneumoscope.service.store import Store

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE = 300_000
"""Milliseconds; on a busy machine the first film waits for the network to be loaded."""


@pytest.fixture(scope="module")
def address(tiny_bundle: Bundle, judged: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The dashboard's address and the folder of its records."""
    if shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed; see: make peers")
    pytest.importorskip("playwright")
    state, films = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("films")
    for name, noise in (("a", 30), ("b", 60)):
        pixels = np.random.default_rng(noise).normal(120, noise, (120, 120)).clip(0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(films / f"{name}.png")
    (films / "cases.csv").write_text("path,label,split\na.png,1,train\nb.png,0,train\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pneumoscope", "dashboard", "--no-browser", "--port", f"{port}"]
    command += ["--bundle", f"{tiny_bundle.path}", "--evaluation", f"{judged}"]
    command += ["--data", f"{films}"]
    environment = os.environ | {"PNEUMOSCOPE_STATE": str(state)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as server:
        try:
            assert server.stdout is not None
            for line in server.stdout:
                if b"URL" in line:
                    break
            assert server.poll() is None, "it has ended"
            yield f"http://127.0.0.1:{port}", state
        finally:
            server.kill()


@pytest.fixture(scope="module")
def page(address: tuple[str, Path]) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(FLAGS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.asked = []  # every address that the page asked for
        page.on("request", lambda request: page.asked.append(request.url))
        yield page
        browser.close()


def settled(page: Any) -> None:
    """Wait until no script of the page runs any more; while one does, an element may stand there twice."""
    quiet = """() => document.querySelector("[data-testid=stApp]").dataset.testScriptState === "notRunning" """
    for _ in range(3):
        page.wait_for_function(quiet)
        page.wait_for_timeout(300)


def test_films_from_drop_to_verdict(page: Any, address: tuple[str, Path]) -> None:
    base, state = address
    files = {"broken.png": b"no film"}
    for name in ("RG3_UNCI.dcm", "RG1_UNCI.dcm"):
        files[name] = Path(str(get_testdata_file(name, download=False))).read_bytes()
    page.goto(base)
    page.get_by_text("Research use only").wait_for()
    drop = page.locator("input[type=file]")
    drop.wait_for(state="attached")
    drop.set_input_files([{"name": name, "mimeType": "", "buffer": content} for name, content in files.items()])
    viewer = page.locator(".viewer[data-ready]")
    viewer.first.wait_for()
    settled(page)
    assert "broken.png" in page.get_by_role("alert").inner_text()
    lines = page.get_by_role("radiogroup").locator("label").all_inner_texts()
    assert ["RG1_UNCI" in lines[0], "RG3_UNCI" in lines[1]] == [True, True], "the refused film stands last"
    assert "calibrated probability" in page.locator(".verdict").inner_text()
    assert "Not a localisation of disease" in viewer.inner_text()

    pictures = page.locator(".neighbours img")
    assert pictures.evaluate_all("found => found.map(image => image.naturalWidth)") == [120, 120]
    assert "no evidence of a diagnosis" in page.locator(".neighbours + p").inner_text()

    heat = page.locator(".viewer img.heat")
    slider = page.locator(".viewer input[name=heat]")
    assert heat.evaluate("image => image.style.opacity") == "0.45"
    slider.focus()
    page.keyboard.press("End")
    assert heat.evaluate("image => image.style.opacity") == "1"
    stage = page.locator(".viewer .stage")
    stage.focus()
    for key, name, value in (("h", "heat", "0"), ("+", "zoom", "150"), ("r", "zoom", "100")):
        page.keyboard.press(key)
        assert page.locator(f".viewer input[name={name}]").input_value() == value
    darkest = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter("
    darkest += "(value, index) => index % 4 === 0).reduce((sum, value) => sum + value, 0)"
    settled(page)
    before = page.locator(".viewer canvas").evaluate(darkest)
    page.get_by_role("button", name="Invert").click()
    size = page.locator(".viewer canvas").evaluate("canvas => canvas.width * canvas.height")
    assert page.locator(".viewer canvas").evaluate(darkest) == 255 * size - before

    page.get_by_role("textbox", name="Reviewer").fill("Dr. A")
    page.get_by_role("textbox", name="Comment").fill("an old scar")
    page.get_by_role("button", name="Disagree").click()
    page.get_by_text("an old scar").wait_for()
    store = Store(state=state)
    records = {record.prediction.decision: record for record in store.records()}
    store.close()
    (said,) = records["pneumonia"].verdicts
    assert (said.reviewer, said.verdict, said.comment) == ("Dr. A", "disagree", "an old scar")
    assert records["unsuitable"].verdicts == ()

    page.get_by_text("RG3_UNCI").click()
    page.get_by_text("This film was not scored").wait_for()
    page.get_by_role("button", name="Remove all films").click()
    page.get_by_text("scored on this machine and then forgotten").wait_for()


def test_an_evaluation_follows_its_sliders_and_fits_a_phone(page: Any, address: tuple[str, Path]) -> None:
    page.goto(f"{address[0]}/evaluation")
    page.get_by_text("forty films").wait_for()
    sensitivity = page.locator(".tile", has_text="Sensitivity").locator(".value")
    before = sensitivity.inner_text()
    page.get_by_role("slider").first.focus()
    page.keyboard.press("Home")
    page.wait_for_function("document.querySelector('.tile .value').innerText === '100.0%'")
    assert before != "100.0%"
    page.wait_for_function("document.querySelector('.matrix td')?.innerText === '0'")  # nothing is called normal
    ppv = page.locator(".tile", has_text="PPV").locator(".value")
    assert ppv.inner_text() == "50.0%", "all are called, half of them rightly"
    page.get_by_text("By sex").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address[0])
    page.get_by_text("Research use only").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_model_card_and_no_word_to_others(page: Any, address: tuple[str, Path]) -> None:
    page.goto(f"{address[0]}/model")
    page.get_by_text("Calibration and operating points").wait_for()
    others = {url for url in page.asked if not url.startswith((address[0], "data:", "blob:"))}
    assert others == set(), "the page asks nobody else for anything"
