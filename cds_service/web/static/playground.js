/** The playground: joins selecting, editing, sending and showing. The hook call is the state. */

import { showAnswer } from "./playground_answer.js";
import { isEditable } from "./playground_call.js";
import { byId, el, fillSelect, showWhole } from "./playground_dom.js";
import * as form from "./playground_form.js";
import { ask, begin, cancel, jsonFault } from "./playground_service.js";
import { linkTo, sharedText } from "./playground_share.js";
import { showWhy } from "./playground_why.js";

const WAIT = 150;
const FIRST = "article";
const NARROW = window.matchMedia("(max-width: 60rem)");

const UNREACHABLE = "The service could not be reached. Is it running? The results below are from the previous request.";

const state = { data: null, vignette: null, text: "", timer: 0, wholes: [] };

/** Begin: get the data, make the page live, open the case that the address names. */
async function start() {
  try {
    state.data = await begin();
  } catch (error) {
    return fault(`The playground could not start. ${error.message}`);
  }
  byId("change").open = !NARROW.matches;
  byId("today").textContent = state.data.today;
  fillSelect(byId("vignette"), groups(state.data.vignettes), "");
  form.prepare(state.data, (call) => {
    take(JSON.stringify(call, null, 2));
    byId("call-json").value = state.text;
  });
  state.wholes = ["vignette", "order", "also"].map((name) => showWhole(byId(name)));
  listen();
  await open();
}

function groups(vignettes) {
  const of = (label, test) => ({
    label,
    options: vignettes.filter(test).map(({ name, title }) => ({ value: name, text: title })),
  });
  return [
    of("Card", ({ says }) => ["info", "warning"].includes(says)),
    of("No card", ({ says }) => says.startsWith("silent")),
    of("Error", ({ says }) => says.startsWith("refused")),
  ];
}

function listen() {
  byId("vignette").addEventListener("change", () => go(byId("vignette").value));
  window.addEventListener("hashchange", open);
  byId("ask").addEventListener("click", () => askNow());
  byId("reset").addEventListener("click", () => load(state.vignette));
  byId("call-json").addEventListener("input", () => take(byId("call-json").value));
  for (const mode of ["form", "json"]) byId(`mode-${mode}`).addEventListener("change", () => turn(mode));
  for (const name of ["request", "response"]) byId(`copy-${name}`).addEventListener("click", copy);
  byId("share").addEventListener("click", share);
  for (const look of ["ehr", "sandbox"])
    byId(`look-${look}`).addEventListener("change", () => byId("cards").classList.toggle("sandbox", look === "sandbox"));
  window.addEventListener("offline", () => setStale(true, UNREACHABLE));
  window.addEventListener("online", () => askNow());
  byId("to-answer").addEventListener("click", toAnswer);
  const seen = new IntersectionObserver(
    ([{ isIntersecting }]) => byId("to-answer").classList.toggle("hidden", isIntersecting),
    { rootMargin: "0px 0px -30%" },
  );
  seen.observe(byId("cards"));
}

/** Open a case by its name in the address, which holds nothing else, or a case that was shared. */
function go(name) {
  if (location.hash === `#vignette=${name}`) load(byName(name));
  else location.hash = `vignette=${name}`;
}

async function open() {
  const [, name, packed] = /^#vignette=([\w-]+)(?:&call=([\w-]*))?$/.exec(location.hash) ?? [];
  if (name || !state.vignette) load(byName(name) ?? byName(FIRST));
  if (name && !byName(name)) byId("proves").textContent = `This version has no such case. ${state.vignette.proves}`;
  if (packed !== undefined) await openShared(packed);
}

async function openShared(packed) {
  const { title } = state.vignette;
  try {
    const text = await sharedText(packed);
    const call = parsed(text);
    byId("proves").textContent = `A shared case, edited from “${title}”.`;
    if (call) use(call);
    else openText(text);
  } catch {
    byId("proves").textContent = `The link is incomplete. This is “${title}”, without the edits; ask for the link again.`;
  }
}

function openText(text) {
  take(text, 0);
  turn("json");
}

/** Copy a link to the case as it is now; where the browser does not allow it, show the link selected. */
async function share() {
  const isEdited = state.text !== JSON.stringify(state.vignette.call, null, 2);
  const url = await linkTo(state.vignette.name, isEdited ? state.text : "");
  const field = byId("share-link");
  byId("share-field").hidden = !url;
  field.value = url;
  if (!url) return (byId("share-status").textContent = "This call is too long for a link. Copy the request below instead.");
  try {
    await navigator.clipboard.writeText(url);
    byId("share-status").textContent = "Link copied.";
  } catch {
    field.select();
    byId("share-status").textContent = "Link selected: press Ctrl-C.";
  }
}

const byName = (name) => state.data.vignettes.find((one) => one.name === name);

