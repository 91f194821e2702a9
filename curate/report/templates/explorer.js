"use strict";
// Filters, sorts and shows the sample of pairs, a page at a time.
const PAGE = 10;
const explorer = { shown: PAGE, rows: [] };

function explorerValue(i) {
  const scores = data.points.scores[$("x-score").value];
  return scores ? scores[i] : null;
}
function outcomeOf(i) {
  const p = data.points;
  if (p.step[i]) return `removed by ${p.step[i]}`;
  return p.flipped[i] ? "kept, label flipped" : "kept, label as read";
}
function explorerRows() {
  const p = data.points, text = $("x-text").value.trim().toLowerCase();
  const outcome = $("x-step").value, source = $("x-source").value, order = Number($("x-order").value);
  const bound = (id, none) => ($(id).value === "" ? none : Number($(id).value));
  const low = bound("x-from", -Infinity), high = bound("x-to", Infinity);
  const isBounded = low > -Infinity || high < Infinity;
  const rows = p.id.map((_, i) => i).filter((i) => {
    if (outcome && outcomeOf(i) !== outcome) return false;
    if (source && (p.source[i] ?? "(none)") !== source) return false;
    const value = explorerValue(i);
    if (isBounded && !(value !== null && value >= low && value <= high)) return false;
    return !text || [p.id[i], p.prompt[i], p.chosen[i], p.rejected[i]].some((t) => (t ?? "").toLowerCase().includes(text));
  });
  // Pairs without a value come last in either order.
  const place = (i) => explorerValue(i) ?? Infinity * order;
  if (order) rows.sort((a, b) => { const x = place(a), y = place(b); return x === y ? a - b : order * (x - y); });
  return rows;
}
function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}
function explorerPair(i) {
  const p = data.points, name = $("x-score").value, value = explorerValue(i);
  const box = element("article", "pair"), head = element("h3");
  head.append(element("code", "", p.id[i]), element("span", `badge ${p.kept[i] ? "kept" : "dropped"}`, outcomeOf(i)));
  if (p.source[i]) head.append(element("span", "muted", p.source[i]));
  if (name) head.append(element("span", "muted", `${name} ${value === null ? "without a value" : value.toPrecision(3)}`));
  box.append(head);
  if (p.why[i]) box.append(element("p", "why", p.why[i]));
  const text = (label, body, kind) => {
    const node = element("div", `text ${kind}`, body);
    node.dir = "auto"; node.setAttribute("role", "group"); node.setAttribute("aria-label", `${label} of ${p.id[i]}`);
    return node;
  };
  box.append(text("Prompt", p.prompt[i], "prompt"));
  const sides = element("div", "sides");
  for (const side of ["chosen", "rejected"]) {
    const part = element("div");
    part.append(element("h4", "", side), text(side, p[side][i], ""));
    sides.append(part);
  }
  box.append(sides);
  return box;
}
function explore(more) {
  const from = more ? explorer.shown : 0;
  if (!more) { explorer.rows = explorerRows(); $("x-pairs").replaceChildren(); }
  explorer.shown = Math.min(from + PAGE, explorer.rows.length);
  const added = explorer.rows.slice(from, explorer.shown).map(explorerPair);
  $("x-pairs").append(...added);
  focusScrollable();
  $("x-count").textContent = `${explorer.rows.length.toLocaleString()} of ${data.points.id.length.toLocaleString()} pairs match; ${explorer.shown.toLocaleString()} shown.`;
  $("x-more").hidden = explorer.shown >= explorer.rows.length;
  // The next pair is where a reader by keyboard goes on.
  if (more && added.length) { added[0].tabIndex = -1; added[0].focus(); }
}
function startExplorer() {
  const p = data.points, names = Object.keys(p.scores), sources = [...new Set(p.source.map((s) => s ?? "(none)"))].sort();
  const outcomes = [...new Set(p.id.map((_, i) => outcomeOf(i)))].sort();
  const options = (id, values, all) => { $(id).add(new Option(all, "")); for (const v of values) $(id).add(new Option(v, v)); };
  options("x-step", outcomes, "all"); options("x-source", sources, "all");
  $("x-source-label").hidden = sources.length < 2;
  for (const name of names) $("x-score").add(new Option(name, name));
  if (names.length) $("x-score").value = first(names, DOUBT, 0);
  const start = $("x-score").value;
  $("x-order").value = start === "noise_score.score" ? "-1" : names.length ? "1" : "0";
  for (const option of [...$("x-score").options, ...$("x-order").options]) option.defaultSelected = option.selected;
  $("explorer").addEventListener("input", () => explore(false));
  $("explorer").addEventListener("submit", (event) => event.preventDefault());
  // The fields change after the event.
  $("explorer").addEventListener("reset", () => setTimeout(() => explore(false)));
  $("x-more").addEventListener("click", () => explore(true));
  explore(false);
}
if (data.points) startExplorer();
