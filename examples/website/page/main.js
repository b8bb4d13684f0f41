// The page: what is seen, and what the buttons do.

import { Call } from "./call.js";
import { ENDED, inSeconds, NOTICES, PROBLEMS, STATES } from "./words.js";

const $ = (id) => document.getElementById(id);
const TITLE = document.title;
const FAINTEST_DB = -60; // where a meter begins
const CLOSING_SECONDS = 6; // of a notice that nothing takes back

let call = null;
let began = 0;
let ticker = 0;
let wakeLock = null; // the promise of one

onPress("begin", begin);
onPress("end", () => call.hangUpNow());
onPress("mute", () => mute($("mute").getAttribute("aria-pressed") !== "true"));
addEventListener("pagehide", () => call?.hangUpNow());
document.addEventListener("visibilitychange", keepAwake); // a lock ends when the page is hidden

/** One button takes another's place: a double click, or a key that is held, does not press both. */
function onPress(id, act) {
  $(id).onclick = ({ detail }) => detail > 1 || act();
  $(id).onkeydown = (event) => {
    if (event.repeat) event.preventDefault();
  };
}

/** A call begins with a click: else browsers play nothing. */
function begin() {
  $("problem").replaceChildren();
  $("notices").replaceChildren();
  $("clock").textContent = "";
  $("details").hidden = true;
  mute(false);
  call = new Call(hear);
  call.begin();
}

function hear(name, value) {
  ({ state: showState, level: showLevels, notice: showNotice, over: showEnd })[name](value);
}

function mute(muted) {
  call?.mute(muted);
  $("mute").setAttribute("aria-pressed", muted);
  $("you").textContent = muted ? "You, muted" : "You";
}

function showState(state) {
  const [words, tone] = STATES[state === "over" && !began ? "never connected" : state];
  if ($("words").textContent !== words) $("words").textContent = words; // said again by a screen reader otherwise
  $("status").dataset.tone = tone;
  $("sides").dataset.live = ["established", "connected", "draining"].includes(state);
  const live = state !== "over";
  const hadFocus = [$("begin"), $("end")].includes(document.activeElement);
  $("begin").hidden = live;
  $("end").hidden = !live;
  $("mute").hidden = !live;
  if (hadFocus) $(live ? "end" : "begin").focus();
  $("begin").textContent = "Talk again";
  if (state === "connected") {
    began = performance.now();
    $("details").hidden = false;
    ticker = setInterval(tick, 250);
    keepAwake();
  }
  if (state === "draining") showLevel("caller", 0);
  document.title = state === "connected" ? `In a call: ${TITLE}` : TITLE;
}

function showLevels({ caller, agent }) {
  if (caller !== undefined) showLevel("caller", caller);
  if (agent !== undefined) showLevel("agent", agent);
}

function showLevel(side, level) {
  const db = 20 * Math.log10(level || 1e-9);
  const share = Math.max(0, Math.min(1, 1 - (db + 6) / (FAINTEST_DB + 6)));
  for (const part of ["orb", "meter"]) $(`${side}-${part}`).style.setProperty("--level", share.toFixed(2));
  $(`${side}-meter`).setAttribute("aria-valuenow", Math.round(100 * share));
}

function showNotice({ name, on }) {
  const id = `notice-${name}`;
  const [title, help, action] = NOTICES[name];
  if (!on) $(id)?.remove();
  else if (!$(id)) {
    const note = makeNote(title, help, "waiting");
    note.id = id;
    if (action) {
      const button = note.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = action;
      button.onclick = () => call.resume();
    }
    $("notices").append(note);
    if (["microphone-changed", "stood-still"].includes(name)) setTimeout(() => note.remove(), CLOSING_SECONDS * 1000);
  }
}

function showEnd(problem) {
  clearInterval(ticker);
  tick();
  keepAwake();
  $("notices").replaceChildren();
  mute(false);
  for (const side of ["caller", "agent"]) showLevel(side, 0);
  if (problem === null) {
    $("problem").replaceChildren(makeNote(ENDED[call.by], "", "calm"));
    return;
  }
  const [title, help] = PROBLEMS[problem.code] ?? PROBLEMS.page;
  const when = inSeconds(problem.retryAfter);
  const note = makeNote(title, when ? `Call again ${when}.` : help, "bad");
  if (problem.detail) note.appendChild(document.createElement("small")).textContent = problem.detail;
  $("problem").replaceChildren(note);
}

function makeNote(title, help, tone) {
  const note = document.createElement("div");
  note.className = `note ${tone}`;
  note.appendChild(document.createElement("strong")).textContent = title;
  note.append(help);
  return note;
}

/** The clock, and the figures if somebody looks at them. */
function tick() {
  if (!began) return;
  const seconds = Math.floor((performance.now() - began) / 1000);
  $("clock").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (call.state === "over") began = 0;
  const rate = call.dialect.playoutRate;
  const inTime = (frames) => `${((frames ?? 0) / rate).toFixed(2)} s`;
  const { sent, late, stale } = call.figures;
  const { received, played, queued, removed, dropped, concealed, gaps } = call.played;
  const figures = {
    "Messages sent": sent,
    "Too late to be sent": late + stale,
    "Agent's speech that came": inTime(received),
    "Played": inTime(played),
    "Waits": inTime(queued),
    "Left out, to catch up": inTime(removed),
    "Dropped": inTime(dropped),
    "Gaps of the network": gaps ?? 0,
    "Concealed in them": inTime(concealed),
  };
  $("figures").replaceChildren(
    ...Object.entries(figures).flatMap(([name, value]) => {
      const [term, data] = ["dt", "dd"].map((tag) => document.createElement(tag));
      [term.textContent, data.textContent] = [name, value];
      return [term, data];
    }),
  );
}

/** A phone that goes to sleep takes the microphone away. */
async function keepAwake() {
  const before = wakeLock;
  const wanted = call?.state === "connected" && document.visibilityState === "visible";
  wakeLock = wanted ? navigator.wakeLock?.request("screen").catch(() => null) : null; // refused, to save the battery
  (await before)?.release();
}
