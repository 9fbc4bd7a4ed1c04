// What pages need besides htmx: dialogs, forms that ask first, menus that close, tables that select.
(() => {
  "use strict";

  // <button data-open="#id"> opens a <dialog>, <button data-close> closes the one around it.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) {
      const dialog = document.querySelector(opener.dataset.open);
      if (dialog) dialog.showModal();
      event.preventDefault();
    }
    const closer = event.target.closest("[data-close]");
    if (closer) {
      closer.closest("dialog").close();
      event.preventDefault();
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // <dialog data-at-once> has something to tell, so the page begins with it.
  for (const dialog of document.querySelectorAll("dialog[data-at-once]")) dialog.showModal();

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // <input data-all="name"> ticks every checkbox of that name in its form; a count of them is shown in [data-count].
  // What stands in [data-needs-chosen] can be pressed once something is ticked.
  const count = (form) => {
    const counter = form.querySelector("[data-count]");
    if (!counter) return;
    const chosen = form.querySelectorAll(`input[name="${counter.dataset.count}"]:checked`).length;
    counter.textContent = String(chosen);
    for (const button of form.querySelectorAll("[data-needs-chosen] button")) button.disabled = chosen === 0;
  };
  const countAll = () => { for (const form of document.forms) count(form); };
  window.addEventListener("pageshow", countAll);

  document.addEventListener("change", (event) => {
    const all = event.target.closest("[data-all]");
    const form = event.target.form;
    if (!form) return;
    if (all) {
      for (const box of form.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
    }
    count(form);
  });

  // <form data-once> cannot be sent twice by an impatient click.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "true";
    window.setTimeout(() => delete form.dataset.sent, 5000);
  });

  // <select data-submit> or <input data-submit> sends its form when it changes.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // A morph leaves boxes and menus as the person touched them; the answer repeats what was sent, so it is right.
  document.addEventListener("htmx:after:settle", (event) => {
    for (const box of event.target.querySelectorAll("input[type=checkbox], input[type=radio]")) {
      box.checked = box.defaultChecked;
    }
    for (const option of event.target.querySelectorAll("option")) {
      if (option.selected !== option.defaultSelected) option.selected = option.defaultSelected;
    }
    countAll();
  });

  // <button data-copy="#id"> copies the text of an element.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    const before = button.textContent;
    button.textContent = "Copied";
    window.setTimeout(() => { button.textContent = before; }, 1500);
  });
})();
