/** One Condition or Procedure as the form sees it: pure functions that read it, or return a changed copy. */

import { conceptOf, wordsOf } from "./playground_call.js";

const SYSTEM = "http://terminology.hl7.org/CodeSystem/";
const CLINICAL = ["active", "recurrence", "relapse", "inactive", "remission", "resolved"];
const VERIFICATION = ["confirmed", "unconfirmed", "provisional", "differential", "refuted", "entered-in-error"];
const PERFORMED = [
  "preparation",
  "in-progress",
  "not-done",
  "on-hold",
  "stopped",
  "completed",
  "entered-in-error",
  "unknown",
];

const first = (value) => (Array.isArray(value) ? value[0] : value);
const codeOf = (concept) => first(concept?.coding)?.code ?? "";

/** Set a member, or take it away where the value is empty. */
function put(resource, name, value) {
  const copy = structuredClone(resource);
  if (value === "" || value === undefined) delete copy[name];
  else copy[name] = value;
  return copy;
}

function status(name, label, codes, system) {
  return {
    id: name,
    label,
    options: codes,
    read: (resource) => codeOf(resource[name]),
    write: (resource, code) => put(resource, name, code && { coding: [{ system: SYSTEM + system, code }] }),
  };
}

function day(name, label, lead) {
  return {
    id: name,
    label,
    lead,
    isDate: true,
    read: (resource) => resource[name] ?? "",
    write: (one, value) => put(one, name, value),
  };
}

const onset = {
  id: "onset",
  label: "Since",
  lead: "since ",
  isDate: true,
  read: (resource) => resource.onsetDateTime ?? resource.onsetPeriod?.start ?? "",
  write: (resource, value) => put(put(resource, "onsetPeriod", ""), "onsetDateTime", value),
};

function performed(member, label, lead) {
  return {
    id: member,
    label,
    lead,
    isDate: true,
    read: (resource) => resource.performedPeriod?.[member] ?? (resource.performedDateTime || ""),
    write: (resource, value) =>
      resource.performedDateTime && member === "start"
        ? put(resource, "performedDateTime", value)
        : withPerformed(resource, { ...spanOf(resource), [member]: value }),
  };
}

function spanOf({ performedPeriod, performedDateTime }) {
  return {
    start: performedPeriod?.start ?? performedDateTime ?? "",
    end: performedPeriod?.end ?? performedDateTime ?? "",
  };
}

/** One day is a dateTime; anything else is a Period of what is known. */
function withPerformed(resource, { start, end }) {
  const bare = put(put(resource, "performedPeriod", ""), "performedDateTime", "");
  if (start && start === end) return put(bare, "performedDateTime", start);
  const period = { ...(start && { start }), ...(end && { end }) };
  return start || end ? put(bare, "performedPeriod", period) : bare;
}

const what = (choices) => ({
  id: "what",
  label: "What",
  choices,
  read: (resource) => wordsOf(resource.code),
  write: (resource, _, choice) => put(resource, "code", conceptOf(choice)),
});

const site = {
  id: "site",
  label: "Body site",
  choices: "sites",
  read: (resource) => wordsOf(first(resource.bodySite)),
  write: (resource, value, choice) => put(resource, "bodySite", value && [conceptOf(choice)]),
};

/** The fields of each kind of entry, in the order of the form. */
export const FIELDS = {
  Condition: [
    what("conditions"),
    status("clinicalStatus", "Clinical status", CLINICAL, "condition-clinical"),
    status("verificationStatus", "Verification", VERIFICATION, "condition-ver-status"),
    onset,
    day("recordedDate", "Recorded", "recorded "),
    day("abatementDateTime", "Ended", "ended "),
  ],
  Procedure: [
    what("procedures"),
    {
      id: "status",
      label: "Status",
      options: PERFORMED,
      read: (one) => one.status ?? "",
      write: (one, code) => put(one, "status", code),
    },
    performed("start", "From", "from "),
    performed("end", "Until", "until "),
    site,
  ],
};

/** Return whether a text is a date as FHIR writes it, as precisely as it is known, or empty. */
export const isDate = (text) => text === "" || /^\d{4}(-\d{2}(-\d{2}(T.*)?)?)?$/.test(text);

/** Return the line that stands for an entry while it is folded: what, and what else is known of it. */
export function headline(resource, kind) {
  const [name, ...rest] = FIELDS[kind];
  const values = rest.map((field) => ({ lead: field.lead ?? "", value: String(field.read(resource)).split("T")[0] }));
  const isNew = ({ value }, index) => value && value !== values[index - 1]?.value;
  const words = values.filter(isNew).map(({ lead, value }) => lead + value);
  return { name: name.read(resource) || "(no text)", rest: words.join(", ") };
}
