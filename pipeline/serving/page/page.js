// The page: what is typed is asked of the service, and every risk comes from it.

import { compareFromHere, compareFromNext, showNone, showNothing, showPatient, stopComparing, summary } from "./answer.js";
import { $, make } from "./dom.js";
import { build, collect, fill } from "./form.js";
import { listed } from "./names.js";
import { askRisk, loadModel, model, TokenNeeded, useToken } from "./service.js";

let timer, asked = 0;

function changed() {
  clearTimeout(timer);
  asked += 1; // an answer still on its way was for other values
  const { values, canonical, unread } = collect();
  if (unread.length) showNone("No risk while a value cannot be read", [`Correct it, or leave it blank: ${listed(unread)}.`]);
  else if (!Object.keys(values).length) showNothing();
  else timer = setTimeout(() => ask(values, canonical), 200);
}

async function ask(values, canonical) {
  const turn = asked;
  try {
    const answer = await askRisk(values);
    if (turn === asked) showPatient({ answer, values, canonical });
  } catch (error) {
    if (error instanceof TokenNeeded) $("token").hidden = false;
    if (turn === asked) showNone(error.message);
  }
}

async function copy() {
  const text = summary();
  try { await navigator.clipboard.writeText(text); $("copied").textContent = "Copied."; }
  catch { // Without a secure origin there is no clipboard: select the text instead.
    const area = make("textarea", { readonly: true, rows: 9, cols: 60, "aria-label": "Summary" }, text);
    $("copied").replaceChildren(area);
    area.select();
  }
}

async function start() {
  try { await loadModel(); }
  catch (error) {
    if (error instanceof TokenNeeded) $("token").hidden = false;
    $("loading").textContent = error.message;
    return;
  }
  $("model").textContent = model.version;
  $("card").hidden = model.card === null;
  $("version").textContent = `Model: ${model.version}.`;
  build();
  changed();
}

$("form").addEventListener("input", changed);
$("form").addEventListener("submit", (event) => event.preventDefault());
// The event comes before the fields are cleared.
$("clear").addEventListener("click", () => { stopComparing(); setTimeout(changed, 0); });
$("example").addEventListener("click", () => { compareFromNext("the example"); fill(model.example); changed(); });
$("rebase").addEventListener("click", compareFromHere);
$("uncompare").addEventListener("click", stopComparing);
$("copy").addEventListener("click", copy);
$("token").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken($("bearer").value.trim());
  $("token").hidden = true;
  if (model) changed();
  else start();
});
// Where the risks themselves are in sight, the bar at the bottom would only cover them.
new IntersectionObserver(([result]) => document.body.classList.toggle("at-result", result.isIntersecting),
  { rootMargin: "0px 0px -30% 0px" }).observe($("result"));
start();
