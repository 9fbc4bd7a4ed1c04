// What pages need besides htmx: dialogs, forms that ask first, menus that close, tables that select.
(() => {
  "use strict";

  // Says something to a screen reader; with a class, to everyone.
  window.announce = (words, look = "visually-hidden") => {
    const note = document.createElement("p");
    note.className = look;
    note.textContent = words;
    document.getElementById("notes")?.replaceChildren(note);
    return note;
  };

  // <button data-open="#id"> opens a <dialog>, <button data-close> closes the one around it.
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) {
      const dialog = document.querySelector(opener.dataset.open);
      const menu = opener.closest("details.menu");
      if (menu) menu.open = false;
      if (dialog) {
        // The menu that it was opened from is closed by now: its button cannot take the focus back.
        const back = menu ? menu.querySelector("summary") : opener;
        dialog.addEventListener("close", () => { if (document.activeElement === document.body) back.focus(); }, { once: true });
        dialog.showModal();
      }
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

  // <dialog data-at-once> is open when the page loads.
  for (const dialog of document.querySelectorAll("dialog[data-at-once]")) dialog.showModal();

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // The error in [data-problem] is scrolled into view.
  const problem = document.querySelector("[data-problem]");
  if (problem) {
    const { top, bottom } = problem.getBoundingClientRect();
    if (top < 0 || bottom > window.innerHeight) {
      problem.scrollIntoView({ block: "center" });
      problem.focus({ preventScroll: true });
    }
  }

  // A page that one of our links or forms leads to begins with what came of it, else where its first step is, else with
  // its heading: whoever hears it or uses the keyboard is not led through the navigation each time. A page of its own,
  // or Back, begins at the top.
  const focusStart = () => {
    const start = document.querySelector("main > [data-said]") ?? document.querySelector("main [data-start]") ?? document.querySelector("main h1");
    if (!start) return;
    if (!start.hasAttribute("tabindex")) start.tabIndex = -1;
    start.classList.add("start");
    start.addEventListener("blur", () => start.classList.remove("start"), { once: true });
    start.focus({ preventScroll: true });
  };
  const isFollowed = performance.getEntriesByType("navigation")[0]?.type === "navigate"
    && document.referrer.startsWith(`${window.location.origin}/`) && !window.location.hash;
  if (isFollowed && document.activeElement === document.body && !document.querySelector("[autofocus]")) focusStart();

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.jump");
    const first = link && document.querySelector(`${link.hash} [data-first]`);
    if (!first) return;
    event.preventDefault();
    first.scrollIntoView({ block: "center" });
    first.focus({ preventScroll: true });
  });

  // [data-news] is announced once.
  let isNewsKnown = false;
  document.addEventListener("htmx:after:settle", () => {
    const news = isNewsKnown ? null : document.querySelector("[data-news]");
    if (!news) return;
    isNewsKnown = true;
    announce(news.dataset.news);
  });

  // Links in [data-in-place] that sort or remove a filter replace the list, by keyboard also those to its other pages.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-in-place] :is(a.sort, .chips a, .pager a)");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const isPage = link.matches(".pager a");
    if (isPage && event.detail > 0) return;
    event.preventDefault();
    const list = `#${link.closest("[data-in-place]").id}`;
    const address = link.href;
    await htmx.ajax("GET", address, { source: link, target: list, select: list, swap: "outerMorph", push: "true" });
    if (window.location.href !== address) {
      window.location.assign(address);
      return;
    }
    const part = document.querySelector(list);
    if (!link.matches(".sort")) {
      const start = (isPage ? part.querySelector("[role=region]") : part.querySelector(".chips a")) ?? part.querySelector("select, a[href]");
      start.focus();
      return;
    }
    const head = document.getElementById(link.id);
    head.focus({ preventScroll: true });
    // The filters beside the list send its order.
    for (const order of document.querySelectorAll("form [name=sort]")) {
      if (!part.contains(order)) order.value = new URL(address).searchParams.get("sort") ?? "name";
    }
    const isDescending = head.closest("th").getAttribute("aria-sort") === "descending";
    const order = part.querySelector("[data-sorted]")?.textContent ?? phrase("Sorted by %(column)s.", { column: head.textContent.trim() });
    announce([order, isDescending ? phrase("Descending.") : phrase("Ascending.")].join(" "));
  });

  // A button that is disabled for its request has the focus again afterwards.
  let disabled = null;
  document.addEventListener("click", (event) => {
    disabled = event.target === document.activeElement && event.target.matches("button[hx-disable]") ? event.target : null;
  }, true);
  document.addEventListener("htmx:finally:request", (event) => {
    const button = event.detail.ctx.sourceElement;
    if (button !== disabled) return;
    disabled = null;
    window.setTimeout(() => { if (document.activeElement === document.body) button.focus({ preventScroll: true }); });
  });

  // <input data-all="name"> ticks every checkbox of that name in its form; a count of them is shown in [data-count].
  // Buttons in [data-needs-chosen] are enabled once a box is ticked.
  const count = (form) => {
    const counter = form.querySelector("[data-count]");
    if (!counter) return;
    const selected = form.querySelectorAll(`input[name="${counter.dataset.count}"]:checked`).length;
    counter.textContent = String(selected);
    for (const button of form.querySelectorAll("[data-needs-chosen] button")) button.disabled = selected === 0;
    const all = form.querySelector(`[data-all="${counter.dataset.count}"]`);
    if (!all) return;
    const boxes = form.querySelectorAll(`input[name="${counter.dataset.count}"]`).length;
    all.checked = selected > 0 && selected === boxes;
    all.indeterminate = selected > 0 && selected < boxes;
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

  // <form data-once> is sent once in 5 seconds, however often its button is clicked.
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

  // <select data-submit> sends its form when it changes: at once by mouse or touch, and by keyboard, where each arrow
  // key is a change, on Enter or when it loses focus (WCAG 3.2.2). What changed is announced, and focus stays.
  let byKeyboard = false;
  let announced = null;
  const pending = new Set();
  document.addEventListener("keydown", () => { byKeyboard = true; }, true);
  document.addEventListener("pointerdown", () => { byKeyboard = false; }, true);

  const send = (menu) => {
    pending.delete(menu);
    const label = menu.labels?.[0]?.firstChild?.textContent.trim() ?? "";
    announced = { id: menu.id, label, top: menu.getBoundingClientRect().top, choice: menu.selectedOptions?.[0]?.textContent.trim() ?? menu.value };
    menu.form.requestSubmit();
  };
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-submit]")) return;
    if (byKeyboard) pending.add(event.target);
    else send(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !pending.has(event.target)) return;
    event.preventDefault();
    send(event.target);
  });
  document.addEventListener("focusout", (event) => {
    if (!pending.delete(event.target)) return;
    if (!event.target.selectedOptions?.[0]?.defaultSelected) send(event.target);
  });

  // A menu that would open beyond the right edge opens to the left.
  document.addEventListener("toggle", (event) => {
    const body = event.target.open && event.target.matches("details.menu") && event.target.querySelector(".menu-body");
    if (!body) return;
    body.classList.remove("flipped");
    const { left, right, width } = body.getBoundingClientRect();
    const end = event.target.getBoundingClientRect().right;
    if (right > document.documentElement.clientWidth && end - width >= 0 && left > 0) body.classList.add("flipped");
  }, true);

  // What the person changed stays where it was on the screen, also when parts above it have another height by then.
  const keepPlace = (id, top) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const menu = document.getElementById(id);
    if (menu) window.scrollBy({ top: menu.getBoundingClientRect().top - top, behavior: "instant" });
  }));

  // Where the focus was in charts that are replaced, or elsewhere when a menu was sent; on a field, or in a menu.
  // What has no id of its own, such as "View as table", is found again by its place in the part that has one.
  const focusable = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  let focused = { id: "", place: -1 };
  document.addEventListener("htmx:before:swap", () => {
    const at = document.activeElement;
    const part = at?.closest(".cards-host [id]") ?? (announced && at);
    focused = { id: part?.id ?? "", place: part ? [...part.querySelectorAll(focusable)].indexOf(at) : -1 };
  });
  const focusAgain = (otherwise) => {
    const part = document.getElementById(focused.id);
    const inPart = part?.matches("details") ? null : part?.querySelectorAll(focusable)[focused.place];
    const again = inPart ?? part ?? otherwise;
    focused = { id: "", place: -1 };
    if (document.activeElement !== document.body) return;
    (again?.matches("details") ? again.querySelector("summary") : again)?.focus({ preventScroll: true });
  };
  document.addEventListener("htmx:after:settle", () => {
    const menu = announced && document.getElementById(announced.id);
    focusAgain(menu);
    if (!menu) return;
    keepPlace(menu.id, announced.top);
    announce([
      phrase("%(menu)s: %(choice)s.", { menu: announced.label, choice: announced.choice }),
      menu.form?.querySelector("[data-outcome]")?.textContent.trim() ?? "",
    ].join(" "));
    announced = null;
  });

  // [data-refresh] reloads by itself, so it keeps what the person has ticked, selected and opened. Open menus and
  // dialogs are skipped; the next refresh updates them.
  const busy = "details.menu[open], dialog[open]";
  const refreshed = new Map();
  document.addEventListener("htmx:before:swap", (event) => {
    if (!event.target.matches("[data-refresh]")) return;
    const target = event.detail.ctx.target;
    for (const element of target.querySelectorAll(busy)) element.setAttribute("hx-morph-skip", "");
    refreshed.set(target, [...target.querySelectorAll("details[open]")]);
  });

  // A morph keeps the person's ticks and selections. The answer to a changed form repeats what was sent, so its state
  // is used, but not for the ticks that select rows: these are not sent.
  document.addEventListener("htmx:after:settle", (event) => {
    const opened = refreshed.get(event.target);
    if (opened) {
      for (const element of event.target.querySelectorAll("[hx-morph-skip]")) element.removeAttribute("hx-morph-skip");
      for (const element of opened) element.open = true;
      refreshed.delete(event.target);
    } else {
      for (const box of event.target.querySelectorAll("input[type=checkbox], input[type=radio]")) {
        if (!isRowChoice(box)) box.checked = box.defaultChecked;
      }
      for (const option of event.target.querySelectorAll("option")) {
        if (option.selected !== option.defaultSelected) option.selected = option.defaultSelected;
      }
    }
    countAll();
  });
  const isRowChoice = (box) => box.form?.querySelector("[data-count]")?.dataset.count === box.name;

  // The notice that a run has started is removed when the run ends, but not while it has the focus.
  document.addEventListener("run-over", () => {
    const notice = document.querySelector("main > [data-said]");
    if (!notice?.contains(document.activeElement)) notice?.remove();
    // A click takes the focus away before it ends: the page must not move under it.
    else notice.addEventListener("focusout", (event) => { if (!notice.contains(event.relatedTarget)) notice.style.visibility = "hidden"; });
  });

  // What comes with its text is not read out: how a run stands is said when it changes, and while it runs when a page opens.
  const standing = () => document.querySelector("#live [data-news]")?.textContent.trim().replace(/\s+/g, " ") ?? "";
  let stood = !document.querySelector("#live[data-refresh]") || document.querySelector("main > [data-said]") ? standing() : "";
  const sayStanding = () => {
    const words = standing();
    if (words && words !== stood) announce(words);
    stood = words;
  };
  window.setTimeout(sayStanding, 500);
  document.addEventListener("htmx:after:settle", sayStanding);

  // What had the focus may be gone after a refresh, such as the button that cancels a run: how the run ended has it then.
  let held = null;
  document.addEventListener("htmx:before:swap", (event) => {
    if (event.target.matches("[data-refresh]") && event.detail.ctx.target.contains(document.activeElement)) held = event.detail.ctx.target.id;
  });
  document.addEventListener("htmx:after:settle", () => {
    if (held !== null && document.activeElement === document.body) {
      const part = document.querySelector("#live > section") ?? document.getElementById(held) ?? document.querySelector("main h1");
      part.tabIndex = -1;
      part.focus({ preventScroll: true });
    }
    held = null;
  });

  // <a download data-prepare="Excel"> is a file that takes a while to make: a note says so, and when it is there.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-prepare]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.dataset.prepared) return;
    link.dataset.prepared = "no";
    announce(phrase("Preparing %(format)s…", { format: link.dataset.prepare }), "alert alert-info");
    try {
      const name = await downloaded(link.href);
      const note = announce(phrase("Downloaded %(file)s.", { file: name }), "alert alert-success");
      window.setTimeout(() => note.remove(), 8000);
    } catch {
      document.getElementById("notes")?.replaceChildren();
      window.location.assign(link.href);
    }
    delete link.dataset.prepared;
  });

  // Downloads the file and returns its name. Throws if the answer is none: the browser then shows the page that it is.
  const downloaded = async (address) => {
    const answer = await fetch(address);
    const name = answer.headers.get("Content-Disposition")?.match(/filename\*=UTF-8''([^;]+)/)?.[1];
    if (!answer.ok || !name) throw new Error(String(answer.status));
    const file = document.createElement("a");
    file.href = URL.createObjectURL(await answer.blob());
    file.download = decodeURIComponent(name);
    file.click();
    window.setTimeout(() => URL.revokeObjectURL(file.href), 60000);
    return file.download;
  };

  // <button data-copy="#id"> copies the text of an element. Without https a browser may not, so the text is selected.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.querySelector(button.dataset.copy);
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      button.textContent = phrase("Copied");
    } catch {
      window.getSelection().selectAllChildren(source);
      if (source.select) source.select();
      button.textContent = phrase("Selected");
    }
    window.setTimeout(() => { button.textContent = before; }, 1500);
  });
})();
