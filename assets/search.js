// Results while one types and ticks: the server's own page is fetched and its parts are put in place.
// The address always says what is shown; without this script the same form is sent by its button.

const form = () => document.getElementById("filters");
const box = document.getElementById("q");
const say = (text) => { document.getElementById("say").textContent = text; };

const PAUSE = 70; // ms between the last key and the question
const PATIENCE = 200; // ms before a wait is shown

let asking = null;
let pause = 0;
let typed = false; // the newest history entry is one that is still being typed
let settled = null; // what the answer makes of the box: the server moves name: and date: into their own inputs

const asks = () => [...document.querySelectorAll("[data-ask]")];
const here = () => location.pathname + location.search;

function addressOfForm() {
  const flags = document.querySelectorAll("input[name=flag]");
  const everyFlag = [...flags].every((one) => one.checked);
  const parameters = new URLSearchParams();
  for (const [name, value] of new FormData(form())) {
    if (value === "" || (name === "flag" && everyFlag)) continue;
    parameters.append(name, value);
  }
  const text = parameters.toString();
  return text ? `/search?${text}` : "/search";
}

// Keeps what a person has open, typed or focused while the parts around it are replaced.
function swap(page, live) {
  const sent = asks().map((one) => one.value);
  const focused = document.activeElement;
  const again = focused && focused !== box && focused.closest("main") ? placeOf(focused) : null;
  const open = new Set([...document.querySelectorAll("[data-fold][open]")].map((one) => one.dataset.fold));
  const found = new Map([...document.querySelectorAll("[data-find]")].map((one) => [facetOf(one), one.value]));
  for (const id of ["filters", "results"]) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    old.replaceChildren(...fresh.childNodes);
    for (const details of old.querySelectorAll("[data-fold]")) details.open ||= open.has(details.dataset.fold);
    old.dispatchEvent(new CustomEvent("catalogue:swapped", { bubbles: true }));
  }
  for (const one of document.querySelectorAll("[data-find]")) {
    one.value = found.get(facetOf(one)) ?? "";
    if (one.value) one.dispatchEvent(new Event("input", { bubbles: true }));
  }
  settled = page.getElementById("q").value;
  if (live && document.activeElement === box) asks().forEach((one, number) => { one.value = sent[number]; });
  else settle();
  if (again) document.querySelector(again)?.focus({ preventScroll: true });
  document.title = page.title;
  box.removeAttribute("aria-invalid");
  box.removeAttribute("aria-describedby");
  say(document.getElementById("tally")?.textContent ?? "");
}

// While one types in the box it stays as it is, and the inputs beside it too; afterwards all say the same.
function settle() {
  if (settled === null) return;
  box.value = settled;
  for (const one of asks()) one.value = one.defaultValue;
  settled = null;
}

// Half a query is often a wrong one: what is wrong is said above the rows, which stay.
function point(mistake) {
  document.getElementById("mistake")?.remove();
  document.querySelector("#results .toolrow").after(mistake);
  box.setAttribute("aria-invalid", "true");
  box.setAttribute("aria-describedby", "mistake");
}

const facetOf = (element) => element.closest("[data-facet]").dataset.facet;

function placeOf(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.name) return `[name="${CSS.escape(element.name)}"][value="${CSS.escape(element.value)}"]`;
  const heading = element.closest("th");
  return heading ? `th:nth-child(${heading.cellIndex + 1}) a` : null;
}

// The history is written when the answer is there: its address is the one the server makes of the form's.
async function show(address, live, written) {
  asking?.abort();
  const mine = (asking = new AbortController());
  const results = document.getElementById("results");
  const slow = setTimeout(() => results.setAttribute("aria-busy", "true"), PATIENCE);
  try {
    const answer = await fetch(address, { signal: mine.signal, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asking) return;
    if (!page.getElementById("results")) {
      if (answer.redirected) location.assign(address);
      else throw new Error(answer.statusText);
      return;
    }
    const { pathname, search } = new URL(answer.url);
    written?.(pathname + search);
    const mistake = page.getElementById("mistake");
    if (mistake && !live) box.value = page.getElementById("q").value;
    if (mistake) point(mistake);
    else swap(page, live);
  } catch (error) {
    if (error.name !== "AbortError") say("The search does not answer now. What is shown is the answer before.");
  } finally {
    clearTimeout(slow);
    if (mine === asking) results.removeAttribute("aria-busy");
  }
}

function commit(address) {
  clearTimeout(pause);
  return show(address, false, (final) => {
    typed = false;
    if (final !== here()) history.pushState(null, "", final);
  });
}

function type() {
  clearTimeout(pause);
  settled = null;
  pause = setTimeout(() => show(addressOfForm(), true, (final) => {
    if (final === here()) return;
    if (typed) history.replaceState(null, "", final);
    else history.pushState(null, "", final);
    typed = true;
  }), PAUSE);
}

document.addEventListener("input", (event) => { if (event.target === box) type(); });
document.addEventListener("change", (event) => {
  if (event.target === box) {
    typed = false;
    settle();
  } else if (event.target.type === "date" && event.target.value && event.target.value < "1000") {
    return; // a year that is still being typed
  } else if (event.target.form === form() && event.target.name) commit(addressOfForm());
});
document.addEventListener("submit", (event) => {
  if (event.target !== form()) return;
  event.preventDefault();
  if (typed && addressOfForm() === here()) {
    typed = false;
    settle();
  } else commit(addressOfForm());
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("main a[href^='/search']:not([data-file])");
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!link || !plain) return;
  event.preventDefault();
  commit(link.getAttribute("href")).then(() => { if (link.closest(".pager")) window.scrollTo(0, 0); });
});
window.addEventListener("popstate", () => {
  typed = false;
  show(here(), false);
});
document.documentElement.classList.add("live");
if (document.activeElement === box && box.value !== box.defaultValue) type(); // typed before this was loaded
