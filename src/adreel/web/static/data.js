// The Data page: the column chooser, and rows for the clipboard.
(() => {
  "use strict";

  const formOf = (element) => element.closest("[data-columns]");
  const say = (form, text) => { form.querySelector("[data-said]").textContent = text; };
  const titleOf = (item) => item.querySelector(".form-check-label").textContent;

  const move = (item, steps) => {
    const visible = [...item.parentElement.children].filter((other) => !other.hidden);
    const place = visible.indexOf(item);
    const target = visible[place + steps];
    if (!target) return;
    if (steps < 0) target.before(item); else target.after(item);
    say(formOf(item), phrase("%(column)s: %(place)s of %(columns)s", {
      column: titleOf(item), place: place + steps + 1, columns: visible.length,
    }));
  };

  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-columns] [data-search]")) return;
    const words = event.target.value.trim().toLowerCase();
    for (const item of formOf(event.target).querySelectorAll(".column-list > li")) {
      item.hidden = !item.textContent.toLowerCase().includes(words);
    }
  });

  document.addEventListener("click", (event) => {
    const tick = event.target.closest("[data-columns] [data-tick]");
    if (tick) {
      for (const item of formOf(tick).querySelectorAll(".column-list > li:not([hidden])")) {
        item.querySelector("input").checked = tick.dataset.tick === "all";
      }
    }
    const mover = event.target.closest("[data-columns] [data-move]");
    if (mover) {
      move(mover.closest("li"), Number(mover.dataset.move));
      mover.focus();
    }
  });

  // Alt and an arrow move the column whose box has the focus; Enter in the search does not send the form.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("[data-columns] [data-search]")) event.preventDefault();
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const item = event.target.closest("[data-columns] .column-list > li");
    if (!item) return;
    const focused = document.activeElement;
    move(item, event.key === "ArrowUp" ? -1 : 1);
    focused.focus();
    event.preventDefault();
  });

  let dragged = null;
  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-columns] .column-list > li") ?? null;
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    dragged.classList.add("dragged");
  });
  document.addEventListener("dragover", (event) => {
    const over = dragged && event.target.closest?.("[data-columns] .column-list > li");
    if (!over) return;
    event.preventDefault();
    if (over === dragged) return;
    const { top, height } = over.getBoundingClientRect();
    if (event.clientY < top + height / 2) over.before(dragged); else over.after(dragged);
  });
  document.addEventListener("drop", (event) => { if (dragged) event.preventDefault(); });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    dragged = null;
  });

  // Without https a browser gives no clipboard to pages; then a selected text is copied the old way.
  const copyPlain = (text) => {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };

  const fetched = async (address) => {
    const answer = await fetch(address, { headers: { Accept: "text/tab-separated-values" } });
    if (!answer.ok) throw new Error(`Status ${answer.status}`);
    const [rows, total] = ["X-Rows", "X-Total-Rows"].map((name) => Number(answer.headers.get(name)));
    return { text: await answer.text(), rows, total };
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy-rows]");
    if (!button || button.matches("[aria-disabled]")) return;
    const before = button.textContent;
    button.setAttribute("aria-disabled", "true");
    let words = phrase("Copy failed. Export a file instead.");
    try {
      const { text, rows, total } = await fetched(button.dataset.copyRows);
      let copied = true;
      try {
        await navigator.clipboard.writeText(text);
      } catch {
        copied = copyPlain(text);
      }
      const values = { rows: rows.toLocaleString(locale()), total: total.toLocaleString(locale()) };
      if (copied && rows < total) {
        words = phrases("Copied the first %(rows)s row of %(total)s", "Copied the first %(rows)s rows of %(total)s", rows, values);
      } else if (copied) {
        words = phrases("Copied %(rows)s row", "Copied %(rows)s rows", rows, values);
      }
    } catch {
      // The words already say that nothing was copied.
    }
    button.textContent = words;
    document.getElementById("copy-said").textContent = words;
    button.removeAttribute("aria-disabled");
    window.setTimeout(() => { button.textContent = before; }, 4000);
  });
})();
