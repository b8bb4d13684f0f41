// All that the page says. The words of a call's state are those of the vendor's widget.

/** By state: the words, and their tone. */
export const STATES = {
  new: ["Ready when you are", "calm"],
  microphone: ["Waiting for your microphone", "waiting"],
  asking: ["Connecting to server", "waiting"],
  connecting: ["Connecting to server", "waiting"],
  established: ["Connecting to server", "waiting"],
  connected: ["Connected to call", "good"],
  draining: ["Disconnected from server", "over"],
  over: ["Disconnected from server", "over"],
  "never connected": ["Not connected", "over"],
};

export const ENDED = {
  caller: "You hung up.",
  agent: "The agent hung up.",
};

const ALLOW = "Allow it by the microphone or lock symbol beside the address, then call again.";

/** By code: what went wrong, and what to do. */
export const PROBLEMS = {
  insecure: ["This page was not opened by https.", "Browsers give the microphone to secure pages only: open it with https:// in front."],
  unsupported: ["This browser cannot hold a call.", "Use a newer one: Chrome, Edge, Firefox and Safari can."],
  "microphone-refused": ["The microphone was refused.", ALLOW],
  "microphone-missing": ["There is no microphone.", "Connect one, or a headset, then call again."],
  "microphone-busy": ["The microphone is in use.", "Another program holds it, or it is broken: close what uses it, then call again."],
  "microphone-failed": ["The microphone could not be opened.", "Choose another one in your system's settings, then call again."],
  "microphone-rate": ["This browser cannot take this microphone.", "Choose another one in your system's settings, or use another browser."],
  offline: ["This website cannot be reached.", "Check your connection to the internet, then call again."],
  network: ["The network was lost.", "Check your connection to the internet, then call again."],
  broken: ["The call broke off.", "Call again."],
  service: ["The service is not available right now.", "Call again in a few minutes."],
  busy: ["Too many calls were asked for.", "Call again a little later."],
  "too-late": ["The call took too long to begin.", "Call again."],
  "wrong-origin": ["This page may not begin a call.", "Open it from the website that it belongs to."],
  server: ["Calls are not available right now.", "This is for the owner of this website to put right."],
  page: ["Something went wrong in this page.", "Load it again."],
};

/** By name: what is noticed while a call lasts. The last of three is a button's word. */
export const NOTICES = {
  suspended: ["Your browser holds the sound back.", "It waits for a click.", "Turn the sound on"],
  "microphone-zero": ["Your microphone gives only silence.", "Is it muted by a switch, or in your system's settings?"],
  "microphone-muted": ["Your microphone was muted by the system.", "The agent hears silence until it is given back."],
  "microphone-changed": ["Your microphone was disconnected.", "The call goes on with the one that your system prefers now."],
  stalled: ["Your words do not get through.", "What you say now may not be heard."],
  "stood-still": ["Your browser paused the sound.", "Keep this page in front while you talk."],
};

/** "in 1 second", "in 5 seconds", "in 3 minutes" */
export function inSeconds(seconds) {
  if (!(seconds > 0)) return "";
  if (seconds <= 1) return "in 1 second";
  if (seconds < 90) return `in ${Math.ceil(seconds)} seconds`;
  return `in ${Math.ceil(seconds / 60)} minutes`;
}
