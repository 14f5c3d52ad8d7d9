// The journal: the stream says that something came, the server says what, entries open in place.
import { fetchPage } from "./parts.js";

const PAUSE_MS = 300; // between two looks: a client that hammers must not hammer the page too

export function followJournal() {
  document.addEventListener("toggle", open, true);
  const list = document.getElementById("entries");
  if (!list) return;
  const follower = new Follower(list);
  document.querySelector("[data-pause]")?.addEventListener("click", (event) => {
    follower.paused = !follower.paused;
    event.currentTarget.setAttribute("aria-pressed", String(follower.paused));
    event.currentTarget.textContent = follower.paused ? "Go on" : "Pause";
    follower.connect();
  });
  document.addEventListener("visibilitychange", () => follower.connect());
  addEventListener("pagehide", () => follower.close());
  addEventListener("pageshow", () => follower.connect());
}

class Follower {
  paused = false;
  #list;
  #stream = null;
  #last;
  #looking = false;
  #again = false;

  constructor(list) {
    this.#list = list;
    this.#last = Number(list.dataset.last);
    this.connect();
  }

  // Follow while the page is seen and not paused; what came meanwhile comes with the first look.
  connect() {
    const wanted = !this.paused && !document.hidden;
    if (wanted === Boolean(this.#stream)) return;
    if (!wanted) return this.close();
    const address = new URL(this.#list.dataset.stream, location.origin);
    address.searchParams.set("after", this.#last);
    this.#stream = new EventSource(address);
    this.#stream.onopen = () => this.#show("Live", true);
    this.#stream.onerror = () => this.#show("Lost the connection, trying again", false);
    this.#stream.onmessage = () => this.#look();
  }

  close() {
    this.#stream?.close();
    this.#stream = null;
    this.#show(this.paused ? "Paused" : "Not live", false);
  }

  async #look() {
    this.#again = true;
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#again) {
        this.#again = false;
        await this.#fetch();
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    } catch {
      this.#show("Lost the connection, trying again", false);
    } finally {
      this.#looking = false;
    }
  }

  async #fetch() {
    const address = new URL(this.#list.dataset.rows, location.origin);
    address.searchParams.set("after", this.#last);
    const page = await fetchPage(address.pathname + address.search);
    const counted = page.querySelector("#counted");
    const fresh = [...page.querySelectorAll("ol > li")].filter((row) => !document.getElementById(row.id));
    this.#last = Number(counted.querySelector("[data-last]").dataset.last);
    for (const row of fresh) row.classList.add("fresh");
    this.#list.prepend(...fresh);
    while (this.#list.children.length > Number(this.#list.dataset.most)) this.#list.lastElementChild.remove();
    const violations = counted.querySelector("[data-violations]").dataset.violations;
    const badge = document.querySelector(".count.violations");
    if (badge) {
      badge.hidden = violations === "0";
      badge.firstElementChild.textContent = violations;
    }
    document.getElementById("counted").replaceChildren(...counted.childNodes);
  }

  #show(text, live) {
    const state = document.getElementById("live-state");
    if (state && state.textContent !== text) state.textContent = text;
    document.getElementById("live-dot")?.classList.toggle("on", live);
  }
}

// Request and answer are fetched when somebody wants to see them.
async function open(event) {
  const details = event.target;
  const source = details.dataset?.src;
  if (!source || !details.open) return;
  delete details.dataset.src;
  const place = details.querySelector(".opened");
  try {
    const page = await fetchPage(source);
    const article = page.getElementById("entry");
    article.removeAttribute("id");
    place.replaceChildren(article);
  } catch {
    details.dataset.src = source;
    place.textContent = "This entry is not in the journal any more.";
  }
}
