// What moves the risk: in words, and as steps that add up.

import { $, draw, make } from "./dom.js";
import { listed, outcomeOf, PRIOR, tidy, variableOf } from "./names.js";
import { expit, percent, quantity, signed } from "./numbers.js";
import { model } from "./service.js";

const SHOWN = 10;
const TELLING = 0.02; // log-odds

// Reasons for one outcome of a patient; `patient` has the answer and the values asked with.
export function showReasons(patient, outcome) {
  const reason = patient.answer.reasons[outcome], risk = patient.answer.risks[outcome].risk;
  const parts = Object.entries(reason.contributions).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const top = parts.slice(0, SHOWN).map(([source, c]) => (
    { label: model.sources[source] ?? source, known: isKnown(source, patient), value: valueOf(source, patient), c }));
  let text = `The model starts at ${percent(expit(reason.base))} and comes to ${percent(risk)} for this patient.${inWords(top)}`;
  if (reason.from !== outcome) text += ` The risk is capped by that of ${outcomeOf(reason.from).label}, whose reasons these are.`;
  $("words").textContent = text;
  if (parts.length > SHOWN) {
    top.push({ label: `${parts.length - SHOWN} others together`, known: true, value: "", c: parts.slice(SHOWN).reduce((sum, [, c]) => sum + c, 0) });
  }
  waterfall(reason.base, top, risk);
}

// A score is known where all is that it is computed from; of a therapy, all is known by its name.
function isKnown(source, { values }) {
  return (model.scores[source] ?? [source]).every((name) => name in values || !variableOf(name));
}

function valueOf(source, { answer, values }) {
  if (source === PRIOR) return tidy(answer.therapy ?? "");
  const v = variableOf(source), value = values[source];
  if (!v || value === undefined) return "";
  if (v.kind === "binary") return value ? "yes" : "no";
  if (typeof value === "string") return tidy(value);
  const given = typeof value === "object" ? value : { value, unit: v.units[0]?.unit };
  return quantity(given.value, v.units.find((u) => u.unit === given.unit) ?? { shown: "" });
}

// Only what is known of the patient may be said to raise or lower the risk.
function inWords(top) {
  const telling = top.filter(({ c }) => Math.abs(c) >= TELLING), known = telling.filter((part) => part.known);
  const named = ({ label, value }) => (value && label !== model.sources[PRIOR] ? `${label} (${value})` : label);
  const up = known.filter(({ c }) => c > 0).slice(0, 3).map(named), down = known.filter(({ c }) => c < 0).slice(0, 3).map(named);
  const unknown = telling.filter((part) => !part.known).map(({ label }) => label);
  let text = "";
  if (up.length) text += ` Raised by ${listed(up)}.`;
  if (down.length) text += ` Lowered by ${listed(down)}.`;
  if (unknown.length) text += ` Not known, and taken as expected: ${listed(unknown)}.`;
  return text;
}

function waterfall(base, steps, risk) {
  const ends = [base];
  for (const step of steps) ends.push(ends.at(-1) + step.c);
  const low = Math.min(...ends), high = Math.max(...ends), pad = 0.04 * (high - low || 1);
  const x = (value) => (100 * (value - low + pad)) / (high - low + 2 * pad);
  const row = (place, kind, label, value, text, from, to) => {
    const svg = draw("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(draw("line", { class: "guide", x1: x(base), x2: x(base), y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" }));
    const left = Math.min(x(from), x(to)), width = Math.max(0.6, Math.abs(x(to) - x(from)));
    svg.append(draw("rect", { class: kind, x: left, width, y: 1, height: 8 }));
    return make("li", { class: place },
      make("span", {}, label, value ? make("span", { class: "value" }, value) : null), svg, make("span", { class: "step" }, text));
  };
  $("bars").replaceChildren(
    row("start", "whole", "Starting point", "", percent(expit(base)), base, base),
    ...steps.map(({ label, known, value, c }, i) => row(
      known ? "" : "unknown", c < 0 ? "down" : "up", label, known ? value : "not known", signed(c, 2), ends[i], ends[i + 1])),
    row("end", "whole", "This patient", "", percent(risk), ends.at(-1), ends.at(-1)));
}
