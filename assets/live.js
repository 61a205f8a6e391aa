// A page learns of new scans by itself: now and then it asks for itself, and shows what differs.
// The server answers 304 while nothing has changed, and as always who may not see it; without this script one reloads.

const EVERY = 10_000; // ms between two questions
const LONGEST = 120_000; // ms between two questions while they fail

const main = () => document.querySelector("main[data-live]");
let shown = main()?.innerHTML; // as the server sent it, before other scripts touch it
let version = null;
let waiting = null;
let wait = EVERY;
let asking = false;
let over = false;

function later(ms) {
  clearTimeout(waiting);
  waiting = document.hidden ? null : setTimeout(ask, ms);
}

async function ask() {
  if (over || asking || document.hidden || !main()) return;
  asking = true;
  try {
    const answer = await fetch(location.pathname + location.search, { cache: "no-cache", redirect: "manual" });
    over = answer.type === "opaqueredirect" || [401, 403, 404].includes(answer.status); // not for us any more
    if (over) return;
    if (!answer.ok) throw new Error();
    wait = EVERY;
    const tag = answer.headers.get("ETag");
    if (tag === null || tag !== version) await take(await answer.text());
    version = tag;
  } catch {
    wait = Math.min(wait * 2, LONGEST);
  } finally {
    asking = false;
  }
  if (!over && main()) later(wait);
}

async function take(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.querySelector("main");
  if (!fresh || fresh.innerHTML === shown) {
    document.getElementById("news")?.remove();
    return;
  }
  if (isBusy()) offer(page, fresh);
  else swap(page, fresh);
}

// Somebody who types, marks or selects is not to lose it.
function isBusy() {
  const focused = document.activeElement;
  if (focused?.closest("main") && focused.matches("input:not([type=checkbox]), textarea, select")) return true;
  const chosen = getSelection();
  if (chosen && !chosen.isCollapsed && main().contains(chosen.anchorNode)) return true;
  return main().querySelector("input[name=key]:checked, [data-within]:not(:placeholder-shown)") !== null;
}

function offer(page, fresh) {
  document.getElementById("news")?.remove();
  const bar = document.createElement("div");
  bar.id = "news";
  bar.className = "news";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "primary";
  button.textContent = "New scans – show";
  button.addEventListener("click", () => { swap(page, fresh); document.getElementById("main").focus({ preventScroll: true }); });
  bar.append(button);
  document.body.append(bar);
  say("There are new scans.");
}

function swap(page, fresh) {
  document.getElementById("news")?.remove();
  const old = main();
  const [left, top] = [scrollX, scrollY];
  const open = new Map([...old.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const wide = [...old.querySelectorAll(".wide")].map((one) => one.scrollLeft);
  const again = placeOf(old.contains(document.activeElement) ? document.activeElement : null);
  const known = new Set([...old.querySelectorAll("tbody a[href]")].map((one) => one.getAttribute("href")));
  shown = fresh.innerHTML;
  const now = document.adoptNode(fresh);
  now.tabIndex = -1;
  refresh(now);
  old.replaceWith(now);
  document.title = page.title;
  for (const one of now.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = open.get(one.id);
  for (const [number, one] of now.querySelectorAll(".wide").entries()) one.scrollLeft = wide[number] ?? 0;
  for (const row of now.querySelectorAll("tbody tr")) {
    const link = row.querySelector("a[href]");
    if (link && !known.has(link.getAttribute("href"))) row.classList.add("fresh");
  }
  now.dispatchEvent(new CustomEvent("catalogue:swapped", { bubbles: true }));
  if (again) now.querySelector(again)?.focus({ preventScroll: true });
  scrollTo({ left, top, behavior: "instant" });
  say("The page shows new scans.");
}

// A page keeps a picture once it has it, whatever the server says since: another address makes it ask.
let drawn = 0;
function refresh(part) {
  drawn += 1;
  for (const image of part.querySelectorAll(".pictures img")) image.src = `${image.getAttribute("src")}?again=${drawn}`;
}

function placeOf(element) {
  if (!element) return null;
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.matches("summary") && element.parentElement.id) return `#${CSS.escape(element.parentElement.id)} > summary`;
  if (element.name === "key") return `[name=key][value="${CSS.escape(element.value)}"]`;
  const address = element.getAttribute("href");
  return address ? `a[href="${CSS.escape(address)}"]` : null;
}

function say(text) {
  document.getElementById("say").textContent = text;
}

if (main()) {
  document.addEventListener("visibilitychange", () => later(0));
  window.addEventListener("pageshow", (event) => { if (event.persisted) later(0); });
  later(1000);
}
