"use strict";
function show() {
  $("progress").textContent = `${state.done.toLocaleString()} of ${state.total.toLocaleString()} judged by ${state.reviewer}`;
  $("bar").max = Math.max(state.total, 1); $("bar").value = state.done;
  if ($("sort").options.length === 1) for (const name of state.columns) $("sort").add(new Option(name, name));
  // What the user has changed meanwhile, or is typing, stays.
  if (busy <= 1) {
    $("sort").value = state.sort; $("descending").checked = state.descending; $("fate").value = state.fate;
    if (document.activeElement !== $("search")) $("search").value = state.search;
  }
  const pair = state.pair;
  $("pair").hidden = !pair; $("empty").hidden = !!pair;
  document.documentElement.dataset.pair = pair ? pair.id : "";
  document.documentElement.dataset.done = state.done;
  $("next").textContent = state.next.join("\n");
  if (!pair) return;
  $("id").textContent = `${(pair.at + 1).toLocaleString()}. ${pair.id}`;
  $("fate-badge").textContent = pair.kept ? "kept" : "dropped"; $("fate-badge").className = `badge ${pair.kept ? "kept" : "dropped"}`;
  $("about").textContent = [pair.annotator && `by ${pair.annotator}`, pair.source, pair.tie && "a tie in the data"].filter(Boolean).join(" · ");
  $("given").textContent = state.verdict ? `your verdict: ${state.verdict}` : "";
  $("why").textContent = pair.why;
  // All come escaped from the server: marks of words, folded blocks, thumbnails as data.
  $("prompt").innerHTML = pair.prompt; $("more").innerHTML = pair.more;
  $("chosen").innerHTML = pair.chosen; $("rejected").innerHTML = pair.rejected;
  for (const id of ["prompt", "chosen", "rejected"]) $(id).scrollTop = 0;
  const list = $("scores"); list.replaceChildren();
  for (const [name, value] of Object.entries(pair.scores)) {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name; dd.textContent = value;
    const entry = document.createElement("div"); entry.append(dt, dd); list.append(entry);
  }
}
function shownVerdict() { return state.verdict || ""; }
function move(step) {
  if (!state) return;
  const at = state.pair ? state.pair.at + step : 0;
  if (at >= 0 && at < state.total) ask(`/api/state?at=${at}`);
}
function arrange(byUser) {
  ask("/api/arrange", { sort: $("sort").value, descending: byUser ? $("descending").checked : null, fate: $("fate").value, search: $("search").value });
}
const keys = { k: "keep", f: "flip", t: "tie", d: "drop", s: "skip" };
document.addEventListener("keydown", (event) => {
  if (isTyping(event)) return;
  const key = event.key.toLowerCase();
  if (keys[key]) judge(keys[key]);
  else if (key === "u") ask("/api/undo", {});
  else if (key === "arrowleft") move(-1);
  else if (key === "arrowright") move(1);
  else return;
  event.preventDefault();
});
for (const button of document.querySelectorAll("[data-verdict]")) button.addEventListener("click", () => judge(button.dataset.verdict));
$("undo").addEventListener("click", () => ask("/api/undo", {}));
$("back").addEventListener("click", () => move(-1)); $("on").addEventListener("click", () => move(1));
$("sort").addEventListener("change", () => arrange(false));
for (const id of ["descending", "fate", "search"]) $(id).addEventListener("change", () => arrange(true));
$("arrange").addEventListener("submit", (event) => event.preventDefault());
ask("/api/state");
