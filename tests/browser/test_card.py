"""The card in Chromium: layout at three widths, slider, sorting, print, and without script."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from pipeline.card.figures import number
from tests.card.page import Page
from tests.card.small_run import make_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"
)
# Runs in the page after it has loaded, and leaves what it found where --dump-dom shows it.
_REPORT = """<script>
addEventListener("load", function () {{
  var found = (function () {{ {body} }})();
  var pre = document.createElement("pre");
  pre.id = "report";
  pre.textContent = JSON.stringify(found);
  parent.document.body.appendChild(pre);
}});
</script></body>"""


@pytest.fixture(scope="module")
def made():
    return make_run(400, synthetic=True, fitted=True)


def chromium(tmp_path: Path, page: str, *flags: str) -> str:
    """Open a page from a file, without network, and return what is written out."""
    file = tmp_path / "card.html"
    file.write_text(page, encoding="utf-8")
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        "--no-first-run", "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}",
        *flags, file.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def ask(tmp_path: Path, page: str, body: str, *flags: str, width: int | None = None):
    """Run a function's body in the page and return its result.

    Chromium's window has a least width; a frame of ``width`` pixels has not.
    """
    report = page.replace("</body>", _REPORT.format(body=body))
    if width is not None:
        frame = f'<iframe style="width:{width}px;height:800px;border:0" srcdoc="{escape(report)}">'
        report = f"<!doctype html><body>{frame}</iframe></body>"
    dom = chromium(tmp_path, report, "--dump-dom", *flags)
    return json.loads(next(e.text for e in Page(dom).all("pre") if e.attributes.get("id")))


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_only_tables_scroll_sideways(made, tmp_path, width):
    body = """
      var wide = [], edge = document.documentElement.clientWidth;
      document.querySelectorAll("body *").forEach(function (e) {
        if (e.closest(".scroll") || e.closest(".skip") || e.closest("svg")) return;
        var box = e.getBoundingClientRect();
        if (box.right > edge + 1 || box.left < -1) wide.push(e.tagName + "." + e.className);
      });
      return {edge: edge, scroll: document.documentElement.scrollWidth, wide: wide};
    """
    found = ask(tmp_path, made.html, body, width=width)
    assert found["edge"] == width
    assert found["scroll"] <= width
    assert found["wide"] == []


def test_the_slider_moves_the_figures(made, tmp_path):
    body = """
      var box = document.querySelector(".slider"), input = box.querySelector("input");
      input.value = 11;
      input.dispatchEvent(new Event("input"));
      var shown = {};
      box.querySelectorAll("[data-curve]").forEach(function (c) {
        shown[c.dataset.curve] = c.textContent;
      });
      return {hidden: box.hidden, said: box.querySelector("output").textContent, shown: shown,
              spoken: input.getAttribute("aria-valuetext"),
              cursor: document.getElementById("cursor-decision_ge2").getAttribute("points")};
    """
    found = ask(tmp_path, made.html, body)
    benefit = made.evaluation["outcomes"]["ge2"]["net_benefit"]
    assert not found["hidden"]
    assert (found["said"], found["spoken"]) == ("12%", "threshold 12%")
    for name, curve in benefit["curves"].items():
        assert found["shown"][name] == number(100 * curve["estimate"][11], 1)
    assert "NaN" not in found["cursor"]


def test_the_predictor_table_sorts(made, tmp_path):
    body = """
      var table = document.querySelector("table[data-sortable]");
      var head = table.querySelector("th[data-sort=number]"), column = head.cellIndex;
      function values() {
        return Array.from(table.tBodies[0].rows).map(function (r) {
          return Number(r.cells[column].dataset.value);
        });
      }
      head.querySelector("button").click();
      var up = values(), mark = head.getAttribute("aria-sort");
      head.querySelector("button").click();
      return {up: up, down: values(), mark: mark};
    """
    found = ask(tmp_path, made.html, body)
    assert found["mark"] == "ascending"
    assert found["up"] == sorted(found["up"])
    assert found["down"] == sorted(found["up"], reverse=True)


def test_without_script_all_figures_are_there(made, tmp_path):
    policy = """<head><meta http-equiv="Content-Security-Policy" content="script-src 'none'">"""
    still = Page(chromium(tmp_path, made.html.replace("<head>", policy), "--dump-dom"))
    slider = next(e for e in still.all("div") if e.attributes.get("class") == "slider")
    assert "hidden" in slider.attributes
    shown = [e.text for e in still.all("td") if "data-source" in e.attributes]
    written = [e.text for e in Page(made.html).all("td") if "data-source" in e.attributes]
    assert shown == written


def test_it_prints_to_pdf(made, tmp_path):
    pdf = tmp_path / "card.pdf"
    chromium(tmp_path, made.html, f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
    content = pdf.read_bytes()
    assert content.startswith(b"%PDF")
    pages = max(int(n) for n in re.findall(rb"/Count (\d+)", content))
    assert 5 <= pages <= 40


def test_dark_readers_get_a_dark_page(made, tmp_path):
    body = """return getComputedStyle(document.body).backgroundColor;"""
    light = ask(tmp_path, made.html, body, "--blink-settings=preferredColorScheme=1")
    dark = ask(tmp_path, made.html, body, "--blink-settings=preferredColorScheme=0")
    brightness = [sum(map(int, re.findall(r"\d+", c)[:3])) for c in (light, dark)]
    assert brightness[0] > 600 > 150 > brightness[1]
