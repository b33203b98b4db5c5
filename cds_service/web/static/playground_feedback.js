/** Feedback: the outcome of a card is sent to the service, and the orders become what an EHR makes of them. */

import { applied, drafts, wordsOf } from "./playground_call.js";
import { byId, el } from "./playground_dom.js";
import { feedback, refusal } from "./playground_service.js";

/** Accept a suggestion: report it, and show the draft orders as they are then. */
export async function accept(seat, suggestion) {
  const report = { card: seat.card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] };
  if (!(await send(seat, report, `Accepted: ${suggestion.label}`))) return;
  const { call } = seat.asked;
  const then = applied(call, suggestion.actions ?? []);
  const again = el("button", { type: "button", text: "Send again with these orders", click: () => seat.again(then) });
  const title = el("h4", { text: "Draft orders after an EHR applies the suggestion" });
  seat.result.append(title, el("ul", {}, ...ordersNodes(call, then)), again);
}

/** Dismiss a card: report it with the reason and the comment, where there are any. */
export async function dismiss(seat, reason, comment) {
  const coding = reason && { reason: { system: reason.system, code: reason.code } };
  const overrideReason = { ...coding, ...(comment && { userComment: comment }) };
  const report = { card: seat.card.uuid, outcome: "overridden", overrideReason };
  await send(seat, report, `Dismissed: ${reason?.display ?? "no reason"}`);
}

function ordersNodes(call, then) {
  const before = drafts(call).map(({ resource }) => JSON.stringify(resource));
  return drafts(then).map(({ resource }, index) => {
    const isSame = before[index] === JSON.stringify(resource);
    const state = index >= before.length ? "new" : isSame ? "unchanged" : "changed";
    const mark = el("span", { class: `badge ${isSame ? "" : "good"}`, text: state });
    const name = el("summary", { text: `${resource.resourceType}/${resource.id}` });
    const words = wordsOf(resource.code) || "Order without text";
    return el("li", {}, `${words} `, mark, el("details", {}, name, json(resource)));
  });
}

/** Send a report and show what was sent and answered; the choices stay where it failed. Returns whether it was accepted. */
async function send({ asked, choices, result }, report, words) {
  choices.inert = true;
  try {
    const { sent, answer } = await feedback(asked.service, report);
    const line = answer.ok ? `Feedback sent: status ${answer.status}.` : `The feedback was rejected: ${refusal(answer)}`;
    const note = el("p", { class: answer.ok ? "note" : "note bad" }, el("b", { text: words }), el("br"), line);
    result.replaceChildren(note, el("details", {}, el("summary", { text: `POST ${answer.url}` }), json(sent)));
    if (answer.ok) result.append(...(byId("counted")?.content.cloneNode(true).children ?? []));
    choices.hidden = answer.ok;
    result.focus();
    return answer.ok;
  } catch {
    result.replaceChildren(el("p", { class: "note bad", text: "The service could not be reached. Nothing was sent." }));
    result.focus();
    return false;
  } finally {
    choices.inert = false;
  }
}

const json = (value) => el("pre", { tabindex: "0", text: JSON.stringify(value, null, 2) });
