"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const charts = [];

function layout(extra) {
  const axis = { gridcolor: css("--line"), zerolinecolor: css("--line"), automargin: true };
  const { xaxis, yaxis, ...rest } = extra;
  return {
    paper_bgcolor: css("--bg"), plot_bgcolor: css("--bg"), font: { color: css("--fg"), size: 13 },
    margin: { l: 50, r: 10, t: 40, b: 40 }, legend: { orientation: "h", yanchor: "bottom", y: 1.02 }, hovermode: "closest",
    hoverlabel: { bgcolor: css("--panel"), font: { color: css("--fg") }, align: "left" },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}
const options = { displaylogo: false, responsive: true, displayModeBar: false };

function draw(id, make) {
  const place = $(id);
  if (!place) return;
  const paint = () => {
    const [traces, extra] = make();
    // A plot that is taller than its place would cover what comes after it.
    if (extra.height) place.style.height = `${extra.height}px`;
    return Plotly.react(place, traces, layout(extra), options);
  };
  charts.push(paint);
  paint();
  return paint;
}
const DOUBT = ["noise_score.score", "label_em.posterior", "reward_margin.margin"];
function fill(select, names, value) {
  for (const name of names) select.add(new Option(name, name));
  if (names.includes(value)) select.value = value;
}
// A score's name, and its unit where it has one, under an axis.
function axisTitle(name) {
  const about = data.columns[name];
  return { text: about && about.unit ? `${name} (${about.unit})` : name };
}
const isProbability = (name) => { const about = data.columns[name]; return !!about && about.unit === "0 to 1" && /probability/.test(about.meaning); };
function first(names, wanted, fallback) { return wanted.find((n) => names.includes(n)) || names[fallback] || names[0]; }
// Hover texts are HTML to the plotting library: what comes from the data is escaped.
const escaped = (t) => String(t ?? "").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
// Lines of 70 characters at most, broken between words where there are some.
const wrapped = (t) => (String(t ?? "").replace(/\s+/g, " ").match(/.{1,70}(?:\s|$)|.{1,70}/gu) || []).slice(0, 4).map(escaped).join("<br>");

function middles(edges) { return edges.slice(1).map((e, i) => (e + edges[i]) / 2); }
function histogram() {
  const name = $("histogram-score").value, h = data.histograms[name], about = data.columns[name];
  const notes = [about && about.meaning, about && about.direction !== "neither" ? about.direction : ""];
  if (h.missing) notes.push(`${h.missing.toLocaleString()} pairs without a value`);
  if (h.beyond) notes.push(`${h.beyond.toLocaleString()} values beyond the ends are counted in the outermost bars`);
  $("histogram-note").textContent = notes.filter(Boolean).join(" · ");
  const width = h.edges[1] - h.edges[0], digits = (v) => String(Number(v.toPrecision(6)));
  const bar = (side, label, colour) => ({
    type: "bar", name: label, x: middles(h.edges), y: h[`${side}_counts`], width, marker: { color: css(colour), line: { color: css("--bg"), width: 1 } },
    customdata: h.edges.slice(1).map((e, i) => `${digits(h.edges[i])} to ${digits(e)}`), hovertemplate: `%{customdata}: %{y} ${label}<extra></extra>`,
  });
  const half = { type: "line", x0: 0.5, x1: 0.5, y0: 0, y1: 1, yref: "paper", line: { color: css("--fg"), dash: "dot", width: 1.5 } };
  const halfText = { x: 0.5, y: 1, yref: "paper", text: "50 %", showarrow: false, xanchor: "left", yanchor: "top", xshift: 4, font: { color: css("--fg") } };
  const marks = isProbability(name) ? { shapes: [half], annotations: [halfText] } : {};
  const ticks = about && about.kind === "bool" ? { tickvals: [0, 1], ticktext: ["no", "yes"] } : {};
  return [[bar("kept", "kept", "--kept"), bar("dropped", "removed", "--dropped")], { barmode: "stack", xaxis: { title: axisTitle(name), ...ticks }, yaxis: { title: { text: "pairs" } }, showlegend: true, ...marks }];
}
function scatter() {
  const x = $("scatter-x").value, y = $("scatter-y").value, p = data.points;
  const trace = (kept, name, colour) => {
    const at = p.kept.map((k, i) => i).filter((i) => p.kept[i] === kept);
    return {
      type: "scatter", mode: "markers", name, customdata: at, x: at.map((i) => p.scores[x][i]), y: at.map((i) => p.scores[y][i]),
      text: at.map((i) => `<b>prompt</b> ${wrapped(p.prompt[i])}<br><b>chosen</b> ${wrapped(p.chosen[i])}<br><b>rejected</b> ${wrapped(p.rejected[i])}`),
      hovertemplate: "%{text}<extra></extra>", marker: { color: css(colour), size: 6, opacity: 0.7 },
    };
  };
  return [[trace(true, "kept", "--kept"), trace(false, "removed", "--dropped")], { xaxis: { title: axisTitle(x) }, yaxis: { title: axisTitle(y) } }];
}
function read(i) {
  const p = data.points, box = $("point");
  box.replaceChildren();
  const add = (label, text) => {
    if (!text) return;
    const head = document.createElement("h4"), body = document.createElement("div");
    head.textContent = label; body.textContent = text; body.className = "text"; body.dir = "auto";
    box.append(head, body);
  };
  add(p.kept[i] ? "kept" : "removed", p.kept[i] ? p.id[i] : `${p.id[i]} ${p.why[i] || ""}`);
  add("prompt", p.prompt[i]); add("chosen", p.chosen[i]); add("rejected", p.rejected[i]);
}
// Gains of a bench with their intervals, in points, the best at the top; a colour for each verdict.
function gainsOf(rows) {
  const listed = rows.filter((r) => r.method !== "keep all"), methods = listed.map((r) => r.method);
  const kinds = [["helps", "--good"], ["harms", "--dropped"], ["not shown", "--muted"]];
  const kindOf = (r) => (r.verdict === "helps" || r.verdict === "harms" ? r.verdict : "not shown");
  const traces = kinds.map(([name, colour]) => {
    const own = listed.filter((r) => kindOf(r) === name);
    return {
      type: "scatter", mode: "markers", name, y: own.map((r) => r.method), x: own.map((r) => 100 * r.gain), marker: { size: 9, color: css(colour) },
      error_x: { type: "data", symmetric: false, array: own.map((r) => 100 * (r.gain_high - r.gain)), arrayminus: own.map((r) => 100 * (r.gain - r.gain_low)), color: css(colour), thickness: 1.5 },
      hovertemplate: "%{y}: %{x:+.1f} points<extra></extra>",
    };
  }).filter((trace) => trace.x.length);
  const zero = { type: "line", x0: 0, x1: 0, y0: 0, y1: 1, yref: "paper", line: { color: css("--fg"), width: 1 } };
  return [traces, { yaxis: { type: "category", categoryorder: "array", categoryarray: methods.reverse(), range: [-0.7, methods.length - 0.3] }, xaxis: { title: { text: "gain over keeping all, points" }, zeroline: false }, shapes: [zero], height: 28 * methods.length + 130, showlegend: true }];
}
// Errors by number of training pairs, for each share of flipped labels.
function learningCurves() {
  const colours = ["--kept", "--dropped", "--good", "--warn", "--muted"];
  const traces = data.curves.flatMap((c, i) => {
    const color = css(colours[i % colours.length]);
    const points = { type: "scatter", mode: c.fit ? "markers" : "markers+lines", name: c.name, x: c.pairs, y: c.error, error_y: { type: "data", array: c.spread, color }, marker: { color, size: 8 }, line: { color, width: 1 } };
    const fit = { type: "scatter", mode: "lines", name: `${c.name}: fit`, x: c.fit_pairs, y: c.fit, line: { color, dash: "dot" }, showlegend: false, hoverinfo: "skip" };
    return c.fit ? [points, fit] : [points];
  });
  const ticks = [1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((m) => m * 10 ** power));
  return [traces, { xaxis: { title: { text: "training pairs" }, type: "log", tickvals: ticks, ticktext: ticks.map((v) => v.toLocaleString()) }, yaxis: { title: { text: "error on clean held-out pairs" }, tickformat: ".0%" } }];
}
function calibration() {
  const curve = data.noise.reliability_curve;
  const diagonal = { type: "scatter", mode: "lines", name: "as sure as right", x: [0.5, 1], y: [0.5, 1], line: { color: css("--muted"), dash: "dot" } };
  return [[diagonal, { type: "scatter", mode: "lines+markers", name: "probe models", x: curve.map((c) => c.confidence), y: curve.map((c) => c.accuracy), marker: { color: css("--kept") } }],
    { xaxis: { title: { text: "confidence of the probe models" }, tickformat: ".0%" }, yaxis: { title: { text: "labels that agree" }, tickformat: ".0%" } }];
}
function lengths() {
  const l = data.lengths, line = (side, name, colour) => ({ type: "scatter", mode: "lines", line: { shape: "hvh", color: css(colour) }, name, x: middles(l.edges), y: l[side] });
  const ticks = { tickvals: [-4, -3, -2, -1, 0, 1, 2, 3, 4], ticktext: ["1/16", "1/8", "1/4", "half", "equal", "twice", "4", "8", "16"] };
  return [[line("before", "before filters", "--muted"), line("after", "after filters", "--kept")], { xaxis: { title: { text: "characters of chosen / rejected" }, ...ticks }, yaxis: { title: { text: "share of pairs" }, tickformat: ".0%" } }];
}
function map() {
  const m = data.map, trace = (kept, name, colour) => {
    const at = m.kept.map((k, i) => i).filter((i) => m.kept[i] === kept);
    return { type: "scatter", mode: "markers", name, x: at.map((i) => m.x[i]), y: at.map((i) => m.y[i]), text: at.map((i) => wrapped(m.text[i])), hovertemplate: "%{text}<extra></extra>", marker: { color: css(colour), size: 6, opacity: 0.7 } };
  };
  const none = { showticklabels: false, showgrid: false, zeroline: false };
  return [[trace(true, "kept", "--kept"), trace(false, "removed", "--dropped")], { xaxis: none, yaxis: { ...none, scaleanchor: "x" } }];
}
function start() {
  if (data.histograms) {
    const names = Object.keys(data.histograms);
    if (names.length) {
      fill($("histogram-score"), names, first(names, DOUBT, 0));
      const bars = draw("histogram", histogram);
      $("histogram-score").addEventListener("change", bars);
      fill($("scatter-x"), names, first(names, ["crm.loss_mean", "reward_margin.margin"], 0));
      fill($("scatter-y"), names, first(names, ["crm.loss_variance", "noise_score.score"], 1));
      const again = draw("scatter", scatter);
      for (const id of ["scatter-x", "scatter-y"]) $(id).addEventListener("change", again);
      const show = (event) => read(event.points[0].customdata);
      $("scatter").on("plotly_hover", show); $("scatter").on("plotly_click", show);
      const [mean, variance] = data.cartography;
      if (names.includes(mean) && names.includes(variance)) {
        $("cartography").addEventListener("click", () => { $("scatter-x").value = mean; $("scatter-y").value = variance; again(); });
      } else $("cartography").hidden = true;
    } else for (const id of ["scores", "scatter-section"]) $(id).hidden = true;
  }
  if (data.noise && data.noise.reliability_curve) draw("calibration", calibration);
  if (data.gains) data.gains.forEach((rows, i) => draw(`gains-${i}`, () => gainsOf(rows)));
  if (data.curves) draw("curves", learningCurves);
  if (data.lengths) draw("length-chart", lengths);
  if (data.map) draw("map", map);
}
// What scrolls can be reached by keyboard; what does not is no stop on the way.
function focusScrollable() {
  for (const box of document.querySelectorAll(".text, .scroll, pre")) {
    const scrolls = box.scrollHeight > box.clientHeight + 1 || box.scrollWidth > box.clientWidth + 1;
    if (scrolls) box.tabIndex = 0; else box.removeAttribute("tabindex");
  }
}
addEventListener("resize", focusScrollable);
document.addEventListener("toggle", focusScrollable, true);
function repaint() { for (const paint of charts) paint(); }
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  repaint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
start();
focusScrollable();
document.documentElement.dataset.ready = "yes";
