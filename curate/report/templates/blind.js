"use strict";
const names = { A: "A is better", B: "B is better", tie: "tie", drop: "both bad", skip: "skipped", "": "none" };
let shownPair = null;

function show() {
  const pair = state.pair;
  $("progress").textContent = `${state.reviewer}: ${state.done.toLocaleString()} of ${state.total.toLocaleString()} judged`;
  $("bar").max = Math.max(state.total, 1); $("bar").value = state.done;
  $("rate").hidden = !state.rate; $("rate").textContent = state.rate ?? "";
  $("pair").hidden = !pair;
  $("comparison").hidden = !state.compared;
  $("end").hidden = !!(pair || state.compared);
  document.documentElement.dataset.pair = pair ? pair.id : "";
  document.documentElement.dataset.done = state.done;
  const view = pair ? pair.id : state.compared ? "comparison" : "end";
  if (pair) showPair(pair); else if (state.compared) showComparison(); else showEnd();
  // A screen reader reads on from the heading of what is new; the first page keeps its focus.
  if (shownPair !== null && view !== shownPair) {
    const heading = pair ? "heading" : `${view}-heading`;
    $(heading).focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
  shownPair = view;
}
function showPair(pair) {
  const verdict = pair.choice ? `, your verdict: ${names[pair.choice]}` : "";
  $("heading").textContent = `Pair ${(pair.at + 1).toLocaleString()} of ${state.total.toLocaleString()}${verdict}`;
  $("label").hidden = !pair.final;
  if (pair.final) $("label").textContent = `Published label: ${names[pair.label]}. This verdict is final.`;
  // All come escaped from the server: folded blocks, thumbnails as data.
  for (const id of ["prompt", "more", "a", "b"]) { $(id).innerHTML = pair[id]; $(id).scrollTop = 0; }
  for (const button of document.querySelectorAll("[data-verdict]")) {
    button.disabled = pair.final;
    button.setAttribute("aria-pressed", String(button.dataset.verdict === pair.choice));
  }
  $("undo").disabled = !state.done;
  $("back").disabled = pair.at === 0;
  $("on").disabled = !pair.choice;
  $("compare").disabled = !state.done;
}
function showEnd() {
  $("end-heading").textContent = state.narrow && state.done < state.total
    ? "The interval is as narrow as you asked for" : `All ${state.total.toLocaleString()} pairs are judged`;
  $("end-next").textContent = state.next.join("\n");
}
function showComparison() {
  const rows = state.compared, sided = rows.filter((row) => row.agrees !== null);
  const agreed = sided.filter((row) => row.agrees).length;
  $("comparison-heading").textContent = `You side with the label in ${agreed} of ${sided.length} pairs`;
  const rest = rows.length - sided.length, open = state.total - state.done;
  $("comparison-note").textContent = [
    "A and B stand as you saw them.",
    rest ? `In ${rest} more you preferred neither.` : "",
    open ? `${open} drawn pairs are not judged.` : "",
  ].filter(Boolean).join(" ");
  $("go-on").hidden = !open;
  $("comparison-next").textContent = state.next.join("\n");
  $("compared").replaceChildren(...rows.map(comparedRow));
}
function comparedRow(row) {
  const line = document.createElement("tr");
  const link = document.createElement("button");
  link.textContent = row.at + 1;
  link.setAttribute("aria-label", `look at pair ${row.at + 1}`);
  link.addEventListener("click", () => ask(`/api/state?at=${row.at}`));
  const cells = [link, names[row.choice], names[row.label], row.prompt];
  for (const content of cells) { const cell = document.createElement("td"); cell.append(content); line.append(cell); }
  if (row.agrees === false) line.className = "differs";
  return line;
}
function shownVerdict() { return state.pair.choice; }
function move(step) {
  if (!state) return;
  const at = state.pair ? state.pair.at + step : (state.narrow ? state.done : state.total) + Math.min(step, 0);
  if (at >= 0 && !(step > 0 && state.pair && !state.pair.choice)) ask(`/api/state?at=${at}`);
}
function compare() {
  if (!state || !state.done) return;
  if (state.final === state.done) { ask("/api/compare", {}); return; }
  const open = state.total - state.done;
  $("confirm-text").textContent = `Compare ${state.done} verdicts with the labels? They can't be changed afterwards.` +
    (open ? ` ${open} pairs are not judged; you can go on with them, still blind.` : "");
  $("confirm").showModal();
}
$("confirm").addEventListener("close", () => { if ($("confirm").returnValue === "yes") ask("/api/compare", {}); });
const keys = { a: "A", b: "B", t: "tie", d: "drop", s: "skip" };
document.addEventListener("keydown", (event) => {
  const isCheckbox = event.target.type === "checkbox";
  if ((isTyping(event) && !isCheckbox) || $("confirm").open || !$("shortcuts").checked) return;
  const key = event.key.toLowerCase();
  if (keys[key]) judge(keys[key]);
  else if (key === "u") undo();
  else if (key === "arrowleft") move(-1);
  else if (key === "arrowright") move(1);
  else return;
  event.preventDefault();
});
function undo() { if (!busy) ask("/api/undo", {}); }
for (const button of document.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => judge(button.dataset.verdict));
$("undo").addEventListener("click", undo);
$("back").addEventListener("click", () => move(-1)); $("on").addEventListener("click", () => move(1));
$("end-back").addEventListener("click", () => move(-1));
$("compare").addEventListener("click", compare); $("compare-all").addEventListener("click", compare);
$("go-on").addEventListener("click", () => ask("/api/state"));
ask("/api/state");
