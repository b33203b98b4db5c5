/** Small helpers for building the page; text is always set as text. */

const ARROW = 20; // pixels of a select that its arrow takes

/** Return the element with this id. */
export const byId = (id) => document.getElementById(id);

/** Return a new element; `props` are attributes, but `text`, and functions, which listen to the event of their name. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "text") node.textContent = value;
    else if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** Fill a select with options; an option is {value, text}, a group {label, options}. */
export function fillSelect(select, options, value) {
  const made = options.map((one) =>
    one.options ? el("optgroup", { label: one.label }, ...one.options.map(option)) : option(one),
  );
  select.replaceChildren(...made);
  select.value = value;
}

/** Show the text of the selected option below a select that is too narrow for it. */
export function showWhole(select) {
  const whole = el("p", { class: "faint note-line whole", "aria-hidden": "true" });
  const pen = document.createElement("canvas").getContext("2d");
  const show = () => {
    const { font, paddingLeft, paddingRight } = getComputedStyle(select);
    pen.font = font;
    const text = select.selectedOptions[0]?.text ?? "";
    const room = select.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight) - ARROW;
    whole.textContent = pen.measureText(text).width > room ? text : "";
  };
  select.after(whole);
  select.addEventListener("change", show);
  new ResizeObserver(show).observe(select);
  return show;
}

function option({ value, text }) {
  return el("option", { value, text });
}

/** Return words for a name with underscores. */
export const plain = (name) => String(name).replaceAll("_", " ");

/** Return a link that opens beside this page, where its address is one of the web, and else its text. */
export function link(url, label) {
  if (!/^https?:\/\//i.test(url ?? "")) return el("span", { text: label });
  const note = el("span", { class: "visually-hidden", text: " (opens in a new tab)" });
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label, note);
}
