// The answer on a patient: risks, the change against a reference, warnings, and a summary.

import { $, draw, make } from "./dom.js";
import { forPeople, listed, outcomeOf } from "./names.js";
import { percent, signed } from "./numbers.js";
import { showReasons } from "./reasons.js";
import { model } from "./service.js";

// `latest` is the patient shown, `reference` the one to compare with: { answer, values, canonical }.
let latest = null, reference = null, nextIsReference = false, outcome = null;
let referenceName = "";

export function showPatient(patient) {
  if (patient.answer.status !== "ok") {
    showNone("No risk for this patient", patient.answer.because.map(forPeople));
    return;
  }
  latest = patient;
  if (nextIsReference) [reference, nextIsReference] = [latest, false];
  render();
}

// No risk: why, in one sentence or under a heading.
export function showNone(heading, because = []) {
  latest = null;
  $("answer").hidden = true;
  $("status").className = "status no";
  $("status").replaceChildren(make("b", {}, heading));
  if (because.length) $("status").append(make("ul", {}, ...because.map((text) => make("li", {}, text))));
  showBrief(make("span", {}, make("b", {}, "No risk shown"), " See why"));
}

// Nothing asked yet, hence nothing wrong.
export function showNothing() {
  latest = null;
  $("answer").hidden = true;
  $("status").className = "status";
  $("status").textContent = "The risks appear here once a therapy and a few values are known.";
  showBrief(null);
}

export function compareFromHere() {
  [reference, referenceName] = [latest, "the patient as entered before"];
  render();
  $("uncompare").focus();
}
export function compareFromNext(name) { [reference, nextIsReference, referenceName] = [null, true, name]; }
export function stopComparing() {
  [reference, nextIsReference] = [null, false];
  if (latest) { render(); $("rebase").focus(); }
}

function render() {
  const { answer } = latest;
  $("answer").hidden = false;
  $("status").className = "status done";
  $("status").textContent = model.outcomes.map((o) => `${o.label}: ${percent(answer.risks[o.name].risk)}`).join("; ");
  $("copied").textContent = "";
  const changed = differences();
  $("risks").replaceChildren(...model.outcomes.map((o) => riskBox(o, changed.length > 0)));
  showBrief(...model.outcomes.map((o) => briefly(o, changed.length > 0)));
  $("compared").textContent = reference === null ? "What if? Compare from here, then change a value."
    : changed.length ? `Compared with ${referenceName}; changed since: ${listed(changed.length > 4 ? [...changed.slice(0, 4), `${changed.length - 4} more`] : changed)}.`
      : "Change a value, and see what it does to the risk.";
  $("rebase").hidden = reference !== null && !changed.length;
  $("uncompare").hidden = reference === null;
  $("beware").hidden = !answer.warnings.length;
  $("warnings").replaceChildren(...answer.warnings.map((text) => make("li", {}, forPeople(text))));
  renderReasons();
}

// Labels of what differs from the reference; the same amount in another unit does not.
function differences() {
  if (reference === null) return [];
  const same = (a, b) => a === b || (typeof a === "number" && Math.abs(a - b) <= 1e-9 * Math.abs(a));
  return model.dictionary.filter((v) => !same(reference.canonical[v.name], latest.canonical[v.name])).map((v) => v.label);
}

const change = (o) => signed(100 * (latest.answer.risks[o.name].risk - reference.answer.risks[o.name].risk), 1);
const between = (risk) => `${percent(risk.low)} to ${percent(risk.high)}`;

function riskBox(o, changed) {
  const risk = latest.answer.risks[o.name];
  return make("div", {},
    make("dt", {}, o.label),
    make("dd", { class: "big" }, percent(risk.risk),
      make("span", { class: "change" }, changed ? `${change(o)} points` : "")),
    make("dd", { class: "scalebox" }, scale(risk), make("span", { class: "between" }, between(risk))),
    make("dd", { class: "prior" }, `${Math.round(100 * model.interval_level)}% interval; ${risk.evidence} rate ${percent(risk.prior)}`));
}

function scale(risk) {
  const svg = draw("svg", { class: "scale", viewBox: "0 0 200 30", preserveAspectRatio: "none", "aria-hidden": "true" });
  const x = (p) => 200 * p;
  svg.append(draw("line", { class: "axis", x1: 0, x2: 200, y1: 22, y2: 22, "vector-effect": "non-scaling-stroke" }));
  for (const at of [0, 50, 100, 150, 200]) svg.append(draw("line", { class: "axis", x1: at, x2: at, y1: 22, y2: 26, "vector-effect": "non-scaling-stroke" }));
  svg.append(
    draw("rect", { class: "band", x: x(risk.low), width: Math.max(1, x(risk.high) - x(risk.low)), y: 8, height: 14 }),
    draw("line", { class: "pub", x1: x(risk.prior), x2: x(risk.prior), y1: 3, y2: 22, "vector-effect": "non-scaling-stroke" }),
    draw("rect", { class: "dot", x: x(risk.risk) - 1.5, width: 3, y: 4, height: 18 }));
  return svg;
}

// On a narrow screen the risks lie far below the form: a bar at its bottom has them in short.
function briefly(o, changed) {
  const risk = latest.answer.risks[o.name];
  return make("span", {}, make("span", {}, `${o.label} `), make("b", {}, percent(risk.risk),
    make("small", {}, changed ? ` ${change(o)}` : "")), ` ${between(risk)}`);
}
function showBrief(...parts) {
  $("brief").hidden = parts[0] === null;
  $("brief").replaceChildren(...parts.filter((part) => part !== null));
}

function renderReasons() {
  outcome ??= model.primary_outcome;
  $("outcomes").replaceChildren(...model.outcomes.map((o) => {
    const button = make("button", { type: "button", "aria-pressed": String(o.name === outcome), "data-outcome": o.name }, o.label);
    button.addEventListener("click", () => {
      outcome = o.name;
      renderReasons();
      document.querySelector(`[data-outcome="${o.name}"]`).focus();
    });
    return button;
  }));
  showReasons(latest, outcome);
}

export function summary() {
  const { answer, values } = latest, level = Math.round(100 * model.interval_level);
  const lines = [`CRS risk before infusion. ${model.warning}`, `Model: ${model.version}. Therapy: ${answer.therapy ?? "-"}. Disease: ${values[model.disease] ?? "not known"}.`];
  for (const o of model.outcomes) {
    const r = answer.risks[o.name];
    lines.push(`${o.label}: ${percent(r.risk)} (${level}% interval ${between(r)}); ${r.evidence} rate ${percent(r.prior)}`);
  }
  lines.push(`${outcomeOf(outcome).label}: ${$("words").textContent}`);
  if (answer.warnings.length) lines.push(`To beware of: ${answer.warnings.map(forPeople).join("; ")}.`);
  return lines.join("\n");
}
