// What every page gains from a script: who is signed in, the cart's count, marking rows, finding in long lists.
// Every page works without it; nothing here is needed to read.

// What a click did is said aloud and shown for a while; search.js uses the same place for ears alone.
let shown;
function say(text) {
  const place = document.getElementById("say");
  place.textContent = text;
  place.classList.add("seen");
  clearTimeout(shown);
  shown = setTimeout(() => place.classList.remove("seen"), 4000);
}

async function showSession() {
  const account = document.getElementById("account");
  if (!account) return;
  let session;
  try {
    const answer = await fetch("/api/session", { headers: { Accept: "application/json" } });
    if (answer.status !== 401 && !answer.ok) return;
    session = answer.ok ? await answer.json() : {};
  } catch {
    return;
  }
  if (session.name == null) {
    const link = document.createElement("a");
    link.href = `/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`;
    link.textContent = "Sign in";
    account.replaceChildren(link);
    document.getElementById("cart-count").textContent = "";
    return;
  }
  document.getElementById("account-name").textContent = session.display || session.name;
  document.getElementById("cart-count").textContent = session.cart || "";
  signedIn = true;
  showAccess();
}

// A page is the same for everybody who may read it; the way to its invitations is shown to who administers it.
let signedIn = false;
async function showAccess(root = document) {
  const link = root.querySelector("[data-access]");
  if (!link || !signedIn) return;
  try {
    const answer = await fetch(`/api/access/${link.dataset.access}`, { headers: { Accept: "application/json" } });
    if (answer.ok) link.hidden = !(await answer.json()).roles.includes("administer");
  } catch {
    // Offline: the link stays away.
  }
}

// -- keys ------------------------------------------------------------------------------------------------------

const typing = (element) => element.closest("input:not([type=checkbox]), textarea, select, [contenteditable]") !== null;

function keys(event) {
  const box = document.getElementById("q");
  if (!box || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "/" && !typing(event.target)) {
    event.preventDefault();
    box.focus();
    box.select();
  } else if (event.key === "Escape" && event.target === box && !box.value) {
    box.blur();
  }
}

// -- marking rows and the cart ---------------------------------------------------------------------------------

const marks = (form) => [...form.querySelectorAll("input[name=key][type=checkbox]")];

function showMarked(form) {
  const bar = form.querySelector(".selection");
  if (!bar) return;
  const all = marks(form);
  const marked = all.filter((one) => one.checked).length;
  const count = bar.querySelector("[data-selected]");
  count.textContent = `${marked} marked`;
  count.hidden = marked === 0;
  bar.querySelector("[data-unselected]").hidden = true;
  bar.hidden = marked === 0;
  const whole = form.querySelector("[data-all]");
  whole.closest("label").hidden = all.length < 2;
  whole.checked = marked === all.length;
  whole.indeterminate = marked > 0 && marked < all.length;
}

function readyForms(root = document) {
  root.querySelectorAll("form[data-cart]").forEach(showMarked);
  root.querySelectorAll("[data-within], [data-find], [data-copy]").forEach((one) => { one.hidden = false; });
}

function changed(event) {
  const form = event.target.closest("form[data-cart]");
  if (!form) return;
  if (event.target.matches("[data-all]")) marks(form).forEach((one) => { one.checked = event.target.checked; });
  showMarked(form);
}

async function addToCart(event) {
  const form = event.target;
  if (!form.matches("form[data-cart]")) return;
  event.preventDefault();
  const body = new URLSearchParams(new FormData(form));
  const button = event.submitter ?? form.querySelector("button");
  button.disabled = true;
  try {
    // Kept alive: who clicks and leaves the page at once has added it all the same.
    const answer = await fetch(form.action, { method: "POST", body, keepalive: true });
    if (!answer.ok || new URL(answer.url).pathname === "/sign-in") throw new Error();
    const added = body.getAll("key").length;
    say(added === 1 ? "Added to your cart." : `Added ${added} to your cart.`);
    marks(form).forEach((one) => { one.checked = false; });
    await showSession();
  } catch {
    form.submit(); // the plain way: the server's own answer says what is wrong
  } finally {
    button.disabled = false;
    showMarked(form);
  }
}

// -- finding in a long list, copying ---------------------------------------------------------------------------

function findWithin(event) {
  const box = event.target;
  if (!box.matches("[data-within], [data-find]")) return;
  const wanted = box.value.trim().toLowerCase();
  const list = box.dataset.within ? document.getElementById(box.dataset.within) : box.parentElement;
  const rows = box.dataset.within ? [...list.children] : [...list.querySelectorAll("label")];
  if (!box.dataset.within) list.querySelectorAll("details").forEach((one) => { if (wanted) one.open = true; });
  for (const row of rows) {
    const text = (row.querySelector("span") && row.matches("label") ? row.querySelector("span") : row).textContent;
    row.hidden = wanted !== "" && !text.toLowerCase().includes(wanted);
  }
}

async function copy(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(`Copied ${button.dataset.copy}`);
  } catch {
    say(button.dataset.copy);
  }
}

// An address may point at something folded away.
function unfold() {
  const aim = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (aim && aim.matches("details")) aim.open = true;
}

window.addEventListener("hashchange", unfold);
document.addEventListener("keydown", keys);
document.addEventListener("change", changed);
document.addEventListener("input", findWithin);
document.addEventListener("submit", addToCart);
document.addEventListener("click", copy);
document.addEventListener("catalogue:swapped", (event) => { readyForms(event.target); showAccess(event.target); });
window.addEventListener("pageshow", (event) => {
  document.querySelectorAll("form[data-cart]").forEach(showMarked);
  if (event.persisted) showSession();
});
readyForms();
unfold();
showSession();
