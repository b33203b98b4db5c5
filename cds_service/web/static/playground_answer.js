/** The answer as an EHR shows it: cards with suggestions, override reasons and links, or a note that there is no card. */

import { byId, el, link } from "./playground_dom.js";
import { accept, dismiss } from "./playground_feedback.js";
import { refusal } from "./playground_service.js";

const INDICATORS = { info: "Information", warning: "Warning", critical: "Critical" };

/** Show the cards of an answer; `again` takes the call to send next. Returns a short and a full text for the status line. */
export function showAnswer({ answer, why }, asked, again) {
  const holder = byId("cards");
  if (!answer.ok) {
    holder.replaceChildren(refused(answer));
    return [`Error ${answer.status}: no card.`, refusal(answer)];
  }
  const cards = answer.json?.cards ?? [];
  const details = why.json?.details ?? [];
  const shown = cards.map((card, index) => cardNode(card, details[index], asked, again));
  holder.replaceChildren(...(shown.length ? shown : [noCardNode(why)]));
  if (!cards.length) return ["No card.", noCardReasons(why).join(" ")];
  const words = cards.map((card) => (INDICATORS[card.indicator] ?? card.indicator).toLowerCase());
  const count = cards.length === 1 ? "1 card" : `${cards.length} cards`;
  return [`${count}: ${words.join(", ")}.`, cards.map((card) => card.summary).join(" ")];
}

function refused(answer) {
  return el(
    "div",
    { class: "note bad" },
    el("h3", { text: `The service returned an error: ${answer.status}` }),
    el("p", { text: refusal(answer) }),
    el("p", { class: "faint", text: "An EHR continues without a card." }),
  );
}

/** Return the reasons why no card is shown. */
export function noCardReasons(why) {
  const outcomes = why.json?.steps?.outcomes ?? [];
  if (why.json?.steps?.is_shadow && outcomes.some((one) => one.card))
    return ["Shadow mode: a card was decided and is not shown."];
  return outcomes.map((one) => one.silence?.words).filter(Boolean);
}

function noCardNode(why) {
  const other = el("a", { href: "#vignette=article", text: "Try the sample patient" });
  return el(
    "div",
    { class: "no-card" },
    el("h3", { text: "No card" }),
    ...noCardReasons(why).map((text) => el("p", { text })),
    el("p", { class: "faint" }, "An EHR shows nothing. ", other, ", for whom a card is shown."),
  );
}

function cardNode(card, detail, asked, again) {
  const id = `card-${card.uuid}`;
  const body = el("div", { class: "detail scroll" });
  if (detail === undefined) body.textContent = card.detail ?? "";
  else body.innerHTML = detail; // HTML of the server, made from Markdown in which HTML is text
  const choices = el("div");
  const result = el("div", { class: "result", tabindex: "-1", role: "group", "aria-label": "Feedback" });
  const seat = { card, asked, again, choices, result };
  choices.append(suggestionsNode(seat), overrideNode(seat));
  const indicator = INDICATORS[card.indicator] ?? card.indicator;
  return el(
    "article",
    { class: `card ${card.indicator}`, "aria-labelledby": id },
    el("p", { class: "line" }, el("span", { class: `badge ${card.indicator}`, text: indicator })),
    el("h3", { id, text: card.summary }),
    el("p", { class: "source" }, "Source: ", link(card.source.url, card.source.label)),
    body,
    choices,
    result,
    sourcesNode(card),
  );
}

/** The source stands at the end in the look of an EHR, and below the summary in that of the Sandbox. */
function sourcesNode({ source, links = [] }) {
  const own = el("span", { class: "own-source" }, "Source: ", link(source.url, source.label));
  return el("p", { class: "sources" }, own, ...links.map((one) => link(one.url, one.label)));
}

function suggestionsNode(seat) {
  const rows = (seat.card.suggestions ?? []).map((suggestion) => {
    const { label, isRecommended } = suggestion;
    const click = () => accept(seat, suggestion);
    const mark = isRecommended ? el("span", { class: "recommended", text: "Recommended" }) : null;
    return el("li", {}, el("button", { type: "button", class: isRecommended ? "main" : false, click }, label, mark));
  });
  return rows.length ? el("ul", { class: "suggestions", "aria-label": "Suggestions" }, ...rows) : "";
}

function overrideNode(seat) {
  const { uuid, overrideReasons = [] } = seat.card;
  const name = `reason-of-${uuid}`;
  const reasons = overrideReasons.map((reason, index) =>
    el("label", {}, el("input", { type: "radio", name, value: index, required: true }), ` ${reason.display}`),
  );
  const comment = el("textarea", { id: `comment-${uuid}`, rows: "2" });
  const form = el(
    "form",
    { class: "override" },
    el("fieldset", {}, el("legend", { text: "Why are you dismissing this card?" }), ...reasons),
    el("div", { class: "field" }, el("label", { for: comment.id, text: "Comment (optional)" }), comment),
    el("button", { type: "submit", text: "Dismiss" }),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dismiss(seat, overrideReasons[new FormData(form).get(name)], comment.value.trim());
  });
  const summary = el("summary", { text: "Dismiss this card…" });
  const fold = el("details", { class: "dismiss" }, summary, form);
  form.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape") return;
    fold.open = false;
    summary.focus();
  });
  return fold;
}
