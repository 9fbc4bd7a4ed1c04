// Moves the cards of a dashboard: by the buttons of their menus, and by dragging a card at its head.
(() => {
  "use strict";

  const board = document.querySelector("[data-board]");
  if (!board) return;
  const status = document.querySelector("[data-board-status]");
  const cards = () => [...board.querySelectorAll("[data-pin]")];
  const placeOf = (card) => cards().indexOf(card) + 1;
  const titleOf = (card) => card.querySelector("h2").textContent;

  // Sends the new place; a card whose place is not kept goes back to where it was.
  async function keep(card, undo) {
    const place = placeOf(card);
    status.textContent = phrase("%(chart)s: place %(place)s of %(charts)s", { chart: titleOf(card), place, charts: cards().length });
    try {
      const answer = await fetch(`${board.dataset.board}/pins/${card.dataset.pin}/move`, {
        method: "POST",
        headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
        body: new URLSearchParams({ to: String(place) }),
      });
      if (!answer.ok) throw new Error(answer.statusText);
    } catch {
      undo();
      status.textContent = phrase("%(chart)s could not be moved. Try again.", { chart: titleOf(card) });
    }
  }

  function put(card, other, after) {
    const next = card.nextSibling;
    board.insertBefore(card, after ? other.nextSibling : other);
    keep(card, () => board.insertBefore(card, next));
  }

  document.addEventListener("submit", (event) => {
    const step = Number(event.target.dataset.move || 0);
    const card = event.target.closest("[data-pin]");
    if (!step || !card) return;
    event.preventDefault();
    const all = cards();
    const other = all[all.indexOf(card) + step];
    if (!other) {
      const values = { chart: titleOf(card) };
      status.textContent = step < 0
        ? phrase("%(chart)s is already the first chart.", values)
        : phrase("%(chart)s is already the last chart.", values);
      return;
    }
    const button = event.submitter;
    put(card, other, step > 0);
    // The first card cannot be moved earlier, nor the last one later.
    const shown = [button, ...card.querySelectorAll("[data-move] button")].find((each) => each && each.offsetParent);
    if (shown) shown.focus();
  });

  // -- notes: what several charts of a dataset say is below all charts, and not in each

  const shared = document.querySelector("[data-board-notes]");
  function gather() {
    const datasets = new Map();
    for (const fold of board.querySelectorAll("[data-notes-of]")) {
      const notes = datasets.get(fold.dataset.notesOf) || datasets.set(fold.dataset.notesOf, new Map()).get(fold.dataset.notesOf);
      for (const item of fold.querySelectorAll("li")) notes.set(item.textContent, [...(notes.get(item.textContent) || []), item]);
    }
    const parts = [];
    for (const [dataset, notes] of datasets) {
      const list = document.createElement("ul");
      for (const [note, items] of notes) {
        for (const item of items) item.hidden = items.length > 1;
        if (items.length > 1) list.append(Object.assign(document.createElement("li"), { textContent: note }));
      }
      if (list.children.length) parts.push(Object.assign(document.createElement("h2"), { textContent: dataset }), list);
    }
    for (const fold of board.querySelectorAll("[data-notes-of]")) fold.hidden = !fold.querySelector("li:not([hidden])");
    shared.querySelector("div").replaceChildren(...parts);
    shared.hidden = !parts.length;
  }
  document.addEventListener("htmx:after:settle", gather);
  gather();

  // -- dragging

  let dragged = null;
  board.addEventListener("pointerdown", (event) => {
    const head = event.target.closest(".pin-head");
    const card = head && head.closest("[data-pin]");
    if (card && card.querySelector("[data-move]")) card.draggable = !event.target.closest("a, button, input, summary, .menu-body");
  });
  board.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("[data-pin]");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", titleOf(dragged));
    dragged.classList.add("dragged");
  });
  board.addEventListener("dragover", (event) => {
    const over = event.target.closest("[data-pin]");
    if (dragged && over && over !== dragged) event.preventDefault();
  });
  board.addEventListener("drop", (event) => {
    const over = event.target.closest("[data-pin]");
    if (!dragged || !over || over === dragged) return;
    event.preventDefault();
    put(dragged, over, placeOf(over) > placeOf(dragged));
  });
  board.addEventListener("dragend", () => {
    if (!dragged) return;
    dragged.classList.remove("dragged");
    dragged.draggable = false;
    dragged = null;
  });
})();
