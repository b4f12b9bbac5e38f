"""The card for those who go by keyboard, by screen reader, or where no script may run."""

from __future__ import annotations

import shutil
from html import escape
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.card.small_run import make_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
if CHROMIUM is None:
    pytest.skip("chromium is not installed (apt-get install chromium)", allow_module_level=True)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe_core = pytest.importorskip("axe_core_python", reason="axe-core-python is not installed")

WIDTHS = (360, 768, 1280)
OPEN_ALL = "document.querySelectorAll('details').forEach(function (d) { d.open = true; })"
# Milliseconds for a page to load: a busy machine is no fault of the card.
PATIENCE = 180_000


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> SimpleNamespace:
    """A card with all its parts, and one of a cohort in which nothing was fitted."""
    folder, found = tmp_path_factory.mktemp("card"), {}
    for name, made in (
        ("whole", make_run(400, synthetic=True, fitted=True)),
        ("tiny", make_run(48, synthetic=False, fitted=False)),
    ):
        found[name] = folder / f"{name}.html"
        found[name].write_text(made.html, encoding="utf-8")
    return SimpleNamespace(**found, folder=folder)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["whole", "tiny"])
def test_axe_finds_nothing_serious(browser, card, scheme, which):
    page = browser.new_page(color_scheme=scheme)
    page.goto(getattr(card, which).as_uri(), timeout=PATIENCE)
    page.evaluate(OPEN_ALL)
    page.evaluate((Path(axe_core.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert len(found["passes"]) > 20
        told = [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found["violations"]]
        assert [t for t in told if t[1] in ("serious", "critical")] == [], width
    page.close()


def test_everything_is_reached_by_keyboard_and_its_focus_is_seen(browser, card):
    page = browser.new_page(viewport={"width": 360, "height": 900})
    page.goto(card.whole.as_uri(), timeout=PATIENCE)
    wanted = page.evaluate("""() => {
      const all = document.querySelectorAll("a[href], summary, button, input, select, .scroll");
      const seen = Array.from(all).filter((e) => e.checkVisibility() &&
        (!e.classList.contains("scroll") || e.scrollWidth > e.clientWidth));
      seen.forEach((e, k) => { e.dataset.stop = k; });
      return seen.length;
    }""")
    assert wanted > 40
    reached, unseen = [], []
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        stop, outline = page.evaluate("""() => {
          const e = document.activeElement, style = getComputedStyle(e);
          return [e.dataset.stop, style.outlineStyle !== "none" && style.outlineWidth !== "0px"];
        }""")
        if stop is None:
            break
        reached.append(int(stop))
        if not outline:
            unseen.append(stop)
    assert reached == list(range(wanted))  # in the order in which they are read
    assert unseen == []
    page.close()


def test_the_skip_link_leads_past_the_first_screen(browser, card):
    page = browser.new_page()
    page.goto(card.whole.as_uri(), timeout=PATIENCE)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.close()


def test_a_group_is_compared_by_keyboard(browser, card):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(card.whole.as_uri(), timeout=PATIENCE)
    page.focus("#group")
    page.keyboard.press("ArrowDown")
    shown = {
        key: page.locator(f'[data-chosen="{key}"]').inner_text()
        for key in ("name", "n", "calibration_slope")
    }
    row = page.locator('tr[data-group="0"]')
    assert shown["name"] == "no"
    for key in ("n", "calibration_slope"):
        in_table = row.locator(f'[data-key="{key}"]').text_content()
        assert shown[key].split() == in_table.split()
    assert page.locator(".p-chosen").count() == 3
    page.close()


def test_it_reads_in_full_where_a_frame_allows_no_script(browser, card):
    # As MLflow shows an HTML artifact: in a frame with a sandbox.
    frame = card.folder / "artifact.html"
    page = browser.new_page(viewport={"width": 1024, "height": 900})
    refused = []
    page.on("requestfailed", lambda request: refused.append(request.url))
    source = escape(card.whole.read_text(encoding="utf-8"))
    frame.write_text(f'<iframe sandbox="" style="width:1000px;height:800px" srcdoc="{source}">')
    page.goto(frame.as_uri(), timeout=PATIENCE)
    inner = page.frames[1]
    assert not inner.locator(".slider").first.is_visible()
    assert not inner.locator(".chooser").first.is_visible()
    for text in ("Research use only", "AUROC within therapy", "Reporting standards"):
        assert inner.get_by_text(text).first.is_visible()
    inner.locator("summary").first.click()  # folds open without script
    assert refused == []
    page.close()
