// The form, built from the model's dictionary, and what stands in it.

import { $, make } from "./dom.js";
import { listed, tidy } from "./names.js";
import { fromCanonical, percent, quantity, readNumber, span, toCanonical } from "./numbers.js";
import { model } from "./service.js";

const GROUPS = [
  ["patient", "Patient"], ["disease", "Disease"], ["lab", "Laboratory"], ["vital", "Vital signs"],
  ["treatment", "Treatment"], ["imaging", "Imaging"],
];
const PLAIN = { unit: null, shown: "", factor: 1, offset: 0 };

export function build() {
  const byRole = new Map(GROUPS.map(([role]) => [role, []])), leading = model.scoring.leading;
  const main = model.dictionary.filter((v) => [model.therapy, model.disease].includes(v.name));
  for (const v of model.dictionary) {
    if (!main.includes(v) && !leading.includes(v.name)) (byRole.get(v.role) ?? byRole.get("patient")).push(v);
  }
  const fields = make("fieldset", {}, make("legend", {}, "Therapy and disease"));
  fields.append(...main.sort((a) => (a.name === model.therapy ? -1 : 1)).map(field));
  if (model.therapy) fields.append(make("p", { class: "rate", id: "rate" }));
  $("form").replaceChildren(fields);
  const telling = leading.map((name) => model.dictionary.find((v) => v.name === name)).filter((v) => v && !main.includes(v));
  if (telling.length) $("form").append(group("Most telling", telling, true));
  for (const [role, title] of GROUPS) {
    if (byRole.get(role).length) $("form").append(group(title, byRole.get(role), false));
  }
}

function group(title, variables, open) {
  const names = variables.map((v) => v.name).join(" ");
  return make("details", { open, "data-names": names },
    make("summary", {}, title, make("span", { class: "count" })),
    make("div", {}, ...variables.map(field)));
}

function field(v) {
  const id = `v-${v.name}`, hint = `h-${v.name}`;
  let control;
  if (v.name === model.therapy && model.therapies.length) control = therapies(id);
  else if (v.kind === "binary") control = choice(id, [["", "not known"], ["0", "no"], ["1", "yes"]]);
  else if (v.kind === "categorical") control = choice(id, [["", "not known"], ...(v.levels ?? []).map((l) => [l, tidy(l)])]);
  else {
    const unit = unitChoice(v, hint);
    control = make("div", { class: unit ? "pair" : "pair alone" },
      make("input", { id, name: v.name, inputmode: "decimal", "aria-describedby": hint }), unit);
  }
  return make("div", { class: v.name === model.therapy ? "field wide" : "field" },
    make("label", { for: id }, v.label), control, make("p", { class: "hint", id: hint }));
}

function unitChoice(v, hint) {
  // Units that programs may spell in two ways are one to people.
  const units = v.units.filter((u, at) => v.units.findIndex((other) => other.shown === u.shown) === at);
  if (units.length > 1) {
    return make("select", { "aria-label": `Unit of ${v.label}`, "data-unit": v.name, "aria-describedby": hint },
      ...units.map((u) => make("option", { value: u.unit }, u.shown)));
  }
  return units.length && units[0].shown ? make("span", { class: "unit" }, units[0].shown) : null;
}

function choice(id, options) {
  return make("select", { id, name: id.slice(2) }, ...options.map(([value, text]) => make("option", { value }, text)));
}

function therapies(id) {
  const select = make("select", { id, name: model.therapy }, make("option", { value: "" }, "choose a therapy"));
  const option = (t) => make("option", { value: t.name }, t.aliases.length ? `${t.name} (${t.aliases.slice(0, 2).join(", ")})` : t.name);
  const seen = model.therapies.filter((t) => t.seen), other = model.therapies.filter((t) => !t.seen);
  if (seen.length) select.append(make("optgroup", { label: "In the training cohort" }, ...seen.map(option)));
  if (other.length) select.append(make("optgroup", { label: "Not in the training cohort: by the table’s rates alone" }, ...other.map(option)));
  return select;
}

export function fill(patient) {
  $("form").reset();
  for (const v of model.dictionary) $(`v-${v.name}`).value = patient[v.name] ?? "";
}

// What is known: `values` as the service is asked, `canonical` to compare by, `unread` labels.
export function collect() {
  const values = {}, canonical = {}, unread = [];
  for (const v of model.dictionary) {
    const control = $(`v-${v.name}`);
    if (control.value.trim() === "") {
      if (control.tagName === "INPUT") tell(v, "", false);
    } else if (control.tagName === "SELECT") {
      values[v.name] = canonical[v.name] = v.kind === "binary" ? Number(control.value) : control.value;
    } else {
      const found = measured(v, control.value);
      if (found === null) unread.push(v.label);
      else [values[v.name], canonical[v.name]] = found;
    }
  }
  for (const details of document.querySelectorAll("details[data-names]")) {
    const names = details.dataset.names.split(" "), known = names.filter((n) => n in values).length;
    details.querySelector(".count").textContent = `${known} of ${names.length}`;
  }
  showRate(values);
  return { values, canonical, unread };
}

// The number as it was typed, in the unit that is chosen: people copy both from a report, and in
// either order. In another unit than the model's, the hint says what the number is read as.
function measured(v, text) {
  const chosen = document.querySelector(`[data-unit="${v.name}"]`)?.value;
  const own = v.units[0] ?? PLAIN, unit = v.units.find((u) => u.unit === chosen) ?? own;
  const beyond = (pair, x) => pair && (x < pair[0] || x > pair[1]);
  const { value, fault } = readNumber(text, (x) => !beyond(v.range, toCanonical(x, unit)));
  if (fault) {
    tell(v, fault, true);
    return null;
  }
  const canonical = toCanonical(value, unit), said = [];
  const limits = (pair) => span(pair.map((x) => fromCanonical(x, unit)), unit);
  const wrong = beyond(v.range, canonical);
  if (unit !== own) said.push(`= ${quantity(canonical, own)}`);
  if (wrong) said.push(`Outside ${limits(v.range)}${unit.shown ? ": is the unit right?" : "."}`);
  else if (beyond(v.seen, canonical)) said.push(`Beyond what nearly all training patients had (${limits(v.seen)}).`);
  tell(v, said.join(". "), wrong);
  return [unit === own ? value : { value, unit: unit.unit }, canonical];
}

function tell(v, sentence, wrong) {
  const hint = $(`h-${v.name}`);
  hint.textContent = sentence;
  hint.classList.toggle("wrong", Boolean(wrong));
  $(`v-${v.name}`).setAttribute("aria-invalid", wrong ? "true" : "false");
}

function showRate(values) {
  const line = $("rate");
  if (!line) return;
  line.textContent = "";
  const therapy = model.therapies.find((t) => t.name === values[model.therapy]);
  if (!therapy) return;
  const disease = values[model.disease], rates = therapy.rates[disease] ?? therapy.rates.any;
  const parts = model.outcomes.filter((o) => rates[o.name])
    .map((o) => `${o.label} ${percent(rates[o.name].rate)} (${rates[o.name].evidence})`);
  line.append(make("b", {}, "Rates of this therapy"), therapy.rates[disease] ? ` in ${tidy(disease)}: ` : ": ", listed(parts), ".");
}
