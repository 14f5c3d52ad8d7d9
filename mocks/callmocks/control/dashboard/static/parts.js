// Parts of a page: fetched again after a change, so that only the server writes HTML.

export async function fetchPage(path) {
  const answer = await fetch(new URL(path, location.origin), { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Replace the elements with these ids by what the server shows now.
export async function refresh(ids) {
  const fresh = await fetchPage(location.pathname + location.search);
  for (const id of ids) {
    const old = document.getElementById(id);
    const made = fresh.getElementById(id);
    if (!old) continue;
    if (made) {
      wake(made);
      old.replaceWith(made);
    } else {
      old.remove();
    }
  }
}

// Controls that need a script are dead until there is one.
export function wake(root) {
  for (const control of root.querySelectorAll("button[disabled]")) control.disabled = false;
}

export function say(text) {
  const status = document.getElementById("status");
  status.textContent = "";
  requestAnimationFrame(() => (status.textContent = text));
  clearTimeout(say.timer);
  say.timer = setTimeout(() => (status.textContent = ""), 6000);
}
