"""The page in Chromium: from the example to a risk, what-if, units, keyboard, phone, axe."""

import json
import re
import shutil

import pytest
from playwright.sync_api import expect

from pipeline.explanation.sources import readable_unit

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def open_page(browser, live):
    """Open the page at a width, and see to it that nothing is fetched from elsewhere."""
    contexts, elsewhere, faults = [], [], []

    def opened(width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: elsewhere.append(r.url) if not r.url.startswith(live) else 0)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(live)
        page.wait_for_selector("#v-therapy")
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert elsewhere == []
    assert faults == []


def shown(page):
    page.wait_for_selector("#risks .big")
    return [
        float(t)
        for t in re.findall(r"([\d.]+)%", " ".join(page.locator("#risks .big").all_inner_texts()))
    ]


def changes(page):
    return page.locator("#risks .change").all_inner_texts()


def settle(page):
    page.wait_for_timeout(250)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(100)


def test_an_example_is_one_click_away_and_shows_what_the_service_says(open_page, client, values):
    page = open_page()
    page.click("#example")
    risks = shown(page)
    (answer,) = client.post("/v1/risk", json={"values": values}).json()["answers"]
    expected = [100 * risk["risk"] for risk in answer["risks"].values()]
    assert risks == pytest.approx(expected, abs=0.51)
    body = page.inner_text("main")
    told = [f"{risk['evidence']} rate" for risk in answer["risks"].values()]
    assert told == ["published rate", "interpolated rate"]
    boxes = page.locator("#risks .prior").all_inner_texts()
    assert [name in box for name, box in zip(told, boxes, strict=True)] == [True, True]
    assert "90% interval" in body
    assert "This patient" in page.inner_text("#bars")
    assert "The model starts at" in page.inner_text("#words")


def test_words_credit_only_what_is_known_of_the_patient(open_page):
    """A score is known where all that it is computed from is: EASIX needs LDH."""
    page = open_page()
    page.select_option("#v-therapy", "axicabtagene ciloleucel")
    page.fill("#v-platelets", "30")
    page.fill("#v-hemoglobin", "7")
    shown(page)
    for tab in page.locator("#outcomes button").all():
        tab.click()
        unknown = page.locator("#bars .unknown").all_inner_texts()
        assert any(text.startswith("Lactate dehydrogenase\nnot known") for text in unknown)
        words, _, expected = page.inner_text("#words").partition("Not known, and taken as expected")
        labels = [text.splitlines()[0] for text in unknown]
        assert not [label for label in labels if label in words]
        assert "Lactate dehydrogenase" in expected
        assert not re.search(r"Platelets|Haemoglobin|Therapy", expected)
    page.fill("#v-ldh", "400")
    settle(page)
    known = page.locator("#bars li:not(.unknown)").all_inner_texts()
    assert any(text.startswith("Simplified EASIX") for text in known)


def test_an_edited_value_shows_its_change_against_the_example(open_page):
    page = open_page()
    page.click("#example")
    before = shown(page)
    assert changes(page) == ["", ""]
    page.fill("#v-crp", "300")
    page.get_by_text("Compared with the example; changed since: C-reactive protein.").wait_for()
    after = shown(page)
    told = [float(re.match(r"([+−][\d.]+) points", c)[1].replace("−", "-")) for c in changes(page)]
    assert told == pytest.approx([a - b for a, b in zip(after, before, strict=True)], abs=1.1)
    page.click("#rebase")
    assert changes(page) == ["", ""]
    page.fill("#v-crp", "100")
    page.get_by_text("changed since: C-reactive protein.").wait_for()
    page.click("#uncompare")
    assert changes(page) == ["", ""]


def test_a_patient_being_typed_is_compared_with_nobody(open_page):
    page = open_page()
    page.select_option("#v-therapy", "axicabtagene ciloleucel")
    page.fill("#v-platelets", "30")
    page.fill("#v-ldh", "400")
    shown(page)
    page.fill("#v-hemoglobin", "7")
    settle(page)
    assert changes(page) == ["", ""]
    page.click("#rebase")
    # The same platelets in another unit are the same patient.
    page.fill("#v-platelets", "30000")
    page.select_option('[data-unit="platelets"]', "/uL")
    settle(page)
    assert changes(page) == ["", ""]
    page.fill("#v-hemoglobin", "12")
    page.get_by_text("changed since: Haemoglobin.").wait_for()


