/** A hook call as the form sees it. All functions are pure: they read a call, or return a changed copy of it. */

const ORDERS = ["ServiceRequest", "ProcedureRequest"];
export const KEYS = { conditions: "Condition", procedures: "Procedure" };

/** Return a changed copy of a JSON value. */
function changed(value, change) {
  const copy = structuredClone(value);
  change(copy);
  return copy;
}

const list = (value) => (Array.isArray(value) ? value : []);
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** Return whether a call can be shown in the form: an object with a context and at least one draft order. */
export function isEditable(call) {
  return isObject(call) && isObject(call.context) && drafts(call).length > 0;
}

/** Return the draft orders of a call with their place among the entries. */
export function drafts(call) {
  return list(call?.context?.draftOrders?.entry)
    .map((entry, index) => ({ index, resource: entry?.resource }))
    .filter(({ resource }) => ORDERS.includes(resource?.resourceType));
}

/** Return the draft order that was chosen: the first that `selections` names, or else the first. */
export function chosen(call) {
  const all = drafts(call);
  const names = list(call.context.selections).map((name) => String(name).split("/").at(-1));
  return all.find(({ resource }) => names.includes(resource.id)) ?? all[0];
}

/** Return the draft orders beside the chosen one. */
export function others(call) {
  const { index } = chosen(call);
  return drafts(call).filter((one) => one.index !== index);
}

/** Return a call whose chosen order asks for another study; what spoke of the old study goes. */
export function withStudy(call, order) {
  return changed(call, (copy) => {
    const { resource } = chosen(copy);
    resource.code = order.code;
    delete resource.bodySite;
    delete resource.text;
    if (!resource.reasonCode?.length && order.reasonCode?.length) resource.reasonCode = order.reasonCode;
  });
}

/** Return a call with this order drafted beside the chosen one and no other, or with none where it is null. */
export function withOther(call, order) {
  return changed(call, (copy) => {
    const { entry } = copy.context.draftOrders;
    const kept = entry[chosen(copy).index];
    const subject = kept.resource.subject;
    copy.context.draftOrders.entry = order ? [kept, { resource: { ...order, subject } }] : [kept];
  });
}

/** Return the words of the chosen order's reason. */
export function reasonOf(call) {
  const { reasonCode, reasonReference } = chosen(call).resource;
  const words = list(reasonCode).map(wordsOf).filter(Boolean);
  return {
    words: words.join("; "),
    refers: list(reasonReference)
      .map((one) => one?.reference)
      .filter(Boolean),
  };
}

/** Return a call whose chosen order has this reason: a choice with a code, words alone, or none. */
export function withReason(call, choice) {
  return changed(call, (copy) => {
    const { resource } = chosen(copy);
    if (choice.words) resource.reasonCode = [conceptOf(choice)];
    else delete resource.reasonCode;
  });
}

/** Return the words of a CodeableConcept: its text, a display, or a code. */
export function wordsOf(concept) {
  const codings = list(concept?.coding);
  return concept?.text || codings.find((one) => one?.display)?.display || codings.find((one) => one?.code)?.code || "";
}

/** Return the CodeableConcept of a choice: words, and a code where there is one. */
export function conceptOf({ words, system, code }) {
  return code ? { coding: [{ system, code }], text: words } : { text: words };
}

/** Return the Conditions and Procedures of the prefetch with their places. */
export function entries(call) {
  return Object.entries(KEYS).flatMap(([key, kind]) =>
    list(call.prefetch?.[key]?.entry)
      .map((entry, index) => ({ key, kind, index, resource: entry?.resource }))
      .filter(({ resource }) => resource?.resourceType === kind),
  );
}

/** Return a call in which the entry at a place is another resource, or is gone where that is null. */
export function withEntry(call, { key, index }, resource) {
  return changed(call, (copy) => {
    const bundle = copy.prefetch[key];
    if (resource) bundle.entry[index].resource = resource;
    else bundle.entry.splice(index, 1);
    if (typeof bundle.total === "number") bundle.total = bundle.entry.length;
  });
}

/** Return a call with one more entry of a key, and the place where it stands. */
export function withNewEntry(call, key) {
  const taken = entries(call).map(({ resource }) => resource.id);
  const letter = key === "conditions" ? "c" : "p";
  let number = 1;
  while (taken.includes(`${letter}${number}`)) number += 1;
  const resource = newEntry(KEYS[key], `${letter}${number}`, call.context.patientId);
  let index = 0;
  const copy = changed(call, (one) => {
    one.prefetch = isObject(one.prefetch) ? one.prefetch : {};
    if (!Array.isArray(one.prefetch[key]?.entry)) {
      one.prefetch[key] = { resourceType: "Bundle", type: "searchset", entry: [] };
    }
    index = one.prefetch[key].entry.push({ resource }) - 1;
    one.prefetch[key].total = one.prefetch[key].entry.length;
  });
  return { call: copy, place: { key, index } };
}

function newEntry(resourceType, id, patientId) {
  const own = { resourceType, id, subject: { reference: `Patient/${patientId}` }, code: { text: "" } };
  if (resourceType === "Procedure") return { ...own, status: "completed" };
  const system = "http://terminology.hl7.org/CodeSystem/condition-clinical";
  return { ...own, clinicalStatus: { coding: [{ system, code: "active" }] } };
}

/** Return our name for what a reference of the explanation points to: the words of that order or entry. */
export function nameOf(call, reference) {
  const resources = [...drafts(call), ...entries(call)].map(({ resource }) => resource);
  const found = resources.find((one) => `${one.resourceType}/${one.id}` === reference);
  return found ? wordsOf(found.code) : "";
}

/** Return a call whose drafts are what they become when an EHR applies the actions of a suggestion. */
export function applied(call, actions) {
  return changed(call, (copy) => {
    const { entry } = copy.context.draftOrders;
    for (const { type, resource, resourceId } of actions) {
      const order = resourceId ?? `${resource.resourceType}/${resource.id}`;
      const place = entry.findIndex(({ resource: one }) => `${one?.resourceType}/${one?.id}` === order);
      if (type === "delete" && place >= 0) entry.splice(place, 1);
      if (type === "update" && place >= 0) entry[place].resource = resource;
      if (type === "create") entry.push({ resource: { ...resource, id: `new-${entry.length + 1}` } });
    }
  });
}
