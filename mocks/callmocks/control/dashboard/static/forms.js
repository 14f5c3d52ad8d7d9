// Forms as requests to the admin API: data-method, data-path, and what to do when it worked.
import { announce, refreshParts, translate } from "./parts.js";

export async function sendForm(form, submitter) {
  const { method, path, done, go, confirm: question } = form.dataset;
  if (question && !(await confirmed(question))) return;
  clearProblems(form);
  let body;
  try {
    body = method === "DELETE" ? undefined : toJson(readControls(form, submitter));
  } catch (error) {
    return showProblem(form, error.message, error.field);
  }
  let response;
  try {
    response = await fetch(new URL(fillPath(path, form), location.origin), {
      method,
      body,
      headers: { "Content-Type": "application/json" },
    });
  } catch {
    return showProblem(form, translate("callmocks does not answer; is it still running?"));
  }
  const result = response.status === 204 ? {} : await response.json();
  if (!response.ok) return showProblem(form, result.detail ?? String(response.status), result.where);
  if (go) {
    location.assign(new URL(go.replace("{name}", encodeURIComponent(result.name ?? "")), location.origin));
    return;
  }
  await refreshAfter(form, submitter);
  announce(done ?? translate("Done"));
}

// Names in braces are those of controls.
function fillPath(path, form) {
  return path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(form.elements.namedItem(name).value.trim()));
}

// Refresh what changed; the focus stays on the same control, or goes where the form says.
async function refreshAfter(form, submitter) {
  const { refresh: parts, focus, path } = form.dataset;
  const part = form.closest((parts ?? "").split(" ").filter(Boolean).map((id) => `[id="${id}"]`).join(",") || "none");
  const focused = part?.contains(document.activeElement) && document.activeElement.id;
  await refreshParts((parts ?? "").split(" ").filter(Boolean));
  if (!part) return;
  const same = focused && document.getElementById(focused);
  if (same) return same.focus();
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

function showProblem(form, text, where) {
  const control = findControl(form, (where ?? "").replace(/^\$\.?/, ""));
  const field = control instanceof HTMLElement && control.closest(".field");
  const problem = field ? addProblem(control, field) : form.querySelector(":scope > .problem");
  if (problem) problem.textContent = text;
  else announce(text);
  if (control instanceof HTMLElement) control.focus();
}

// Of a field with JSON, the error may be somewhere inside: legs[0].role, params.headers.Date.
function findControl(form, path) {
  while (path) {
    const control = form.elements.namedItem(path);
    if (control) return control;
    path = path.slice(0, Math.max(path.lastIndexOf("."), path.lastIndexOf("["), 0));
  }
  return null;
}

// What is wrong with a field stands below it and is read with it.
function addProblem(control, field) {
  const problem = document.createElement("span");
  problem.className = "problem";
  problem.id = `${control.id}-problem`;
  problem.setAttribute("role", "alert");
  field.append(problem);
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-errormessage", problem.id);
  return problem;
}

function clearProblems(form) {
  for (const problem of form.querySelectorAll(":scope > .problem")) problem.textContent = "";
  for (const problem of form.querySelectorAll(".field > .problem")) problem.remove();
  for (const control of form.querySelectorAll("[aria-invalid]")) {
    control.removeAttribute("aria-invalid");
    control.removeAttribute("aria-errormessage");
  }
}

// The controls as a tree of leaves that are JSON already; empty ones are left out.
function readControls(form, submitter) {
  const tree = {};
  for (const control of form.elements) {
    if (!control.name || control.tagName === "BUTTON" || control.name === submitter?.name) continue;
    if ((control.type === "checkbox" || control.type === "radio") && !control.checked) continue;
    setValue(tree, control);
  }
  if (submitter?.name) setValue(tree, submitter);
  return tree;
}

function setValue(tree, control) {
  const text = control.value.trim();
  if (text === "" && !control.required) return;
  const path = control.name.split(".");
  const last = path.pop();
  let node = tree;
  for (const step of path) node = node[step] ??= {};
  node[last] = control.dataset.as === "json" ? requireJson(text, control.name) : JSON.stringify(control.value);
}

// Numbers stay the digits that were typed: a seed may be larger than a double holds.
function requireJson(text, name) {
  try {
    JSON.parse(text);
    return text;
  } catch {
    throw Object.assign(new Error(`${translate("this is not JSON")}: ${text}`), { field: name });
  }
}

function toJson(tree) {
  if (typeof tree === "string") return tree;
  return `{${Object.entries(tree).map(([name, value]) => `${JSON.stringify(name)}:${toJson(value)}`).join(",")}}`;
}

function confirmed(question) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.querySelector("[value=no]").focus();  // by attribute, a page with a fragment would complain
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
