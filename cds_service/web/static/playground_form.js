/** The form: it shows a call and reports each edit as a changed call. The call is the one state; the form has none. */

import * as calls from "./playground_call.js";
import { FIELDS, headline, isDate } from "./playground_entry.js";
import { byId, el, fillSelect } from "./playground_dom.js";

const WORDS_ONLY = "(words)";
const AS_IS = "(as it is)";
const NONE = "(none)";

let current = null;
let report = () => {};
let offered = { orders: [], choices: {} };

/** Make the form ready: `data` is what can be chosen, `onEdit` takes each changed call. */
export function prepare(data, onEdit) {
  offered = data;
  report = (call) => {
    current = call;
    onEdit(call);
  };
  for (const [name, choices] of Object.entries(data.choices)) {
    byId(`${name}-choices`).replaceChildren(...choices.map(({ words }) => el("option", { value: words })));
  }
  byId("order").addEventListener("change", pickOrder);
  byId("order-words").addEventListener("input", writeOrder);
  byId("reason").addEventListener("input", () =>
    report(calls.withReason(current, choiceOf("reasons", byId("reason").value))),
  );
  byId("also").addEventListener("change", pickOther);
  byId("add-condition").addEventListener("click", () => add("conditions"));
  byId("add-procedure").addEventListener("click", () => add("procedures"));
}

/** Show a call; a call that the form cannot show leaves it disabled. */
export function show(call) {
  current = calls.isEditable(call) ? call : null;
  byId("order").disabled = !current;
  if (!current) return;
  showOrder();
  showOther();
  const { words, refers } = calls.reasonOf(current);
  byId("reason").value = words;
  byId("reason-note").textContent = refers.length
    ? `It also references ${refers.join(", ")}, which is kept.`
    : "Pick from the list to send a code; other text is sent as free text.";
  showEntries();
}

/** Return the choice that these words name, or the words alone. */
function choiceOf(name, words) {
  return offered.choices[name].find((one) => one.words === words) ?? { words };
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const ordersByTitle = () => offered.orders.map(({ name, title }) => ({ value: name, text: title }));

function showOrder() {
  const { code } = calls.chosen(current).resource;
  const known = offered.orders.find((one) => same(one.order.code, code));
  const isWords = !known && !code?.coding;
  const asIs = known || isWords ? [] : [{ value: AS_IS, text: `As in the call: ${calls.wordsOf(code) || "no text"}` }];
  const options = [...asIs, ...ordersByTitle(), { value: WORDS_ONLY, text: "Free text…" }];
  fillSelect(byId("order"), options, known?.name ?? (isWords ? WORDS_ONLY : AS_IS));
  byId("order-words-field").hidden = !isWords;
  if (isWords) byId("order-words").value = code?.text ?? "";
}

function pickOrder() {
  const { value } = byId("order");
  const isWords = value === WORDS_ONLY;
  byId("order-words-field").hidden = !isWords;
  if (isWords) {
    byId("order-words").value = calls.wordsOf(calls.chosen(current).resource.code);
    byId("order-words").focus();
    return writeOrder();
  }
  const known = offered.orders.find((one) => one.name === value);
  if (known) report(calls.withStudy(current, known.order));
  byId("reason").value = calls.reasonOf(current).words;
}

function writeOrder() {
  report(calls.withStudy(current, { code: { text: byId("order-words").value } }));
}

function showOther() {
  const others = calls.others(current);
  const known = others.length === 1 && offered.orders.find((one) => same(one.order.code, others[0].resource.code));
  const words = others.map(({ resource }) => calls.wordsOf(resource.code) || "an order without text").join("; ");
  const asIs = others.length && !known ? [{ value: AS_IS, text: words }] : [];
  fillSelect(
    byId("also"),
    [{ value: NONE, text: "None" }, ...asIs, ...ordersByTitle()],
    known ? known.name : asIs.length ? AS_IS : NONE,
  );
}

function pickOther() {
  const { value } = byId("also");
  if (value === AS_IS) return;
  const order = offered.orders.find((one) => one.name === value)?.order ?? null;
  report(calls.withOther(current, order && { ...order, id: `also-${order.id}` }));
}

function add(key) {
  const { call, place } = calls.withNewEntry(current, key);
  report(call);
  showEntries(place);
  byId("entries").querySelector("details[open] input")?.focus();
}

function showEntries(open = null) {
  const all = calls.entries(current);
  byId("no-entries").hidden = all.length > 0;
  byId("entries").replaceChildren(
    ...all.map((entry) => entryNode(entry, open?.key === entry.key && open.index === entry.index)),
  );
}

function entryNode(place, isOpen) {
  const name = el("b");
  const rest = el("span", { class: "faint" });
  const title = (resource) => {
    const line = headline(resource, place.kind);
    name.textContent = line.name;
    rest.textContent = line.rest;
  };
  title(place.resource);
  const id = `${place.key}-${place.index}`;
  const fields = FIELDS[place.kind].map((field) => fieldNode(field, place, `${id}-${field.id}`, title));
  const remove = el(
    "button",
    { type: "button", text: "Remove", click: () => removeEntry(place) },
    el("span", { class: "visually-hidden", text: ` ${name.textContent}` }),
  );
  const summary = el(
    "summary",
    {},
    el("span", { class: "badge", text: `${place.kind}/${place.resource.id ?? "?"}` }),
    " ",
    name,
    " ",
    rest,
  );
  return el(
    "details",
    { class: "entry", id, open: isOpen },
    summary,
    el("div", { class: "fields" }, ...fields),
    remove,
  );
}

function removeEntry(place) {
  report(calls.withEntry(current, place, null));
  showEntries();
  byId("add-condition").focus();
}

function fieldNode(field, place, id, title) {
  const value = field.read(place.resource);
  const input = field.options
    ? el("select", { id })
    : el("input", {
        id,
        type: "text",
        autocomplete: "off",
        spellcheck: "false",
        list: field.choices && `${field.choices}-choices`,
      });
  if (field.options) {
    const known = ["", ...field.options].includes(value) ? field.options : [value, ...field.options];
    fillSelect(
      input,
      [{ value: "", text: "(not stated)" }, ...known.map((code) => ({ value: code, text: code }))],
      value,
    );
  } else input.value = value;
  const fault = el("p", { class: "fault", id: `${id}-fault` });
  input.setAttribute("aria-describedby", fault.id);
  input.addEventListener("input", () => write(field, place, input, fault, title));
  return el("div", { class: "field" }, el("label", { for: id, text: field.label }), input, fault);
}

function write(field, place, input, fault, title) {
  const value = input.value.trim();
  const isWrong = Boolean(field.isDate) && !isDate(value);
  fault.textContent = isWrong ? "Use 2024, 2024-08 or 2024-08-15." : "";
  input.setAttribute("aria-invalid", String(isWrong));
  if (isWrong) return;
  const before = calls.entries(current).find((one) => one.key === place.key && one.index === place.index).resource;
  const resource = field.write(before, value, field.choices && choiceOf(field.choices, value));
  title(resource);
  report(calls.withEntry(current, place, resource));
}