# Worked by hand: a tenfold of mg/L; by creatinine's 113.12 g/mol; by a haemoglobin monomer's
# 16,114 g/mol.
@pytest.mark.parametrize(
    ("name", "typed", "unit", "read_as"),
    [
        ("crp", "12", "mg/dL", "= 120 mg/L"),
        ("creatinine", "88", "µmol/L", "= 0.995 mg/dL"),
        ("hemoglobin", "9.5", "mmol/L", "= 15.3 g/dL"),
        ("d_dimer", "900", "µg/L FEU", "= 0.9 mg/L FEU"),
    ],
)
def test_a_unit_chosen_after_the_number_is_the_numbers_own(open_page, name, typed, unit, read_as):
    """People copy the number from a report, and then its unit: what they typed must stay."""
    page = open_page()
    page.fill(f"#v-{name}", typed)
    settle(page)
    with page.expect_request("**/v1/risk") as sent:
        page.select_option(f'[data-unit="{name}"]', label=unit)
    assert page.input_value(f"#v-{name}") == typed
    assert page.inner_text(f"#h-{name}").startswith(read_as)
    asked = sent.value.post_data_json["values"][name]
    assert asked["value"] == float(typed)
    assert unit.startswith(readable_unit(asked["unit"]))


def test_the_kind_of_d_dimer_units_is_told_and_none_is_offered_twice(open_page):
    offered = open_page().locator('[data-unit="d_dimer"] option').all_inner_texts()
    assert offered == ["mg/L FEU", "µg/mL FEU", "ng/mL FEU", "µg/L FEU"]


def test_ranges_are_checked_as_one_types(open_page):
    page = open_page()
    page.click("#example")
    page.fill("#v-crp", "9000")
    assert "Outside 0 to 700 mg/L: is the unit right?" in page.inner_text("#h-crp")
    assert page.get_attribute("#v-crp", "aria-invalid") == "true"
    page.wait_for_selector("#status.no")
    assert "No risk for this patient" in page.inner_text("#status")
    assert "C-reactive protein is outside 0 to 700 mg/L" in page.inner_text("#status")
    page.fill("#v-crp", "12")
    page.wait_for_selector("#answer:not([hidden])")
    assert page.inner_text("#h-crp") == ""
    # A grade has no unit that could be wrong; a count's unit is written for people.
    page.fill("#v-ecog", "7")
    assert page.inner_text("#h-ecog") == "Outside 0 to 4."
    page.fill("#v-ecog", "1")
    page.fill("#v-platelets", "9000")
    page.get_by_text("Platelets is outside 1 to 2000 10⁹/L").wait_for()


def test_a_value_unlike_nearly_all_of_training_is_told(open_page):
    page = open_page()
    page.fill("#v-ldh", "15000")
    assert page.inner_text("#h-ldh").startswith("Beyond what nearly all training patients had (")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("text", "Not a number."),
        ("1 200", "Not a number."),
        ("0x20", "Not a number."),
        ("1,200", "Thousands or decimals? Write 1200 or 1.2, not 1,200."),
        ("1.200", "Thousands or decimals? Write 1200 or 1.2, not 1.200."),
        ("1.234", "Thousands or decimals? Write 1234 or 1.2340, not 1.234."),
        ("1,200.5", "Not a number."),
    ],
)
def test_no_risk_is_shown_while_a_value_cannot_be_read(open_page, written, said):
    page = open_page()
    page.click("#example")
    shown(page)
    sent = []
    page.on("request", lambda request: sent.append(request.post_data))
    page.fill("#v-ferritin", written)
    settle(page)
    assert page.inner_text("#h-ferritin") == said
    assert page.locator("#answer").is_hidden()
    assert "No risk while a value cannot be read" in page.inner_text("#status")
    assert "Ferritin" in page.inner_text("#status")
    assert sent == []
    page.fill("#v-ferritin", "1200")
    page.wait_for_selector("#answer:not([hidden])")
    assert json.loads(sent[0])["values"]["ferritin"] == 1200


