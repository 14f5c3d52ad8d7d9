// Parts of a page: fetched again after a change, so that only the server writes HTML.

export async function fetchPage(path) {
  const response = await fetch(new URL(path, location.origin), { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

// Replace the elements with these ids by what the server shows now.
export async function refreshParts(ids) {
  const fresh = await fetchPage(location.pathname + location.search);
  for (const id of ids) {
    const old = document.getElementById(id);
    const made = fresh.getElementById(id);
    if (!old) continue;
    if (made) {
      enableControls(made);
      old.replaceWith(made);
    } else {
      old.remove();
    }
  }
}

// Controls that need a script are disabled in the HTML.
export function enableControls(root) {
  for (const control of root.querySelectorAll("button[disabled], fieldset[disabled]")) control.disabled = false;
}

// A text of the page's language, by the English one.
const texts = JSON.parse(document.body.dataset.texts);

export const translate = (text) => texts[text];

export function announce(text) {
  const status = document.getElementById("status");
  status.textContent = "";
  requestAnimationFrame(() => (status.textContent = text));
  clearTimeout(announce.timer);
  announce.timer = setTimeout(() => (status.textContent = ""), 6000);
}
