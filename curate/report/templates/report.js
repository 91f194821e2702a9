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
    margin: { l: 50, r: 10, t: 10, b: 40 }, legend: { orientation: "h", y: 1.12 }, hovermode: "closest",
    hoverlabel: { bgcolor: css("--panel"), font: { color: css("--fg") }, align: "left" },
    xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
  };
}
const options = { displaylogo: false, responsive: true, displayModeBar: false };

function draw(id, make) {
  const place = $(id);
  if (!place) return;
  const paint = () => { const [traces, extra] = make(); return Plotly.react(place, traces, layout(extra), options); };
  charts.push(paint);
  return paint();
}
function fill(select, names, value) {
  for (const name of names) {
    const option = document.createElement("option");
    option.value = option.textContent = name;
    select.append(option);
  }
  if (names.includes(value)) select.value = value;
}
function first(names, wanted, fallback) { return wanted.find((n) => names.includes(n)) || names[fallback] || names[0]; }
// Hover texts are HTML to the plotting library: what comes from the data is escaped.
const escaped = (t) => String(t ?? "").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
// Lines of 70 characters at most, broken between words where there are some.
const wrapped = (t) => (String(t ?? "").replace(/\s+/g, " ").match(/.{1,70}(?:\s|$)|.{1,70}/gu) || []).slice(0, 4).map(escaped).join("<br>");

function funnel() {
  const rows = data.funnel;
  return [[
    { type: "bar", orientation: "h", name: "kept", y: rows.map((r) => r.name), x: rows.map((r) => r.out), marker: { color: css("--kept") } },
    { type: "bar", orientation: "h", name: "dropped", y: rows.map((r) => r.name), x: rows.map((r) => r.in - r.out), marker: { color: css("--dropped") } },
  ], { barmode: "stack", yaxis: { autorange: "reversed", type: "category" }, xaxis: { title: { text: "pairs" } }, height: Math.max(220, 40 * rows.length + 90) }];
}
function middles(edges) { return edges.slice(1).map((e, i) => (e + edges[i]) / 2); }
function histogram() {
  const name = $("histogram-score").value, h = data.histograms[name], about = data.columns[name];
  $("histogram-note").textContent = [about && about.meaning, about && about.unit, about && about.direction !== "neither" ? about.direction : "", h.missing ? `${h.missing.toLocaleString()} pairs without a value` : ""].filter(Boolean).join(" · ");
  const bar = (side, colour) => ({ type: "bar", name: side, x: middles(h.edges), y: h[side], marker: { color: css(colour) } });
  return [[bar("kept", "--kept"), bar("dropped", "--dropped")], { barmode: "stack", bargap: 0.03, xaxis: { title: { text: name } }, yaxis: { title: { text: "pairs" } } }];
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
  return [[trace(true, "kept", "--kept"), trace(false, "dropped", "--dropped")], { xaxis: { title: { text: x } }, yaxis: { title: { text: y } } }];
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
  add(p.kept[i] ? "kept" : "dropped", p.kept[i] ? p.id[i] : `${p.id[i]} ${p.why[i] || ""}`);
  add("prompt", p.prompt[i]); add("chosen", p.chosen[i]); add("rejected", p.rejected[i]);
}
// Gains of a bench with their intervals, in points, the best at the top.
function gainsOf(rows) {
  const shown = rows.filter((r) => r.method !== "keep all");
  const colour = (r) => css(r.verdict === "helps" ? "--kept" : r.verdict === "harms" ? "--dropped" : "--muted");
  return [[{
    type: "scatter", mode: "markers", y: shown.map((r) => r.method), x: shown.map((r) => 100 * r.gain), marker: { size: 9, color: shown.map(colour) },
    error_x: { type: "data", symmetric: false, array: shown.map((r) => 100 * (r.gain_high - r.gain)), arrayminus: shown.map((r) => 100 * (r.gain - r.gain_low)), color: css("--muted") },
  }], { yaxis: { autorange: "reversed", type: "category" }, xaxis: { title: { text: "gain over keeping all, points" }, zeroline: true }, height: 30 * shown.length + 90, showlegend: false }];
}
function calibration() {
  const curve = data.noise.reliability_curve;
  const diagonal = { type: "scatter", mode: "lines", name: "perfect", x: [0.5, 1], y: [0.5, 1], line: { color: css("--muted"), dash: "dot" } };
  return [[diagonal, { type: "scatter", mode: "lines+markers", name: "heads", x: curve.map((c) => c.confidence), y: curve.map((c) => c.accuracy), marker: { color: css("--kept") } }],
    { xaxis: { title: { text: "confidence of the heads" } }, yaxis: { title: { text: "share of labels that agree" } } }];
}
function lengths() {
  const l = data.lengths, line = (side, colour) => ({ type: "scatter", mode: "lines", line: { shape: "hvh", color: css(colour) }, name: `${side} filters`, x: middles(l.edges), y: l[side].share });
  return [[line("before", "--muted"), line("after", "--kept")], { xaxis: { title: { text: "log2 of chosen / rejected characters" } }, yaxis: { title: { text: "share of pairs" } } }];
}
function map() {
  const m = data.map, trace = (kept, name, colour) => {
    const at = m.kept.map((k, i) => i).filter((i) => m.kept[i] === kept);
    return { type: "scatter", mode: "markers", name, x: at.map((i) => m.x[i]), y: at.map((i) => m.y[i]), text: at.map((i) => wrapped(m.text[i])), hovertemplate: "%{text}<extra></extra>", marker: { color: css(colour), size: 6, opacity: 0.7 } };
  };
  const none = { showticklabels: false, showgrid: false, zeroline: false };
  return [[trace(true, "kept", "--kept"), trace(false, "dropped", "--dropped")], { xaxis: none, yaxis: { ...none, scaleanchor: "x" } }];
}
function start() {
  if (data.funnel) draw("funnel", funnel);
  if (data.histograms) {
    const names = Object.keys(data.histograms), doubt = ["noise_score.score", "label_em.posterior", "reward_margin.margin"];
    if (names.length) {
      fill($("histogram-score"), names, first(names, doubt, 0));
      $("histogram-score").addEventListener("change", () => Plotly.react($("histogram"), ...((m) => [m[0], layout(m[1]), options])(histogram())));
      draw("histogram", histogram);
      fill($("scatter-x"), names, first(names, ["crm.loss_mean", "reward_margin.margin"], 0));
      fill($("scatter-y"), names, first(names, ["crm.loss_variance", "noise_score.score"], 1));
      const again = () => { const [t, l] = scatter(); return Plotly.react($("scatter"), t, layout(l), options); };
      for (const id of ["scatter-x", "scatter-y"]) $(id).addEventListener("change", again);
      draw("scatter", scatter);
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
  if (data.lengths) draw("length-chart", lengths);
  if (data.map) draw("map", map);
}
function repaint() { for (const paint of charts) paint(); }
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  repaint();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
start();
document.documentElement.dataset.ready = "yes";
