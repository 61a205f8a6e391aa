// An invitation's token stands behind the # of its link, where neither servers nor mail scanners see it. It goes into
// the form's field and out of the address bar. Without this script people paste the link into that field themselves.

function take() {
  const token = decodeURIComponent(location.hash.slice(1));
  const field = document.getElementById("token");
  if (!/^[A-Za-z0-9_-]{20,}$/.test(token) || !field) return;
  field.value = token;
  field.type = "hidden";
  for (const one of document.querySelectorAll("[data-without-link]")) one.hidden = true;
  history.replaceState(null, "", location.pathname);
}

// Two clicks are one: each would count as a device.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("#invited")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => { delete document.getElementById("invited")?.dataset.sent; });
window.addEventListener("hashchange", take);
take();
