// The order of the selected metrics: dragged, or moved by Alt with arrows, Home and End. The form is sent afterwards.
(() => {
  "use strict";

  const listOf = (element) => element.closest?.("ol[data-order]");
  const isOurs = (list) => list && list.dataset.order !== "calc";
  const place = (item) => [...item.parentElement.children].indexOf(item);

  // What is first cannot be moved up, what is last cannot be moved down.
  const settle = (list) => {
    const last = list.children.length - 1;
    [...list.children].forEach((item, index) => {
      item.querySelector("[data-move=up]").disabled = index === 0;
      item.querySelector("[data-move=down]").disabled = index === last;
    });
  };
  const sent = (item) => {
    const list = listOf(item);
    settle(list);
    announce(phrase("%(metric)s: place %(place)s of %(places)s.", { metric: item.dataset.title, place: place(item) + 1, places: list.children.length }));
    list.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const move = (item, way) => {
    const list = listOf(item);
    const before = place(item);
    const targets = { up: item.previousElementSibling, down: item.nextElementSibling?.nextElementSibling ?? null, first: list.firstElementChild, last: null };
    if ((way === "up" && !targets.up) || (way === "down" && !item.nextElementSibling)) return;
    list.insertBefore(item, targets[way]);
    if (place(item) === before) return;
    item.scrollIntoView({ block: "nearest" });
    sent(item);
  };

  // Before htmx, which would ask the server to move it.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-move]");
    if (!button || !isOurs(listOf(button))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    move(button.closest("li"), button.dataset.move);
    // A button at the end of its way is disabled: the focus goes to the other one.
    (button.disabled ? button.parentElement.querySelector("[data-move]:not([disabled])") : button)?.focus();
  }, true);

  const WAYS = { ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" };
  document.addEventListener("keydown", (event) => {
    const item = event.altKey && WAYS[event.key] && event.target.closest?.("ol[data-order] > li");
    if (!item) return;
    event.preventDefault();
    if (!isOurs(listOf(item))) {
      item.querySelector(`[data-move=${WAYS[event.key]}]`)?.click();
      return;
    }
    const focused = event.target;
    move(item, WAYS[event.key]);
    focused.focus({ preventScroll: true });
  });

  // By keyboard a row is one stop: what has the focus in it moves it.
  const oneStop = () => {
    for (const button of document.querySelectorAll("ol[data-order=metrics] [data-move]")) button.tabIndex = -1;
  };
  document.addEventListener("htmx:after:settle", oneStop);
  oneStop();

  // -- by pointer: mouse, pen and finger

  let dragged = null;
  document.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest?.(".kept-grip");
    if (!grip || event.button !== 0 || !isOurs(listOf(grip))) return;
    event.preventDefault();
    dragged = { item: grip.closest("li"), from: place(grip.closest("li")) };
    dragged.item.classList.add("is-dragged");
  });
  document.addEventListener("pointermove", (event) => {
    if (!dragged) return;
    const list = listOf(dragged.item);
    // Let go outside of the window, or the answer to an earlier change has replaced the list.
    if (!event.buttons || !list) {
      drop();
      return;
    }
    const box = list.getBoundingClientRect();
    if (event.clientY < box.top + 24) list.scrollTop -= 8;
    if (event.clientY > box.bottom - 24) list.scrollTop += 8;
    const below = [...list.children].find((item) => {
      const { top, height } = item.getBoundingClientRect();
      return item !== dragged.item && event.clientY < top + height / 2;
    });
    if ((below ?? null) !== dragged.item.nextElementSibling) list.insertBefore(dragged.item, below ?? null);
  });
  const drop = () => {
    if (!dragged) return;
    const { item, from } = dragged;
    dragged = null;
    item.classList.remove("is-dragged");
    if (listOf(item) && place(item) !== from) sent(item);
  };
  for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, drop);
})();
