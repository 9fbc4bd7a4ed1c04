// The form of a dataset: answers of the server update it, and keep what the person changed since the request.
(() => {
  "use strict";

  const form = () => document.getElementById("details");
  const opened = new Set();
  let menu = null;
  let refused = false;
  let continued = false;
  let pressedIn = "";
  let heard = [];
  let pane = null;
  let pressed = null;
  const requested = new WeakMap();
  let changes = 0;

  // What is checked while it is typed is answered in a part of the form, and not kept by that.
  const part_ = "#calc-formula, #calc-check";
  const isOurs = (element) => element instanceof Element && element.closest("#details") !== null;

  // A disabled box keeps the keyboard focus, and its state.
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[aria-disabled=true]");
    if (box && isOurs(box)) event.preventDefault();
  });

  // In the capture phase, so before htmx sends its request.
  document.addEventListener("change", (event) => {
    if (!isOurs(event.target)) return;
    changes += 1;
    outdate();
  }, true);

  // After a change a preview is outdated: its rows are marked so, and its error is removed.
  const outdate = () => {
    for (const mark of document.querySelectorAll(".preview-old")) mark.hidden = false;
    const error = document.querySelector("#preview .preview-error");
    if (!error) return;
    const note = document.createElement("p");
    note.className = "text-secondary";
    note.textContent = phrase("The form has changed. Load preview again.");
    error.replaceWith(note);
    announce(note.textContent);
  };

  // -- panes: one is open at a time, and the form says which

  const openPane = () => document.querySelector("details.pane[open]");

  document.addEventListener("toggle", (event) => {
    if (!event.target.matches?.("details.pane")) return;
    form().elements.pane.value = openPane()?.dataset.pane ?? "";
  }, true);

  // A pane that a click opens stays where it was clicked, though the one above it closes.
  document.addEventListener("click", (event) => {
    const line = event.target.closest(".pane-line");
    if (!line || line.parentElement.open) return;
    const before = line.getBoundingClientRect().top;
    window.requestAnimationFrame(() => {
      window.scrollBy({ top: line.getBoundingClientRect().top - Math.max(0, Math.min(before, 160)), behavior: "instant" });
    });
  });

  // A link to a menu opens what it is folded in, and puts the focus into it.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const target = link && document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (!target || !isOurs(target)) return;
    event.preventDefault();
    if (target.id === "panes") {
      const first = openPane() ?? document.querySelector("details.pane");
      first.open = true;
      show(first);
      return;
    }
    for (let part = target; part; part = part.parentElement) if (part.matches("details")) part.open = true;
    target.scrollIntoView({ block: "center" });
    const first = focusable(target) ?? target;
    // Rows that are not there yet have nothing to focus.
    if (first.tabIndex < 0) first.tabIndex = -1;
    enter(first);
  });
  // The focus, and a text that typing replaces.
  const enter = (field) => {
    field.focus({ preventScroll: true });
    field.select?.();
  };
  const focusable = (element) => {
    const fields = "input:not([type=hidden]):not([disabled]), select, textarea, button";
    return element.querySelector(`[aria-invalid=true]:is(${fields})`) ?? element.querySelector("[data-first]") ?? element.querySelector(fields);
  };
  // Enter presses the button that [data-enter] names.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !isOurs(event.target) || !event.target.matches("[data-enter]")) return;
    event.preventDefault();
    const button = document.querySelector(event.target.dataset.enter);
    button.focus({ preventScroll: true });
    button.click();
  });
  // What gets the focus is scrolled above the bar.
  const bar = document.querySelector(".details-bar");
  new ResizeObserver(() => {
    document.documentElement.style.scrollPaddingBottom = `${bar.offsetHeight + 16}px`;
  }).observe(bar);
  const show = (part) => {
    enter(focusable(part.querySelector(".pane-body")) ?? part.querySelector("summary"));
    part.scrollIntoView({ block: "start" });
  };

  // -- answers

  // The answer to a request from before the last change is dropped: a newer one follows.
  document.addEventListener("htmx:before:request", (event) => {
    // A button does more than the request of the field that was left for it.
    if (event.target.matches("button[name=do]")) changes += 1;
    requested.set(event.detail.ctx, changes);
    if (isOurs(event.target) && !event.target.matches(part_)) typed = false;
  });
  document.addEventListener("htmx:before:swap", (event) => {
    const context = event.detail.ctx;
    const saved = context.sourceElement.matches("[data-save]");
    if (saved) saving = false;
    if (context.target !== form()) return;
    // A button changes the form without a change in a field of it.
    if (context.sourceElement.matches("[name=do]:not([data-continue])")) outdate();
    if (requested.has(context) && requested.get(context) !== changes) {
      event.preventDefault();
      return;
    }
    refused = saved;
    const button = context.sourceElement.matches("button[name=do]") ? context.sourceElement : null;
    // As it is now: a morph may make another button of it.
    const listed = new Set([...form().querySelectorAll(".calc-list li")].map((item) => item.id));
    pressed = button && { value: button.value, listed, opened: form().elements["calc.open"]?.value ?? "", adds: button.dataset.adds ?? "", isEditor: button.matches("[data-editor]"), removes: button.matches("[data-remove]") };
    continued = context.sourceElement.matches("[data-continue]");
    heard = ["", ...outcomes()];
    pressedIn = context.sourceElement.closest("details.pane")?.id ?? "";
    pane = refused || continued ? null : openPane()?.id ?? "";
    menu = document.activeElement?.closest(".menu-pane[tabindex]") ?? null;
    opened.clear();
    for (const part of form().querySelectorAll("details[open][id]:not(.pane)")) opened.add(part.id);
  });

  // Rows that came by themselves, as those of a template do, are below what is in sight.
  const leadToRows = () => {
    const link = document.getElementById("preview-there");
    if (link) link.hidden = !document.querySelector("#preview table");
  };

  // A morph closes what the answer has closed.
  document.addEventListener("htmx:after:settle", (event) => {
    leadToRows();
    if (event.target.closest?.("#preview")) {
      readExamples();
      announce(document.querySelector("#preview [data-outcome]")?.innerText ?? "");
    }
    if (!isOurs(event.target) || event.target.matches(part_)) return;
    remember();
    for (const id of opened) {
      const part = document.getElementById(id);
      if (part) part.open = true;
    }
    // The person may have opened another pane since the request.
    if (pane !== null) for (const part of document.querySelectorAll("details.pane")) part.open = part.id === pane;
    form().elements.pane.value = openPane()?.dataset.pane ?? "";
    for (const line of document.querySelectorAll("[data-line-of]")) line.textContent = document.querySelector(`[data-pane="${line.dataset.lineOf}"] .pane-words`)?.textContent ?? "";
    const atTop = document.querySelector(".template-begun button");
    if (atTop) atTop.textContent = document.querySelector("[data-save]")?.textContent ?? atTop.textContent;
    showExamples();
    if (refused) {
      refused = false;
      focusErrors();
      return;
    }
    if (continued) {
      continued = false;
      const part = openPane();
      const fault = part?.querySelector(".menu-pane[aria-invalid=true], [aria-invalid=true], .said p");
      if (fault) {
        const at = fault.closest(".menu-pane, .pane-part") ?? fault;
        at.scrollIntoView({ block: "center" });
        (focusable(at) ?? at).focus({ preventScroll: true });
      } else if (part) {
        show(part);
        sayClosed();
      }
      return;
    }
    if (pressed) focusAfter(pressed);
    pressed = null;
    // The focus of a button that was removed goes to its menu.
    if (menu && menu.isConnected && document.activeElement === document.body) menu.focus({ preventScroll: true });
  });

  // What a pane says is not announced once it is closed; what was announced before is not repeated.
  const outcomes = () => [...document.querySelectorAll("#pane-scheduling :is(#schedule-meaning [role=status], #late-schedule)")].map((part) => part.textContent.trim());
  const sayClosed = () => {
    if (pressedIn === "pane-scheduling") announce(outcomes().reverse().filter((words) => !heard.includes(words)).join(". "));
  };

  // After a button: into the editor that it opened, to what puts back what it took out, or to itself where it is now.
  const focusAfter = (button) => {
    const editor = document.getElementById("calc-editor");
    const same = [...form().querySelectorAll("button[name=do]")].find((other) => other.value === button.value);
    const items = [...form().querySelectorAll(".calc-list li")];
    let target = null;
    if (button.value.startsWith("calc add ") || (button.value === "calc save" && !editor)) {
      target = items.find((item) => !button.listed.has(item.id)) ?? items.find((item) => item.id === `calc-${button.opened}`);
    } else if (button.adds && editor) {
      announce(phrase("Added %(metric)s.", { metric: button.adds }));
      target = editor.querySelector("#calc-formula");
    } else if (button.isEditor) {
      target = editor ? editor.querySelector("[aria-invalid=true]") ?? editor.querySelector("#calc-title") : form().querySelector("[value='calc new']");
    } else if (button.removes) {
      target = menu?.querySelector("[id^=undo-]");
    } else if (document.activeElement === document.body) {
      target = same?.disabled ? same.parentElement.querySelector("button:not([disabled])") : same;
    }
    target?.focus();
  };

  // -- the first row of the preview, beside the names of the columns

  let examples = new Map();
  const readExamples = () => {
    const names = [...document.querySelectorAll("#preview [data-column]")].map((head) => head.dataset.column);
    const cells = document.querySelectorAll("#preview tbody tr:first-child > *");
    examples = new Map(names.map((name, place) => [name, cells[place]?.firstChild?.textContent ?? ""]));
    showExamples();
  };
  const showExamples = () => {
    for (const head of document.querySelectorAll(".example-head")) head.hidden = examples.size === 0;
    for (const cell of document.querySelectorAll("[data-example]")) {
      cell.hidden = examples.size === 0;
      cell.textContent = examples.get(cell.dataset.example) ?? "";
    }
  };

  // -- unsaved changes

  // Leaving the page with unsaved changes asks first, also after a save that was refused. Searching and paging in lists
  // are no changes; a choice is a tick where its row is shown, else a hidden field.
  const viewOnly = /\.(search|searched|group|most|seen|removed|sums)$|^(pane|unavailable|draft.*|tried.*|calc\.open)$/;
  const filledIn = () => {
    const fields = [...new FormData(form())].filter(([name, value]) => !viewOnly.test(name) && (value !== "" || !name.startsWith("calc.")));
    return [...new Set(fields.map(([name, value]) => `${name.replace(/\.tick$/, "")}=${value}`))].sort().join("\n");
  };
  const before = form().elements.tried ? null : filledIn();
  let saving = false;
  document.addEventListener("submit", (event) => { saving = isOurs(event.target); });
  document.addEventListener("htmx:before:request", (event) => {
    if (!event.target.matches("[data-save]")) return;
    saving = true;
    sessionStorage.removeItem(unsent);
    // Once it is saved there is no draft to come back to.
    window.history.replaceState(null, "", window.location.pathname);
  });
  // A field that sends itself a moment later would take the place of the request that saves.
  document.addEventListener("htmx:config:request", (event) => {
    const source = event.detail.ctx.sourceElement;
    if (saving && isOurs(source) && !source.matches("[data-save]")) event.preventDefault();
  });
  document.addEventListener("htmx:finally:request", (event) => {
    const { sourceElement, response } = event.detail.ctx;
    if (sourceElement.matches("[data-save]") && !response?.raw.ok) saving = false;
  });
  window.addEventListener("pageshow", () => { saving = false; });
  window.addEventListener("beforeunload", (event) => {
    if (!saving && filledIn() !== before) event.preventDefault();
  });

  // What is typed and not sent yet, as a field sends itself when it is left, is kept as a draft too. The tab remembers
  // it until the server has it: whoever has to sign in again finds it afterwards.
  const unsent = "adreel-unsent";
  let typed = false;
  let waiting = 0;
  const fields = () => new URLSearchParams(new FormData(form())).toString();
  const send = async (body) => {
    const headers = { "Content-Type": "application/x-www-form-urlencoded" };
    const answer = await fetch("/datasets/draft", { method: "POST", body, headers, keepalive: body.length < 60_000 });
    return { isKept: answer.status === 204, key: answer.headers.get("Adreel-Draft") };
  };

  // What the page says of its draft, and an address at which the draft is back: Back and Reload lead to it.
  const say = (words, key) => {
    const state = document.getElementById("draft-state");
    if (!state) return;
    if (key !== undefined) state.dataset.draft = key ?? "";
    state.textContent = words;
  };
  const remember = () => {
    const key = document.getElementById("draft-state")?.dataset.draft;
    const path = window.location.pathname;
    if (!/^\/datasets\/(new|[^/]+\/settings)$/.test(path) || saving) return;
    const now = new URLSearchParams(window.location.search).get("draft") ?? "";
    if ((key ?? "") !== now) window.history.replaceState(null, "", key ? `${path}?draft=${encodeURIComponent(key)}` : path);
  };
  const keep = async () => {
    window.clearTimeout(waiting);
    if (!typed || saving || !form().elements.draft) return;
    typed = false;
    const body = fields();
    try {
      const { isKept, key } = await send(body);
      if (isKept && body === fields()) sessionStorage.removeItem(unsent);
      if (isKept) say(key ? phrase("Draft saved") : "", key);
      if (isKept) remember();
    } catch {
      typed = true;
      say(phrase("Draft not saved: no connection"));
    }
  };
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      if (!isOurs(event.target) || !form().elements.draft) return;
      sessionStorage.setItem(unsent, JSON.stringify({ user: form().dataset.user, body: fields() }));
      if (kind === "change") return;
      typed = true;
      say(phrase("Saving draft…"));
      window.clearTimeout(waiting);
      waiting = window.setTimeout(keep, 1000);
    }, true);
  }
  document.addEventListener("visibilitychange", () => { if (document.visibilityState === "hidden") keep(); });
  document.addEventListener("htmx:after:settle", (event) => {
    if (isOurs(event.target) && !event.target.matches(part_) && !typed) sessionStorage.removeItem(unsent);
  });
  document.addEventListener("submit", (event) => { if (isOurs(event.target)) sessionStorage.removeItem(unsent); });
  const left = JSON.parse(sessionStorage.getItem(unsent) ?? "null");
  sessionStorage.removeItem(unsent);
  if (left && left.user === form().dataset.user) {
    send(left.body).then(({ isKept, key }) => {
      if (isKept && key) window.location.replace(`${window.location.pathname}?draft=${encodeURIComponent(key)}`);
    }, () => {});
  }

  // The list of errors gets the focus on load and after a save that was refused.
  const focusErrors = () => (document.getElementById("clash") ?? document.getElementById("summary"))?.focus();
  focusErrors();
  readExamples();
  // A form that is filled in already is gone on with where it can be saved as it is, else where it is open.
  const filled = new URLSearchParams(window.location.search);
  if (filled.has("template") || filled.has("draft")) (document.getElementById("begun-title") ?? openPane()?.querySelector("summary"))?.focus({ preventScroll: true });
})();
