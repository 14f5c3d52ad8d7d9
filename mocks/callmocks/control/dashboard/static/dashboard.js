// What every page needs: forms as requests to the admin API, copying, running clocks.
import { enableControls, translate } from "./parts.js";
import { followJournal } from "./journal.js";
import { sendForm } from "./forms.js";

document.addEventListener("submit", (event) => {
  if (event.target.dataset.path === undefined) return;
  event.preventDefault();
  sendForm(event.target, event.submitter);
});

// A form without a button is sent when something in it was changed.
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form?.dataset.onChange !== undefined && form.reportValidity()) sendForm(form);
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const done = await copyText(button.closest("figure").querySelector("code"));
  button.firstChild.textContent = done ? translate("Copied") : translate("Press Ctrl+C");
  setTimeout(() => (button.firstChild.textContent = translate("Copy")), 2000);
});

// Where a page has no clipboard (plain HTTP from another machine), its text is selected for it.
async function copyText(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    const folded = code.closest("details");
    if (folded) folded.open = true;
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

// The page says what the clock showed when it was made; from then on it runs at its speed.
const firstSeenAt = new WeakMap();

function updateClocks() {
  for (const time of document.querySelectorAll("time[data-speed]")) {
    const speed = Number(time.dataset.speed);
    if (!firstSeenAt.has(time)) firstSeenAt.set(time, performance.now());
    if (!speed) continue;
    const wall = Date.parse(`${time.dateTime.slice(0, 23)}Z`);
    const now = new Date(wall + (performance.now() - firstSeenAt.get(time)) * speed);
    time.textContent = now.toISOString().slice(0, 19).replace("T", " ");
  }
}

// A menu is left with Escape, or by going elsewhere.
document.addEventListener("keydown", (event) => {
  const menu = event.target.closest?.("details.switcher[open]");
  if (event.key !== "Escape" || !menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
document.addEventListener("click", (event) => {
  const menu = document.querySelector("details.switcher[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
});

// An address with the id of something folded opens it.
const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
for (let folded = target; folded; folded = folded.parentElement) {
  if (folded.tagName === "DETAILS") folded.open = true;
}
if (target) target.scrollIntoView();

enableControls(document);
updateClocks();
setInterval(updateClocks, 250);
followJournal();