# No group of thousands begins with 0; an INR of 1034 or a CRP of 12500 mg/L cannot be meant.
@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("crp", "3,5", 3.5),
        ("creatinine", "0,125", 0.125),
        ("procalcitonin", "0.125", 0.125),
        ("inr", "1.034", 1.034),
        ("crp", "12,500", 12.5),
        ("ferritin", "1.2340", 1.234),
    ],
)
def test_a_decimal_is_read_by_either_mark(open_page, name, written, read):
    page = open_page()
    page.click("#example")
    shown(page)
    with page.expect_request("**/v1/risk") as sent:
        page.fill(f"#v-{name}", written)
    assert sent.value.post_data_json["values"][name] == read


def test_after_clear_the_unit_that_is_sent_is_the_one_that_is_shown(open_page):
    page = open_page()
    page.click("#example")
    shown(page)
    page.select_option('[data-unit="crp"]', "mg/dL")
    settle(page)
    page.click("button[type=reset]")
    settle(page)
    assert page.input_value('[data-unit="crp"]') == "mg/L"
    with page.expect_request("**/v1/risk") as sent:
        page.fill("#v-crp", "35")
    # Without a unit it is the dictionary's, mg/L.
    assert sent.value.post_data_json["values"] == {"crp": 35}


def test_the_therapys_published_rate_is_told_when_it_is_picked(open_page):
    page = open_page()
    page.select_option("#v-therapy", "teclistamab")
    assert "Rates of this therapy" in page.inner_text("#rate")
    # Its label states the rate of any grade; that of grade 2 and higher is interpolated.
    assert re.search(r"CRS of any grade \d+% \(published\)", page.inner_text("#rate"))
    assert re.search(r"CRS of grade 2 or higher \d+% \(interpolated\)", page.inner_text("#rate"))


def test_a_summary_can_be_copied(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.click("#example")
    shown(page)
    page.click("#copy")
    page.get_by_text("Copied.").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert "Research use only" in text
    assert re.search(r"CRS of any grade: .*; published rate", text)
    assert re.search(r"CRS of grade 2 or higher: .*; interpolated rate", text)


def test_everything_is_reached_by_keyboard(open_page):
    page = open_page()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "example":
            break
    page.keyboard.press("Enter")
    shown(page)
    reached = set()
    for _ in range(150):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert {"v-therapy", "v-disease", "v-crp", "SUMMARY", "copy"} <= reached


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_runs_over_the_edge_and_the_warning_stays(open_page, width):
    page = open_page(width)
    page.click("#example")
    shown(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.wait_for_timeout(100)
    box = page.locator(".research").bounding_box()
    assert box["y"] == pytest.approx(0, abs=1)
    assert "Research use only" in page.inner_text(".research")


@pytest.mark.parametrize("width", [390, 1280])
def test_risks_or_why_there_are_none_are_in_sight_of_the_form(open_page, width):
    page = open_page(width)
    page.click("#example")
    shown(page)
    page.locator("#v-sodium").scroll_into_view_if_needed()
    seen = "#brief" if width == 390 else "#risks"
    for risk in page.locator("#risks .big").all_inner_texts():
        assert risk.strip() in page.inner_text(seen)
    expect(page.locator(seen)).to_be_in_viewport(ratio=1)
    page.fill("#v-sodium", "1")
    page.wait_for_selector("#status.no")
    seen = "#brief" if width == 390 else "#status"
    assert "No risk" in page.inner_text(seen)
    expect(page.locator(seen)).to_be_in_viewport(ratio=1)


def test_the_bar_of_a_narrow_screen_leads_to_the_risks_and_leaves_them_free(open_page):
    page = open_page(390)
    page.click("#example")
    shown(page)
    page.focus("#brief")
    page.keyboard.press("Enter")
    expect(page.locator("#risks dt").first).to_be_in_viewport()
    expect(page.locator("#brief")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page, scheme):
    from axe_core_python.sync_playwright import Axe

    page = open_page(color_scheme=scheme, bypass_csp=True)
    page.click("#example")
    shown(page)
    page.fill("#v-crp", "300")
    page.get_by_text("changed since: C-reactive protein.").wait_for()
    found = Axe().run(page)["violations"]
    told = [(v["id"], v["impact"], [n["html"] for n in v["nodes"][:3]]) for v in found]
    assert [fault for fault in told if fault[1] in ("serious", "critical")] == []