function load(vignette) {
  state.vignette = vignette;
  byId("vignette").value = vignette.name;
  byId("proves").textContent = vignette.proves;
  use(vignette.call);
}

/** Take a whole call, show it everywhere, and ask at once. */
function use(call) {
  take(JSON.stringify(call, null, 2), 0);
  byId("call-json").value = state.text;
  form.show(call);
  state.wholes.forEach((show) => show());
  if (!isEditable(call)) turn("json");
}

/** Take the text of a call, and ask as soon as nothing changes any more; until then the old answer cannot be used. */
function take(text, wait = WAIT) {
  state.text = text;
  cancel();
  setStale(true);
  byId("share-field").hidden = true;
  byId("share-status").textContent = "";
  window.clearTimeout(state.timer);
  state.timer = window.setTimeout(askNow, wait);
}

/** Turn to the form or to the JSON; both show the same call. */
function turn(mode) {
  const call = parsed(state.text);
  const isForm = mode === "form" && isEditable(call);
  if (mode === "form" && !isForm)
    byId("json-fault").textContent =
      jsonFault(state.text) || "The form cannot show this call: it needs a context with at least one draft order.";
  if (mode === "form") byId("json-fault").hidden = isForm;
  byId(isForm ? "mode-form" : "mode-json").checked = true;
  byId("form-pane").hidden = !isForm;
  byId("json-pane").hidden = isForm;
  if (isForm) form.show(call);
  else byId("call-json").value = state.text;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function askNow() {
  window.clearTimeout(state.timer);
  const text = state.text;
  if (isBroken(text)) return;
  const call = parsed(text);
  if (!byId("json-pane").hidden) form.show(call);
  const { services } = state.data;
  const service = services[call?.hook] ?? Object.values(services)[0];
  byId("answer").setAttribute("aria-busy", "true");
  setStale(true);
  try {
    const results = await ask(service, text);
    if (!results) return;
    show(results, { call, text, service });
    setStale(false);
  } catch {
    setStale(true, UNREACHABLE);
  }
  byId("answer").removeAttribute("aria-busy");
}

/** Gray the results of another call than the present one, and let nobody accept or dismiss their cards. */
function setStale(value, words = "") {
  if (value && byId("cards").contains(document.activeElement)) byId("answer").focus({ preventScroll: true });
  byId("results").classList.toggle("stale", value);
  byId("cards").inert = value;
  if (words) fault(words);
}

/** Show where a text is not JSON; nothing is sent then. */
function isBroken(text) {
  const words = jsonFault(text);
  byId("json-fault").textContent = words;
  byId("json-fault").hidden = !words;
  byId("call-json").setAttribute("aria-invalid", String(Boolean(words)));
  if (words) {
    byId("answer").removeAttribute("aria-busy");
    announce("Invalid JSON: nothing was sent. The results below are from the previous request.");
  }
  return Boolean(words);
}

function show(results, asked) {
  fault("");
  announce(...showAnswer(results, asked, sendAgain));
  showWhy(results, asked.call, state.data.words);
  const { answer, why } = results;
  byId("request-line").textContent = `POST ${answer.url}`;
  byId("request-json").textContent = asked.text;
  byId("response-line").textContent = `Status ${answer.status}`;
  byId("response-json").textContent = answer.json ? JSON.stringify(answer.json, null, 2) : answer.text;
  const decided = why.ok ? ` The decision alone took ${why.json.milliseconds} ms, in a separate run.` : "";
  byId("took").textContent =
    `Response time ${Math.round(answer.milliseconds)} ms, ${answer.size} characters.${decided}`;
}

/** Announce in the status line what was received; `more` is for those who hear the page and do not see the card. */
function announce(words, more = "") {
  byId("status").replaceChildren(words, el("span", { class: "visually-hidden", text: more && ` ${more}` }));
  byId("to-answer").hidden = false;
  byId("to-answer").textContent = `${words} Go to the card.`;
}

/** Take the call that a card led to, and go where its answer will be. */
function sendAgain(call) {
  use(call);
  toAnswer();
}

function toAnswer() {
  byId("answer").focus({ preventScroll: true });
  byId("answer").scrollIntoView({ block: "start" });
}

function fault(words) {
  byId("page-fault").textContent = words;
  byId("page-fault").hidden = !words;
}

/** Copy a pane; where the browser does not allow it, select it for the keyboard. */
async function copy(event) {
  const button = event.currentTarget;
  const pane = byId(button.dataset.copies);
  const notify = (words) => (byId(`copied-${button.dataset.copies}`).textContent = words);
  try {
    await navigator.clipboard.writeText(pane.textContent);
    notify("Copied");
  } catch {
    window.getSelection().selectAllChildren(pane);
    notify("Selected: press Ctrl-C");
  }
}

start();
