// Names and sentences for people, where the service has those of programs.

import { model } from "./service.js";

export const PRIOR = "therapy_prior";
export const tidy = (text) => String(text).replaceAll("_", " ");
export const variableOf = (name) => model.dictionary.find((v) => v.name === name);
export const outcomeOf = (name) => model.outcomes.find((o) => o.name === name);

// "a, b and c"; by semicolons where a label holds a comma itself.
export function listed(items) {
  const comma = items.some((item) => item.includes(",")) ? ";" : ",";
  if (items.length < 2) return items[0] ?? "";
  return `${items.slice(0, -1).join(`${comma} `)}${comma === ";" ? ";" : ""} and ${items.at(-1)}`;
}

// A sentence of the service, with labels and units as the form has them.
export function forPeople(sentence) {
  const outcome = (all, before, name, after) => (outcomeOf(name) ? before + outcomeOf(name).label + after : all);
  let text = sentence.replace(/^()(\w+)(: )/, outcome).replace(/(\brisk of )(\w+)()/g, outcome);
  for (const [quoted, name] of sentence.matchAll(/'([a-z0-9_]+)'/g)) {
    const v = variableOf(name);
    if (!v) continue;
    text = text.replaceAll(quoted, v.label);
    if (v.units.length) text = text.replace(inUnit(v.units[0].unit), `$1 ${v.units[0].shown}`.trimEnd());
  }
  return text;
}

// A number followed by this UCUM unit.
function inUnit(unit) {
  return new RegExp(`(\\d) ${unit.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}(?=[;,.]|$)`, "g");
}
