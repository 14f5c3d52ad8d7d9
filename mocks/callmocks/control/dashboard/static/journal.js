// The journal: the stream signals a new entry, the server renders it, entries open in place.
import { fetchPage, translate } from "./parts.js";

const PAUSE_MS = 300; // between two loads, however many requests a client sends

export function followJournal() {
  document.addEventListener("toggle", loadEntry, true);
  const list = document.getElementById("entries");
  if (!list) return;
  const follower = new JournalFollower(list);
  document.querySelector("[data-pause]")?.addEventListener("click", (event) => {
    follower.paused = !follower.paused;
    event.currentTarget.setAttribute("aria-pressed", String(follower.paused));
    event.currentTarget.textContent = follower.paused ? translate("Resume") : translate("Pause");
    follower.connect();
  });
  document.addEventListener("visibilitychange", () => follower.connect());
  addEventListener("pagehide", () => follower.close());
  addEventListener("pageshow", () => follower.connect());
}

class JournalFollower {
  paused = false;
  #list;
  #stream = null;
  #last;
  #loading = false;
  #pending = false;

  constructor(list) {
    this.#list = list;
    this.#last = Number(list.dataset.last);
    this.connect();
  }

  // Follow while the page is seen and not paused; entries written meanwhile come with the first load.
  connect() {
    const wanted = !this.paused && !document.hidden;
    if (wanted === Boolean(this.#stream)) return;
    if (!wanted) return this.close();
    const address = new URL(this.#list.dataset.stream, location.origin);
    address.searchParams.set("after", this.#last);
    this.#stream = new EventSource(address);
    this.#stream.onopen = () => this.#showState(translate("Live"), true);
    this.#stream.onerror = () => this.#showState(translate("Lost the connection, trying again"), false);
    this.#stream.onmessage = () => this.#loadSoon();
    if (this.#sending().length) this.#loadSoon();
  }

  close() {
    this.#stream?.close();
    this.#stream = null;
    this.#showState(this.paused ? translate("Paused") : translate("Not live"), false);
  }

  async #loadSoon() {
    this.#pending = true;
    if (this.#loading) return;
    this.#loading = true;
    try {
      while (this.#pending || (this.#stream && this.#sending().length)) {
        this.#pending = false;
        await this.#load();
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    } catch {
      this.#showState(translate("Lost the connection, trying again"), false);
    } finally {
      this.#loading = false;
    }
  }

  // Rows of answers that were still being sent: they are loaded again until these have ended.
  #sending() {
    return [...this.#list.querySelectorAll("[data-pending]")];
  }

  async #load() {
    const address = new URL(this.#list.dataset.rows, location.origin);
    const first = Math.min(...this.#sending().map((row) => Number(row.dataset.pending)));
    address.searchParams.set("after", Math.min(this.#last, first - 1));
    const page = await fetchPage(address.pathname + address.search);
    const counted = page.querySelector("#counted");
    const loaded = [...page.querySelectorAll("ol > li")];
    const rows = loaded.filter((row) => !document.getElementById(row.id));
    for (const row of this.#sending()) {
      const ended = loaded.find((other) => other.id === row.id);
      if (ended?.hasAttribute("data-pending")) continue;
      row.removeAttribute("data-pending");
      if (ended) row.querySelector("summary").replaceWith(ended.querySelector("summary"));
    }
    this.#last = Number(counted.querySelector("[data-last]").dataset.last);
    for (const row of rows) row.classList.add("fresh");
    this.#list.prepend(...rows);
    while (this.#list.children.length > Number(this.#list.dataset.most)) this.#list.lastElementChild.remove();
    const violations = counted.querySelector("[data-violations]").dataset.violations;
    const badge = document.querySelector(".count.journal");
    if (badge) {
      badge.hidden = violations === "0";
      badge.firstElementChild.textContent = violations;
    }
    document.getElementById("counted").replaceChildren(...counted.childNodes);
  }

  #showState(text, live) {
    const state = document.getElementById("live-state");
    if (state && state.textContent !== text) state.textContent = text;
    document.getElementById("live-dot")?.classList.toggle("on", live);
  }
}

// Request and response are fetched when an entry is opened.
async function loadEntry(event) {
  const details = event.target;
  const source = details.dataset?.src;
  if (!source || !details.open) return;
  delete details.dataset.src;
  const target = details.querySelector(".opened");
  try {
    const page = await fetchPage(source);
    const article = page.getElementById("entry");
    article.removeAttribute("id");
    target.replaceChildren(article);
  } catch {
    details.dataset.src = source;
    target.textContent = translate("This entry is not in the journal any more.");
  }
}
