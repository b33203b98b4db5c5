/** Requests to the service: the call and the feedback, as an EHR sends them, but marked as the playground's. */

const HEADERS = { "Content-Type": "application/json", Accept: "application/json", "X-Plexus-CDS-Client": "playground" };

let running = null;

/** Return the initial data of the page: vignettes, orders, choices. */
export async function begin() {
  const response = await fetch("playground/data.json");
  if (!response.ok) throw new Error(`The playground data could not be loaded (status ${response.status}).`);
  return response.json();
}

/**
 * Send this body to the service and request its explanation; a newer request cancels an older one.
 * Returns null where that happened.
 */
export async function ask(service, body) {
  running?.abort();
  const mine = (running = new AbortController());
  try {
    const [answer, why] = await Promise.all([
      post(`cds-services/${service}`, body, mine.signal),
      post(`playground/explanations/${service}`, body, mine.signal),
    ]);
    return mine.signal.aborted ? null : { answer, why };
  } catch (error) {
    if (mine.signal.aborted) return null;
    throw error;
  }
}

/** Cancel the request that is out: its answer is of a call that has changed since. */
export const cancel = () => running?.abort();

/** Send one report of feedback as CDS Hooks has it; returns what was sent and the answer. */
export async function feedback(service, report) {
  const sent = { feedback: [{ ...report, outcomeTimestamp: new Date().toISOString() }] };
  return { sent, answer: await post(`cds-services/${service}/feedback`, JSON.stringify(sent)) };
}

async function post(path, body, signal) {
  const began = performance.now();
  const response = await fetch(path, { method: "POST", headers: HEADERS, body, signal });
  const text = await response.text();
  return {
    url: new URL(path, document.baseURI).pathname,
    status: response.status,
    ok: response.ok,
    milliseconds: performance.now() - began,
    size: text.length,
    json: parsed(text),
    text,
  };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Return the text of the OperationOutcome of an error response. */
export function refusal({ json, status }) {
  const texts = (json?.issue ?? []).map((one) => one.diagnostics).filter(Boolean);
  if (status === 401) return "The service requires a token because it has a clients file. This page has none.";
  return texts.join(" ") || `The service responded with status ${status} and no message.`;
}

/** Return where a text stops being JSON, in words, or no text where it is JSON. */
export function jsonFault(text) {
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    const { line, column } = placeOf(String(error.message), text);
    const what = String(error.message).replace(/ (in JSON )?at (position|line) .*$/, "");
    return `Invalid JSON at line ${line}, column ${column}: ${what}.`;
  }
}

/** Browsers give the place of a fault as a line and a column, as a position, or (at the end) not at all. */
function placeOf(message, text) {
  const named = /line (\d+) column (\d+)/.exec(message);
  if (named) return { line: named[1], column: named[2] };
  const position = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
  const before = text.slice(0, position).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}
