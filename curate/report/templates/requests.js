"use strict";
// Shared by the review pages: each defines show(), which draws `state`, and shownVerdict().
const $ = (id) => document.getElementById(id);
let state = null;
let busy = 0;
let line = Promise.resolve();

// Requests go one after another, in the order in which the user asked.
function ask(path, body) {
  busy += 1;
  line = line.then(() => send(path, body)).finally(() => { busy -= 1; });
  return line;
}
async function send(path, body) {
  try {
    const post = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(path, post);
    const content = answer.headers.get("Content-Type").startsWith("application/json") ? await answer.json() : { error: await answer.text() };
    if (answer.ok) { state = content; fail(""); show(); } else fail(content.error);
  } catch (error) {
    fail("The server does not answer. What you judged so far is on disk: start 'curate review' again.");
  }
}
function fail(text) { $("error").textContent = text; $("error").hidden = !text; }

// A key that comes before the next pair is shown would judge a pair that nobody has seen.
async function judge(verdict) {
  const pair = state && state.pair;
  if (busy || !pair || pair.final) return;
  await ask("/api/verdict", { pair_id: pair.id, verdict, before: shownVerdict() });
  const problem = $("error").textContent;
  // Refused: another window may have judged it, so look anew.
  if (problem && state.pair && state.pair.id === pair.id) { await ask(`/api/state?at=${pair.at}`); if (!$("error").textContent) fail(problem); }
}

// A key that is meant for a field, or for the browser, is no verdict.
function isTyping(event) {
  return event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
}
