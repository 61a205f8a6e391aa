// Suggestions: below the search box while one types, and values of a filter that are not listed.
// What is suggested is asked of the server, which knows what one may see; without this script nothing is missing.

const PAUSE = 120; // ms between the last key and the question
const SHOWN = 8;
const FOUND = 30; // values of a filter
const LONGEST = 200; // characters the server suggests for

const box = document.getElementById("q");
const form = () => document.getElementById("filters");

async function suggestions(parameters, signal) {
  const answer = await fetch(`/api/suggest?${parameters}`, { signal, headers: { Accept: "application/json" } });
  return answer.ok ? (await answer.json()).suggestions : [];
}

// What is asked beside the word that is being typed; what cannot be joined to it is left out.
function asked(rest) {
  const parameters = new URLSearchParams();
  const words = [];
  for (const [name, value] of new FormData(form())) {
    if (value === "" || ["q", "sort", "per_page"].includes(name)) continue;
    if (name === "name") words.push(...value.split(/\s+/).filter((word) => /^[^"()]+$/.test(word)).map((word) => `name:${word}`));
    else if (name === "date_from") words.push(`date:>=${value}`);
    else if (name === "date_to") words.push(`date:<=${value}`);
    else if (name !== "flag") parameters.append(name, value);
  }
  const flags = [...document.querySelectorAll("input[name=flag]")];
  if (!flags.every((one) => one.checked)) flags.filter((one) => one.checked).forEach((one) => parameters.append("flag", one.value));
  const simple = !/[()]|\b(?:OR|NOT|AND)\b/.test(rest) && (rest.match(/"/g) ?? []).length % 2 === 0;
  const q = [simple ? rest.trim() : "", ...words].filter(Boolean).join(" ");
  if (q) parameters.set("q", q);
  return parameters;
}

// -- the box: a combobox as the ARIA Authoring Practices describe it, focus stays in the input --------------------

const FACETS = new Set((box.dataset.facets ?? "").split(" "));
const WORD = /(?:[^\s"()]*"[^"]*|[^\s"()]+)$/; // up to the caret: a word, or a phrase that is still open

const list = document.createElement("ul");
list.id = "suggested";
list.className = "suggested";
list.hidden = true;
list.setAttribute("role", "listbox");
list.setAttribute("aria-label", "Suggestions");

let offered = [];
let active = -1;
let word = null;
let asking = null;
let pause = 0;

// The word at the caret: where it stands, the facet before its colon, and what is typed of it.
function wordAtCaret() {
  const caret = box.selectionStart;
  if (caret !== box.selectionEnd || /^[^\s"()]/.test(box.value.slice(caret))) return null;
  const found = WORD.exec(box.value.slice(0, caret));
  if (!found) return null;
  const typed = found[0].replace(/^-/, "");
  const start = caret - typed.length;
  const [, field, value] = /^(?:([a-z_]+):)?(.*)$/s.exec(typed);
  const text = value.replace(/^"/, "");
  if (text.length > LONGEST || /[*<>]/.test(text) || (field && !FACETS.has(field)) || (!field && !text.trim())) return null;
  return { start, caret, field, text, rest: `${box.value.slice(0, start).replace(/-$/, "")} ${box.value.slice(caret)}` };
}

function close() {
  clearTimeout(pause);
  asking?.abort();
  offered = [];
  mark(-1);
  list.hidden = true;
  box.setAttribute("aria-expanded", "false");
}

function mark(place) {
  active = place;
  [...list.children].forEach((one, number) => one.setAttribute("aria-selected", String(number === place)));
  if (place < 0) box.removeAttribute("aria-activedescendant");
  else {
    box.setAttribute("aria-activedescendant", list.children[place].id);
    list.children[place].scrollIntoView({ block: "nearest" });
  }
}

function span(className, text) {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  return made;
}

function offer(found) {
  offered = found;
  list.replaceChildren(...found.map((one, number) => {
    const item = document.createElement("li");
    item.id = `suggested-${number}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const kind = one.facet === "field" ? "look in" : one.facet.replace("_", " ");
    item.append(span("kind", kind), " ", span("value", one.facet === "field" ? one.query : one.value));
    if (one.count) item.append(" ", span("count", one.count.toLocaleString("en").replaceAll(",", "\u202f")));
    return item;
  }));
  active = -1;
  box.removeAttribute("aria-activedescendant");
  list.hidden = found.length === 0;
  box.setAttribute("aria-expanded", String(found.length > 0));
}

async function ask() {
  asking?.abort();
  const mine = (asking = new AbortController());
  word = wordAtCaret();
  if (!word) return close();
  const parameters = asked(word.rest);
  parameters.set("text", word.text);
  parameters.set("most", SHOWN);
  if (word.field) parameters.set("facet", word.field);
  try {
    const found = await suggestions(parameters, mine.signal);
    if (mine !== asking || mine.signal.aborted || document.activeElement !== box) return;
    if (active >= 0) return; // somebody is choosing: what they look at stays
    offer(found.filter((one) => one.query !== box.value.slice(word.start, word.caret)));
  } catch {
    if (mine === asking && !mine.signal.aborted) close(); // no answer, no suggestions
  }
}

function later() {
  clearTimeout(pause);
  mark(-1);
  pause = setTimeout(ask, PAUSE);
}

function take(place) {
  const { query } = offered[place];
  const before = box.value.slice(0, word.start) + query;
  const after = box.value.slice(word.caret).replace(/^"/, "").trimStart();
  const more = query.endsWith(":");
  box.value = before + (more || after ? "" : " ") + (after ? ` ${after}` : "");
  const caret = before.length + (more ? 0 : 1);
  box.setSelectionRange(caret, caret);
  close();
  if (more) ask(); // a field alone is no question yet: its values are offered next
  else box.dispatchEvent(new Event("input", { bubbles: true })); // live results
}

function keys(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const last = offered.length - 1;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (list.hidden) ask();
    else if (event.key === "ArrowDown") mark(active === last ? -1 : active + 1);
    else mark(active === -1 ? last : active - 1);
  } else if (event.key === "Enter" && active >= 0) {
    event.preventDefault();
    take(active);
  } else if (event.key === "Enter" || event.key === "Tab") close();
  else if (event.key === "Escape" && !list.hidden) {
    event.preventDefault();
    event.stopImmediatePropagation();
    close();
  } else if (event.key === "Escape" && box.value) {
    box.value = "";
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

box.type = "text"; // a search input may not be a combobox (ARIA in HTML)
for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"], ["aria-controls", list.id]]) box.setAttribute(name, value);
box.after(list);
box.addEventListener("keydown", keys);
box.addEventListener("blur", close);
box.addEventListener("input", later);
if (document.activeElement === box && box.value !== box.defaultValue) later(); // typed before this was loaded
list.addEventListener("pointerdown", (event) => event.preventDefault()); // the focus stays in the box
list.addEventListener("click", (event) => {
  const item = event.target.closest("[role=option]");
  if (item) take([...list.children].indexOf(item));
});

// -- values of a filter that are not listed ------------------------------------------------------------------------

const finding = new Map(); // by facet: the question that is under way

function choice(facet, one) {
  const label = document.createElement("label");
  const input = document.createElement("input");
  Object.assign(input, { type: "checkbox", name: facet, value: one.value });
  const value = document.createElement("span");
  value.textContent = one.value;
  label.append(input, value, span("count", one.count.toLocaleString("en").replaceAll(",", "\u202f")));
  return label;
}

async function find(input) {
  const section = input.closest("[data-facet]");
  const facet = section.dataset.facet;
  finding.get(facet)?.abort();
  const mine = new AbortController();
  finding.set(facet, mine);
  const group = input.parentElement;
  group.querySelector(".found")?.remove();
  const text = input.value.trim();
  if (!text || text.length > LONGEST) return;
  const parameters = asked(box.value);
  parameters.delete(facet);
  for (const [name, value] of [["facet", facet], ["text", text], ["most", FOUND]]) parameters.set(name, value);
  try {
    await new Promise((done) => { setTimeout(done, PAUSE); });
    if (mine.signal.aborted) return;
    const found = await suggestions(parameters, mine.signal);
    if (mine.signal.aborted || !group.isConnected) return;
    const listed = new Set([...group.querySelectorAll("input[type=checkbox]")].map((one) => one.value));
    const place = document.createElement("div");
    place.className = "found";
    place.append(...found.filter((one) => !listed.has(one.value)).map((one) => choice(facet, one)));
    if (place.childElementCount) input.after(place);
  } catch (error) {
    if (error.name !== "AbortError") group.querySelector(".found")?.remove(); // the listed ones remain
  }
}

document.addEventListener("input", (event) => { if (event.target.matches("[data-suggest]")) find(event.target); });
