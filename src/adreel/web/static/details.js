// The Details pane: the server's answer is the truth, and what a person does meanwhile is not lost to it.
(() => {
  "use strict";

  const form = () => document.getElementById("details");
  const opened = new Set();
  let place = null;
  let refused = false;
  const asked = new WeakMap();
  let changes = 0;

  const isOurs = (element) => element instanceof Element && element.closest("#details") !== null;

  // A box that cannot be ticked now keeps its place for the keyboard, and stays as it is.
  document.addEventListener("click", (event) => {
    const box = event.target.closest("[aria-disabled=true]");
    if (box && isOurs(box)) event.preventDefault();
  });

  // Counted on the way down, before htmx asks.
  document.addEventListener("change", (event) => {
    if (!isOurs(event.target)) return;
    changes += 1;
    outdate();
  }, true);

  // A preview is of the form as it was: rows say so, and an error whose cause may be gone goes.
  const outdate = () => {
    for (const mark of document.querySelectorAll(".preview-old")) mark.hidden = false;
    const error = document.querySelector("#preview .preview-error");
    if (!error) return;
    const words = document.createElement("p");
    words.className = "text-secondary";
    words.textContent = "The form has changed. Load preview again.";
    error.replaceWith(words);
  };

  // An answer to a question that was asked before the last change is too old: its successor is on the way.
  document.addEventListener("htmx:before:request", (event) => {
    asked.set(event.detail.ctx, changes);
  });
  document.addEventListener("htmx:before:swap", (event) => {
    const context = event.detail.ctx;
    const saved = context.sourceElement.matches("[data-save]");
    if (saved) saving = false;
    if (context.target !== form()) return;
    // A button changes the form without a change in a field of it.
    if (context.sourceElement.matches("[name=do]")) outdate();
    if (asked.has(context) && asked.get(context) !== changes) {
      event.preventDefault();
      return;
    }
    refused = saved;
    place = document.activeElement?.closest(".menu-pane[tabindex]") ?? null;
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
      tell();
      return;
    }
    // A button that has removed itself leaves its menu the focus, so that the keyboard goes on from there.
    if (place && place.isConnected && document.activeElement === document.body) place.focus({ preventScroll: true });
  });

  // Whoever leaves with something changed and not saved is asked first. What could not be saved is not saved yet.
  // What is shown of long lists is no change; a choice stands in a tick where it is shown, else in a field of its own.
  const looking = /\.(search|searched|group|most|seen)$/;
  const filledIn = () => {
    const fields = [...new FormData(form())].filter(([name]) => !looking.test(name));
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

  // What stands in the way of saving is where the page begins, and where it goes on when it could not be saved.
  const tell = () => (document.getElementById("clash") ?? document.getElementById("summary"))?.focus();
  tell();
})();
