/** The steps of the explanation as a list. */

import { nameOf } from "./playground_call.js";
import { byId, el, plain } from "./playground_dom.js";
import { refusal } from "./playground_service.js";

const KINDS = { presentation: "sign" };
const STATES = { passed: "does not apply", holds: "applies", "not reached": "not checked" };

/** Show the steps of an explanation of this call in the card's own words; if there is none, say why. */
export function showWhy({ answer, why }, call, words) {
  const reason = answer.ok ? refusal(why) : "The service returned the error shown above.";
  const shown = why.ok
    ? nodes(why.json.steps, call, words)
    : [el("li", {}, el("p", { text: `No explanation. ${reason}` }))];
  byId("steps").replaceChildren(...shown);
}

function nodes(steps, call, words) {
  const several = steps.outcomes.length > 1;
  return [
    step("Draft orders", ordersNode(steps, call)),
    step("Patient record", recordNode(steps.record)),
    ...steps.outcomes.flatMap((outcome) => {
      const of = several && outcome.name ? `: ${outcome.name}` : "";
      return [
        step(`Findings${of}`, findingsNode(outcome, call)),
        step(`Decision table${of}`, tableNode(outcome, words)),
        step(`Outcome${of}`, outcomeNode(outcome, steps.is_shadow, words)),
      ];
    }),
  ];
}

const step = (title, content) => el("li", {}, el("h3", { text: title }), content);
const faint = (text) => el("p", { class: "faint", text });
const mark = (good, words) => el("span", { class: `badge ${good ? "good" : ""}`, text: words });
const code = (text) => el("code", { text });

const faintly = (text) => el("span", { class: "faint", text });
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/** One row of a list: a mark, what it is of, where that stands, and below it why. */
function row(sign, words, places, why) {
  return el("li", {}, sign, ` ${words} `, ...places, el("br"), faintly(sentence(why)));
}

function ordersNode({ orders }, call) {
  if (!orders.length) return faint("The call has no draft orders.");
  const rows = orders.map(({ reference, name, is_watched: isWatched, why }) => {
    const sign = mark(isWatched, isWatched ? "monitored" : "not monitored");
    const words = nameOf(call, reference) || name || "Order without text";
    return row(sign, words, [code(reference)], `${name ? `read as ${name}: ` : ""}${why}`);
  });
  return el("ul", { class: "plain" }, ...rows);
}

function recordNode(record) {
  if (!record) return faint("Not read: the decision did not need it.");
  const notes = [
    ...record.unread.map((part) => `${plain(part.key)} ${part.partly ? "in part " : ""}not read: ${part.why}`),
    record.skipped && `${record.skipped} entries are not FHIR resources`,
    record.not_sent && `${record.not_sent} entries were counted in the total but not sent`,
    record.other_patient && `${record.other_patient} entries belong to another patient and were ignored`,
  ].filter(Boolean);
  const more = Object.entries(record.more).map(([key, number]) => `${number} ${plain(key)}`);
  const read = [count(record.conditions, "Condition"), count(record.procedures, "Procedure"), ...more];
  const counted = `${read.slice(0, -1).join(", ")} and ${read.at(-1)}.`;
  const warnings = notes.map((text) => el("p", { class: "note warning", text: sentence(text) }));
  return el("div", {}, el("p", { text: counted }), ...warnings);
}

function findingsNode(outcome, call) {
  if (!outcome.history) return faint("None: the record was not needed.");
  const found = outcome.findings.map(({ kind, words, references, use, why }) =>
    row(mark(use === "counts", use === "elsewhere" ? "does not count" : (KINDS[kind] ?? plain(kind))), words, places(references), why),
  );
  const rest = outcome.unused_entries.map(({ reference, why }) =>
    row(mark(false, "not used"), nameOf(call, reference) || "Entry without text", [code(reference)], why),
  );
  if (!found.length && !rest.length) return faint("None in the record or in the reason for exam.");
  return el("ul", { class: "plain" }, ...found, ...rest);
}

/** The entries of a finding; of many, the first three. */
function places(all) {
  const shown = all.slice(0, 3).flatMap((one) => [code(one), " "]);
  if (!all.length) return [faintly("(from the order)")];
  return all.length > 3 ? [...shown, faintly(`and ${all.length - 3} more`)] : shown;
}

function tableNode(outcome, words) {
  if (!outcome.decision_table.length) return faint("The decision table was not used.");
  const columns = [...new Set(outcome.decision_table.map((cell) => cell.presentation))];
  const names = columns.map((column) => words[`presentation.${column}`]);
  const heads = ["History", ...names].map((name) => el("th", { scope: "col", text: name }));
  const rows = [...new Set(outcome.decision_table.map((cell) => cell.history))].map((history) => {
    const own = outcome.decision_table.filter((cell) => cell.history === history);
    return el("tr", {}, el("th", { scope: "row", text: words[`history.${history}`] }), ...own.map((cell) => cellNode(cell, words)));
  });
  const caption = el("caption", { text: `${outcome.name}: history (rows) by signs (columns)` });
  const head = el("thead", {}, el("tr", {}, ...heads));
  return el("div", { class: "scroll" }, el("table", { class: "cells" }, caption, head, el("tbody", {}, ...rows)));
}

function cellNode(cell, words) {
  const says = cell.indicator || (cell.reason === "nothing_watched" ? "not monitored" : "no card");
  return el(
    "td",
    { class: cell.is_here ? "here" : false },
    el("span", { class: cell.indicator ? `badge ${cell.indicator}` : "", text: says }),
    cell.recommended ? el("small", { text: `recommended: ${words[`suggestion.${cell.recommended}`]}` }) : null,
    cell.is_here ? el("b", { text: "this patient" }) : null,
  );
}

function outcomeNode({ card, silence, silences }, isShadow, words) {
  const advice = card && (card.recommended ? `recommended: ${words[`suggestion.${card.recommended}`]}` : "no suggestion is recommended");
  const says = card
    ? el("p", {}, mark(true, "card"), ` ${card.indicator}; ${advice}. Proposed study: ${card.proposes}.`)
    : el("p", {}, mark(false, "no card"), ` ${silence.words}`);
  const against = card
    ? card.against.map(againstNode)
    : [];
  const reservations = against.length
    ? el("div", {}, el("p", { text: "Why no suggestion is recommended:" }), el("ul", { class: "plain" }, ...against))
    : null;
  const shadow = isShadow
    ? el("p", { class: "note", text: "Shadow mode: the card is decided and logged, not shown." })
    : null;
  return el("div", {}, says, reservations, shadow, silencesNode(card, silences));
}

/** One reason against a recommendation, and below it the findings that it rests on. */
function againstNode({ reason, words, findings, references }) {
  const rests = findings.length ? [el("br"), faintly(`${findings.join("; ")} `), ...references.flatMap((one) => [code(one), " "])] : [];
  return el("li", {}, `${words} `, code(reason), ...rests);
}

function silencesNode(card, silences) {
  const place = 1 + silences.findIndex((one) => one.state === "holds");
  const words = card
    ? `None of ${silences.length} reasons for no card applies`
    : `Reasons for no card: number ${place} of ${silences.length} applies`;
  const rows = silences.map((one) =>
    el(
      "li",
      { class: one.state.replace(" ", "-") },
      el("b", { text: STATES[one.state] }),
      ` ${one.words} `,
      code(one.reason),
    ),
  );
  return el("details", {}, el("summary", { text: words }), el("ol", { class: "silences" }, ...rows));
}
