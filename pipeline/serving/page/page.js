"use strict";
// The form is built from the model's dictionary; every number comes from the service.

const $ = (id) => document.getElementById(id);
const SHOWN = 10;
const GROUPS = [
  ["patient", "Patient"], ["disease", "Disease"], ["lab", "Laboratory"], ["vital", "Vital signs"],
  ["treatment", "Treatment"], ["imaging", "Imaging"],
];
let model, token = "", outcome, first = null, latest = null, timer, asked = 0;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
function draw(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
const percent = (risk) => {
  const value = 100 * risk;
  if (value > 0 && value < 0.1) return "<0.1%";
  if (value > 99.9 && value < 100) return ">99.9%";
  return `${value.toFixed(value < 9.95 || value > 99 ? 1 : 0)}%`;
};
const signed = (number, digits) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(digits);
const number = (value) => {
  const size = Math.abs(value);
  return size >= 100 ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : String(+value.toPrecision(3));
};
const tidy = (text) => String(text).replaceAll("_", " ");
const outcomeOf = (name) => model.outcomes.find((o) => o.name === name);

async function call(path, body) {
  const headers = body ? { "content-type": "application/json" } : {};
  if (token) headers.authorization = `Bearer ${token}`;
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) { $("token").hidden = false; throw new Error("The service asks for a token."); }
  const content = await answer.json();
  if (!answer.ok) {
    const detail = content.detail;
    throw new Error(typeof detail === "string" ? detail : "The service did not understand the request.");
  }
  return content;
}

// -- the form ---------------------------------------------------------------------------------

function build() {
  const form = $("form"), byRole = new Map(GROUPS.map(([role]) => [role, []]));
  const leading = model.scoring.leading;
  const main = model.dictionary.filter((v) => [model.therapy, model.disease].includes(v.name));
  for (const v of model.dictionary) {
    if (!main.includes(v) && !leading.includes(v.name)) (byRole.get(v.role) ?? byRole.get("patient")).push(v);
  }
  const fields = make("fieldset", {}, make("legend", {}, "Therapy and disease"));
  fields.append(...main.sort((a) => (a.name === model.therapy ? -1 : 1)).map(field));
  if (model.therapy) fields.append(make("p", { class: "rate", id: "rate" }));
  form.replaceChildren(fields);
  const telling = leading.map((name) => model.dictionary.find((v) => v.name === name)).filter((v) => v && !main.includes(v));
  if (telling.length) form.append(group("Most telling", telling, true));
  for (const [role, title] of GROUPS) {
    if (byRole.get(role).length) form.append(group(title, byRole.get(role), false));
  }
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => { first = null; chosen = {}; setTimeout(() => { changed(); }, 0); });
  form.addEventListener("submit", (event) => event.preventDefault());
}

function group(title, variables, open) {
  const names = variables.map((v) => v.name).join(" ");
  return make("details", { open, "data-names": names },
    make("summary", {}, title, make("span", { class: "count" })),
    make("div", {}, ...variables.map(field)));
}

function field(v) {
  const id = `v-${v.name}`, hint = `h-${v.name}`;
  const label = make("label", { for: id }, v.label);
  let control;
  if (v.name === model.therapy && model.therapies.length) control = therapies(id);
  else if (v.kind === "binary") control = choice(id, [["", "not known"], ["0", "no"], ["1", "yes"]]);
  else if (v.kind === "categorical") control = choice(id, [["", "not known"], ...(v.levels ?? []).map((l) => [l, tidy(l)])]);
  else {
    control = make("input", { id, name: v.name, inputmode: "decimal", "aria-describedby": hint });
    const alone = !v.units.length || (v.units.length === 1 && !v.units[0].shown);
    const units = v.units.length > 1
      ? make("select", { "aria-label": `Unit of ${v.label}`, "data-unit": v.name }, ...v.units.map((u) => make("option", { value: u.unit }, u.shown || u.unit)))
      : alone ? null : make("span", { class: "unit" }, v.units[0].shown);
    if (units && units.tagName === "SELECT") units.addEventListener("change", (event) => convert(v, event.target));
    control = make("div", { class: alone ? "pair alone" : "pair" }, control, units);
  }
  const wide = v.name === model.therapy;
  return make("div", { class: wide ? "field wide" : "field" }, label, control, make("p", { class: "hint", id: hint }));
}

function choice(id, options) {
  return make("select", { id, name: id.slice(2) }, ...options.map(([value, text]) => make("option", { value }, text)));
}

