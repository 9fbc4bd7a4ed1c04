// The Details pane: answers of the server update the form, and keep what the person changed since the request.
(() => {
  "use strict";

  const form = () => document.getElementById("details");
  const opened = new Set();
  let menu = null;
  let refused = false;
  const requested = new WeakMap();
  let changes = 0;

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
    note.textContent = "The form has changed. Load preview again.";
    error.replaceWith(note);
  };

  // The answer to a request from before the last change is dropped: a newer one follows.
  document.addEventListener("htmx:before:request", (event) => {
    requested.set(event.detail.ctx, changes);
  });
  document.addEventListener("htmx:before:swap", (event) => {
    const context = event.detail.ctx;
    const saved = context.sourceElement.matches("[data-save]");
    if (saved) saving = false;
    if (context.target !== form()) return;
    // A button changes the form without a change in a field of it.
    if (context.sourceElement.matches("[name=do]")) outdate();
    if (requested.has(context) && requested.get(context) !== changes) {
      event.preventDefault();
      return;
    }
    refused = saved;
    menu = document.activeElement?.closest(".menu-pane[tabindex]") ?? null;
    opened.clear();
    for (const part of form().querySelectorAll("details[open][id]")) opened.add(part.id);
  });

  // A morph closes what the answer has closed.
  document.addEventListener("htmx:after:settle", (event) => {
    if (!isOurs(event.target)) return;
    for (const id of opened) {
      const part = document.getElementById(id);
      if (part) part.open = true;
    }
    if (refused) {
      refused = false;
      focusErrors();
      return;
    }
    // The focus of a button that was removed goes to its menu.
    if (menu && menu.isConnected && document.activeElement === document.body) menu.focus({ preventScroll: true });
  });

  // Leaving the page with unsaved changes asks first, also after a save that was refused. Searching and paging in lists
  // are no changes; a choice is a tick where its row is shown, else a hidden field.
  const viewOnly = /\.(search|searched|group|most|seen)$/;
  const filledIn = () => {
    const fields = [...new FormData(form())].filter(([name]) => !viewOnly.test(name));
    return [...new Set(fields.map(([name, value]) => `${name.replace(/\.tick$/, "")}=${value}`))].sort().join("\n");
  };
  const before = form().elements.tried ? null : filledIn();
  let saving = false;
  document.addEventListener("submit", (event) => { saving = isOurs(event.target); });
  document.addEventListener("htmx:before:request", (event) => { saving = event.target.matches("[data-save]"); });
  window.addEventListener("pageshow", () => { saving = false; });
  window.addEventListener("beforeunload", (event) => {
    if (!saving && filledIn() !== before) event.preventDefault();
  });

  // The list of errors gets the focus on load and after a save that was refused.
  const focusErrors = () => (document.getElementById("clash") ?? document.getElementById("summary"))?.focus();
  focusErrors();
})();
