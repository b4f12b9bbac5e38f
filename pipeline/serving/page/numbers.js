// Numbers as people write them, and as they read them.

const DECIMAL = /^[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?$/i;
// 1.200 and 1,200 are 1200 to one reader and 1.2 to another; no group of thousands begins with 0.
const GROUPED = /^[+-]?[1-9]\d{0,2}[.,]\d{3}$/;

// Reads what was typed: { value }, or { fault } in a sentence. `possible` says whether a number
// could be meant: where the thousands cannot, the decimal is.
export function readNumber(typed, possible) {
  const text = typed.trim(), value = DECIMAL.test(text) ? Number(text.replace(",", ".")) : NaN;
  if (!Number.isFinite(value)) return { fault: "Not a number." };
  if (GROUPED.test(text) && possible(1000 * value)) {
    const short = String(value), decimal = GROUPED.test(short) ? `${short}0` : short;
    return { fault: `Thousands or decimals? Write ${Math.round(1000 * value)} or ${decimal}, not ${text}.` };
  }
  return { value };
}

export const toCanonical = (value, unit) => value * unit.factor + unit.offset;
export const fromCanonical = (value, unit) => (value - unit.offset) / unit.factor;

export function percent(risk) {
  const value = 100 * risk;
  if (value > 0 && value < 0.1) return "<0.1%";
  if (value > 99.9 && value < 100) return ">99.9%";
  return `${value.toFixed(value < 9.95 || value > 99 ? 1 : 0)}%`;
}
export const signed = (number, digits) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(digits);

function readable(value) {
  const size = Math.abs(value);
  return size >= 100 ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : String(+value.toPrecision(3));
}
export function quantity(value, unit) {
  return `${readable(value)}${unit.shown && unit.shown !== "%" ? " " : ""}${unit.shown}`;
}
export const span = ([low, high], unit) => `${readable(low)} to ${quantity(high, unit)}`;

export const expit = (logOdds) => 1 / (1 + Math.exp(-logOdds));