function therapies(id) {
  const select = make("select", { id, name: model.therapy }, make("option", { value: "" }, "choose a therapy"));
  const option = (t) => make("option", { value: t.name }, t.aliases.length ? `${t.name} (${t.aliases.slice(0, 2).join(", ")})` : t.name);
  const seen = model.therapies.filter((t) => t.seen), other = model.therapies.filter((t) => !t.seen);
  if (seen.length) select.append(make("optgroup", { label: "In the training cohort" }, ...seen.map(option)));
  if (other.length) select.append(make("optgroup", { label: "By published rate only" }, ...other.map(option)));
  return select;
}

// Switching the unit keeps what was measured: the number follows.
let chosen = {};
function convert(v, select) {
  const input = $(`v-${v.name}`), value = parse(input.value);
  const from = v.units.find((u) => u.unit === (chosen[v.name] ?? v.units[0].unit));
  const to = v.units.find((u) => u.unit === select.value);
  chosen[v.name] = select.value;
  if (Number.isFinite(value)) input.value = +(((value * from.factor + from.offset) - to.offset) / to.factor).toPrecision(6);
  changed();
}
const DECIMAL = /^[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?$/i;
// 1,200 is 1200 to one reader and 1.2 to another.
const ambiguous = (text) => /,\d{3}$/.test(text.trim());
const parse = (text) => (DECIMAL.test(text.trim()) && !ambiguous(text) ? Number(text.trim().replace(",", ".")) : NaN);

function check(v) {
  const input = $(`v-${v.name}`), hint = $(`h-${v.name}`);
  if (input.tagName === "SELECT") return input.value === "" ? undefined : v.kind === "binary" ? Number(input.value) : input.value;
  const text = input.value.trim(), unit = v.units.find((u) => u.unit === (chosen[v.name] ?? v.units[0]?.unit)) ?? { factor: 1, offset: 0, shown: "" };
  const limits = (pair) => pair.map((x) => number((x - unit.offset) / unit.factor)).join(" to ") + (unit.shown ? ` ${unit.shown}` : "");
  let said = "", wrong = false, found;
  if (text !== "") {
    const value = parse(text), canonical = value * unit.factor + unit.offset;
    if (!Number.isFinite(value)) {
      said = ambiguous(text) ? "Thousands or decimals? Write 1200 or 1.2, not 1,200." : "Not a number.";
      wrong = true;
    }
    else if (v.range && (canonical < v.range[0] || canonical > v.range[1])) { said = `Outside ${limits(v.range)}: is the unit right?`; wrong = true; }
    else {
      if (v.seen && (canonical < v.seen[0] || canonical > v.seen[1])) said = `Beyond what training saw (${limits(v.seen)}).`;
      found = unit.unit && unit.factor !== undefined && unit !== v.units[0] ? { value, unit: unit.unit } : value;
    }
    if (wrong && Number.isFinite(value)) found = unit.unit && unit !== v.units[0] ? { value, unit: unit.unit } : value;
  }
  hint.textContent = said;
  hint.classList.toggle("wrong", wrong);
  input.setAttribute("aria-invalid", wrong ? "true" : "false");
  return found;
}

function collect() {
  const values = {};
  for (const v of model.dictionary) {
    const found = check(v);
    if (found !== undefined) values[v.name] = found;
  }
  for (const details of document.querySelectorAll("details[data-names]")) {
    const names = details.dataset.names.split(" "), known = names.filter((n) => n in values).length;
    details.querySelector(".count").textContent = `${known} of ${names.length}`;
  }
  return values;
}

function showRate(values) {
  const line = $("rate");
  if (!line) return;
  const therapy = model.therapies.find((t) => t.name === values[model.therapy]);
  line.textContent = "";
  if (!therapy) return;
  const disease = values[model.disease], rates = therapy.rates[disease] ?? therapy.rates.any;
  const parts = model.outcomes.filter((o) => rates[o.name]).map((o) => `${o.label} ${percent(rates[o.name].rate)}${rates[o.name].evidence === "assumed" ? " (assumed)" : " (published)"}`);
  line.append(make("b", {}, "Rates of this therapy"), therapy.rates[disease] ? ` in ${disease}: ` : ": ", parts.join(", "), ".");
}

function changed() {
  clearTimeout(timer);
  const values = collect();
  showRate(values);
  const unread = model.dictionary.filter((v) => !(v.name in values) && $(`v-${v.name}`).getAttribute("aria-invalid") === "true");
  if (unread.length) {
    asked += 1; // an answer still on its way was for other values
    idle(`No risk while a value cannot be read: correct it, or leave it blank (${unread.map((v) => v.label).join(", ")}).`, true);
    return;
  }
  timer = setTimeout(() => ask(values), 200);
}

async function ask(values) {
  const turn = ++asked;
  if (!Object.keys(values).length) { idle("The risks appear here once a therapy and a few values are known."); return; }
  try {
    const { answers: [answer] } = await call("v1/risk", { values });
    if (turn !== asked) return;
    latest = { answer, values };
    render();
  } catch (error) {
    if (turn === asked) idle(error.message, true);
  }
}

function idle(sentence, wrong = false) {
  latest = null;
  $("answer").hidden = true;
  $("status").className = wrong ? "status no" : "status";
  $("status").textContent = sentence;
}

// -- the answer -------------------------------------------------------------------------------

function render() {
  const { answer } = latest;
  if (answer.status !== "ok") {
    idle("", true);
    $("status").append(make("b", {}, "No risk for this patient"),
      make("ul", {}, ...answer.because.map((text) => make("li", {}, named(text)))));
    return;
  }
  if (first === null) first = latest;
  $("answer").hidden = false;
  $("status").className = "status done";
  $("status").textContent = model.outcomes.map((o) => `${o.label}: ${percent(answer.risks[o.name].risk)}`).join("; ");
  $("risks").replaceChildren(...model.outcomes.map(riskBox));
  const edited = differences();
  $("compared").hidden = !edited.length;
  $("compared").firstElementChild.textContent = edited.length
    ? `Changes are against the first patient; changed since: ${edited.slice(0, 4).join(", ")}${edited.length > 4 ? ` and ${edited.length - 4} more` : ""}.` : "";
  $("beware").hidden = !answer.warnings.length;
  $("warnings").replaceChildren(...answer.warnings.map((text) => make("li", {}, named(text))));
  renderReasons();
}

function differences() {
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  return model.dictionary.filter((v) => !same(first.values[v.name], latest.values[v.name])).map((v) => v.label);
}

// Sentences name variables as programs do; people read their labels.
function named(text) {
  return text.replace(/'([a-z0-9_]+)'/g, (all, name) => model.dictionary.find((v) => v.name === name)?.label ?? all)
    .replace(/^(\w+): /, (all, name) => (outcomeOf(name) ? `${outcomeOf(name).label}: ` : all));
}

function riskBox(o) {
  const risk = latest.answer.risks[o.name], before = first.answer.risks[o.name];
  const change = first === latest ? 0 : 100 * (risk.risk - before.risk);
  const says = `${percent(risk.low)} to ${percent(risk.high)}`;
  return make("div", {},
    make("dt", {}, o.label),
    make("dd", { class: "big" }, percent(risk.risk),
      make("span", { class: "change" }, first !== latest && differences().length ? `${signed(change, 1)} points` : "")),
    make("dd", { class: "scalebox" }, scale(risk), make("span", { class: "between" }, says)),
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

function shownValue(source) {
  const v = model.dictionary.find((entry) => entry.name === source);
  if (!v) return "";
  const value = latest.values[source];
  if (value === undefined) return "not known";
  if (v.kind === "binary") return value ? "yes" : "no";
  if (typeof value === "string") return tidy(value);
  const given = typeof value === "object" ? value : { value, unit: v.units[0]?.unit };
  const unit = v.units.find((u) => u.unit === given.unit);
  return `${number(given.value)} ${unit?.shown ?? ""}`.trim();
}

function renderReasons() {
  if (!outcome) outcome = model.primary_outcome;
  $("outcomes").replaceChildren(...model.outcomes.map((o) => {
    const button = make("button", { type: "button", "aria-pressed": String(o.name === outcome), "data-outcome": o.name }, o.label);
    button.addEventListener("click", () => {
      outcome = o.name;
      renderReasons();
      document.querySelector(`[data-outcome="${o.name}"]`).focus();
    });
    return button;
  }));
  const reason = latest.answer.reasons[outcome], risk = latest.answer.risks[outcome];
  const parts = Object.entries(reason.contributions).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const top = parts.slice(0, SHOWN), rest = parts.slice(SHOWN).reduce((sum, [, c]) => sum + c, 0);
  $("words").textContent = words(top, risk, reason);
  const steps = top.map(([source, c]) => ({ label: model.sources[source] ?? source, value: source === "therapy_prior" ? tidy(latest.answer.therapy ?? "") : shownValue(source), c }));
  if (parts.length > SHOWN) steps.push({ label: `${parts.length - SHOWN} others together`, value: "", c: rest });
  waterfall(reason.base, steps, risk.risk);
}

function words(top, risk, reason) {
  const name = ([source]) => {
    const value = source === "therapy_prior" ? "" : shownValue(source), label = model.sources[source] ?? source;
    return value && value !== "not known" ? `${label} (${value})` : label;
  };
  const list = (items) => (items.length > 1 ? `${items.slice(0, -1).join(", ")} and ${items.at(-1)}` : items[0]);
  const telling = top.filter(([, c]) => Math.abs(c) >= 0.02);
  const up = telling.filter(([, c]) => c > 0).slice(0, 3).map(name), down = telling.filter(([, c]) => c < 0).slice(0, 3).map(name);
  const start = 1 / (1 + Math.exp(-reason.base));
  let text = `The average training patient stands at ${percent(start)}, this one at ${percent(risk.risk)}.`;
  if (up.length) text += ` Raised by ${list(up)}.`;
  if (down.length) text += ` Lowered by ${list(down)}.`;
  if (reason.from !== outcome) text += ` The risk is capped by that of ${outcomeOf(reason.from).label}, whose reasons these are.`;
  return text;
}

function waterfall(base, steps, risk) {
  const ends = [base];
  for (const step of steps) ends.push(ends.at(-1) + step.c);
  const low = Math.min(...ends), high = Math.max(...ends), pad = 0.04 * (high - low || 1);
  const x = (value) => (100 * (value - low + pad)) / (high - low + 2 * pad);
  const row = (kind, label, value, text, from, to) => {
    const svg = draw("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    svg.append(draw("line", { class: "guide", x1: x(base), x2: x(base), y1: 0, y2: 10, "vector-effect": "non-scaling-stroke" }));
    const left = Math.min(x(from), x(to)), width = Math.max(0.6, Math.abs(x(to) - x(from)));
    svg.append(draw("rect", { class: kind, x: left, width, y: 1, height: 8 }));
    return make("li", { class: kind === "whole" ? (label.startsWith("Average") ? "start" : "end") : "" },
      make("span", {}, label, value ? make("span", { class: "value" }, value) : null), svg, make("span", { class: "step" }, text));
  };
  const rows = [row("whole", "Average training patient", "", percent(1 / (1 + Math.exp(-base))), base, base)];
  steps.forEach((step, i) => rows.push(row(step.c < 0 ? "down" : "up", step.label, step.value, signed(step.c, 2), ends[i], ends[i + 1])));
  rows.push(row("whole", "This patient", "", percent(risk), ends.at(-1), ends.at(-1)));
  $("bars").replaceChildren(...rows);
}

function summary() {
  const { answer, values } = latest, level = Math.round(100 * model.interval_level);
  const lines = [`CRS risk before infusion. ${model.warning}`, `Model: ${model.version}. Therapy: ${answer.therapy ?? "-"}. Disease: ${values[model.disease] ?? "not known"}.`];
  for (const o of model.outcomes) {
    const r = answer.risks[o.name];
    lines.push(`${o.label}: ${percent(r.risk)} (${level}% interval ${percent(r.low)} to ${percent(r.high)}); ${r.evidence} rate ${percent(r.prior)}`);
  }
  lines.push(`${outcomeOf(outcome).label}: ${$("words").textContent}`);
  if (answer.warnings.length) lines.push(`To beware of: ${answer.warnings.map(named).join("; ")}.`);
  return lines.join("\n");
}

// -- what people press ------------------------------------------------------------------------

$("example").addEventListener("click", () => {
  first = null;
  for (const v of model.dictionary) {
    const value = model.example[v.name], input = $(`v-${v.name}`);
    const unit = document.querySelector(`[data-unit="${v.name}"]`);
    if (unit) { unit.value = v.units[0].unit; delete chosen[v.name]; }
    input.value = value ?? "";
  }
  changed();
});
$("copy").addEventListener("click", async () => {
  const text = summary();
  try { await navigator.clipboard.writeText(text); $("copied").textContent = "Copied."; }
  catch { // Without a secure origin there is no clipboard: select the text instead.
    const area = make("textarea", { readonly: true, rows: 9, cols: 60, "aria-label": "Summary" }, text);
    $("copied").replaceChildren(area);
    area.select();
  }
});
$("rebase").addEventListener("click", () => { first = latest; render(); });
$("token").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("bearer").value.trim();
  $("token").hidden = true;
  start();
});

async function start() {
  try { model = await call("v1/model"); }
  catch (error) { $("loading") && ($("loading").textContent = error.message); return; }
  $("model").textContent = model.version;
  $("card").hidden = model.card === null;
  $("version").textContent = `Model: ${model.version}.`;
  build();
  collect();
}
start();
