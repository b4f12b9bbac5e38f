"""The monitor's page in Chromium, on a phone."""

import shutil

import pandas as pd
import pytest

from pipeline.config import Monitoring
from pipeline.model.artifact import read_artifact
from pipeline.monitoring.monitor import monitor
from pipeline.monitoring.observations import Observations
from pipeline.monitoring.report import to_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"
)


def test_the_verdicts_caption_takes_the_width_of_a_phone(small_run):
    from playwright.sync_api import sync_playwright

    artifact = read_artifact(small_run.folder / "train" / "model")
    cohort = pd.read_parquet(small_run.folder / "ingest" / "cohort.parquet")
    found = monitor(Observations.of(cohort, artifact, Monitoring()), artifact, Monitoring())
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 360, "height": 800})
        page.set_content(to_html(found, {"model": "m", "cohort": "c.csv", "date": "2026-01-01"}))
        width = page.locator("#verdict caption").bounding_box()["width"]
        over = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    # A caption of a table laid out in blocks shrinks to its longest word.
    assert width > 300
    assert over <= 360
