// Forms as requests to the admin API: data-method, data-path, and what to do when it worked.
import { refresh, say } from "./parts.js";

export async function send(form, submitter) {
  const { method, path, done, go, confirm: question } = form.dataset;
  if (question && !(await agreed(question))) return;
  const problem = form.querySelector(".problem");
  if (problem) problem.textContent = "";
  let body;
  try {
    body = method === "DELETE" ? undefined : stringify(read(form, submitter));
  } catch (mistake) {
    return refuse(form, mistake.message, mistake.field);
  }
  let answer;
  try {
    answer = await fetch(new URL(path, location.origin), {
      method,
      body,
      headers: { "Content-Type": "application/json" },
    });
  } catch {
    return refuse(form, "callmocks does not answer; is it still running?");
  }
  const told = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) return refuse(form, told.detail ?? `status ${answer.status}`, told.where);
  if (go) {
    location.assign(new URL(go.replace("{name}", encodeURIComponent(told.name ?? "")), location.origin));
    return;
  }
  await update(form, submitter);
  say(done ?? "Done");
}

// Refresh what changed; the focus stays on the same control, or goes where the form says.
async function update(form, submitter) {
  const { refresh: parts, focus, path } = form.dataset;
  const part = form.closest((parts ?? "").split(" ").filter(Boolean).map((id) => `[id="${id}"]`).join(",") || "none");
  await refresh((parts ?? "").split(" ").filter(Boolean));
  if (!part) return;
  const again = document.querySelector(`form[data-path="${CSS.escape(path)}"][data-method="${form.dataset.method}"]`);
  const target = again?.querySelector(submitter?.name ? `[name="${submitter.name}"]` : "button:not([name])");
  const heading = focus && document.getElementById(focus);
  if (target) {
    target.focus();
  } else if (heading) {
    heading.tabIndex = -1;
    heading.focus();
  }
}

function refuse(form, text, where) {
  const problem = form.querySelector(".problem");
  const name = (where ?? "").replace(/^\$\.?/, "");
  const field = name && form.elements.namedItem(name);
  if (problem) problem.textContent = text;
  else say(text);
  if (field instanceof HTMLElement) field.focus();
}

// The controls as a tree of leaves that are JSON already; empty ones are left out.
function read(form, submitter) {
  const tree = {};
  for (const control of form.elements) {
    if (!control.name || control.tagName === "BUTTON" || control.name === submitter?.name) continue;
    if (control.type === "checkbox" && !control.checked) continue;
    put(tree, control);
  }
  if (submitter?.name) put(tree, submitter);
  return tree;
}

function put(tree, control) {
  const text = control.value.trim();
  if (text === "" && !control.required) return;
  const path = control.name.split(".");
  const last = path.pop();
  let place = tree;
  for (const step of path) place = place[step] ??= {};
  place[last] = control.dataset.as === "json" ? checked(text, control.name) : JSON.stringify(control.value);
}

// Numbers stay the digits that were typed: a seed may be larger than a double holds.
function checked(text, name) {
  try {
    JSON.parse(text);
    return text;
  } catch {
    throw Object.assign(new Error(`${name}: not JSON: ${text}`), { field: name });
  }
}

function stringify(tree) {
  if (typeof tree === "string") return tree;
  return `{${Object.entries(tree).map(([name, value]) => `${JSON.stringify(name)}:${stringify(value)}`).join(",")}}`;
}

function agreed(question) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
