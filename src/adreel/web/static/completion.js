// A list of suggestions below the caret of an editor, for keyboard and screen reader. `suggestions` promises the items
// for the text as it is, `asked` if a key asks for them; `before` matches what an item replaces before the caret.
window.completed = (editor, list, status, suggestions, before) => {
  "use strict";
  editor.setAttribute("aria-autocomplete", "list");
  editor.setAttribute("aria-controls", list.id);

  // -- the list

  let items = [];
  let active = -1;
  let moved = false;
  let turn = 0;
  let silence = 0;
  const PAUSE = 1000;

  // Says how many there are once the person pauses, and not after each letter.
  function say(words) {
    window.clearTimeout(silence);
    if (!words) status.textContent = "";
    else silence = window.setTimeout(() => { if (status.textContent !== words) status.textContent = words; }, PAUSE);
  }

  function close() {
    turn += 1;
    say("");
    if (list.hidden) return;
    list.hidden = true;
    items = [];
    active = -1;
    editor.removeAttribute("aria-activedescendant");
  }

  async function open(asked = false) {
    turn += 1;
    const mine = turn;
    const next = await suggestions(asked);
    if (mine !== turn) return;
    if (!next.length || document.activeElement !== editor) {
      close();
      return;
    }
    // What was chosen since the last key that typed something stays chosen.
    const chosen = moved && !list.hidden ? next.findIndex((item) => item.label === items[active].label) : -1;
    items = next;
    list.replaceChildren(...items.map(option));
    list.hidden = false;
    place();
    activate(Math.max(chosen, 0));
    // Enter inserts the first; a screen reader has not read it yet, so the first arrow goes to it.
    moved = chosen >= 0;
    if (!moved) editor.removeAttribute("aria-activedescendant");
    say(phrases(
      "%(first)s: %(suggestions)s suggestion. Enter inserts it.",
      "%(first)s and more: %(suggestions)s suggestions. Arrow keys choose, Enter inserts.",
      items.length,
      { first: items[0].label, suggestions: items.length },
    ));
  }

  function option(item, index) {
    const element = document.createElement("div");
    element.id = `${list.id}-${index}`;
    element.setAttribute("role", "option");
    const parts = [["completion-name", item.label], ["completion-kind text-secondary", [item.kind, item.more].filter(Boolean).join(" · ")]];
    for (const [name, text] of parts) {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      element.append(part);
    }
    element.addEventListener("mousedown", (event) => {
      event.preventDefault();
      accept(index);
    });
    return element;
  }

  function activate(index) {
    active = (index + items.length) % items.length;
    [...list.children].forEach((element, place) => element.setAttribute("aria-selected", String(place === active)));
    editor.setAttribute("aria-activedescendant", `${list.id}-${active}`);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function accept(index) {
    const item = items[index];
    const end = editor.selectionStart;
    const word = (editor.value.slice(0, end).match(before) || [""])[0];
    close();
    editor.focus();
    editor.setSelectionRange(end - word.length, end);
    if (!document.execCommand("insertText", false, item.text)) editor.setRangeText(item.text, end - word.length, end, "end");
    close();
  }

  // Below the caret: a copy of the text up to there, in the editor's own style, says where that is.
  function place() {
    const style = getComputedStyle(editor);
    const copy = document.createElement("div");
    for (const name of ["font", "letterSpacing", "lineHeight", "padding", "border", "tabSize", "wordSpacing"]) copy.style[name] = style[name];
    copy.className = "completion-copy";
    copy.style.width = `${editor.clientWidth}px`;
    copy.textContent = editor.value.slice(0, editor.selectionStart);
    const caret = document.createElement("span");
    caret.textContent = "\u200b";
    copy.append(caret);
    editor.parentElement.append(copy);
    const line = parseFloat(style.lineHeight) || 20;
    const left = Math.min(caret.offsetLeft, Math.max(0, editor.clientWidth - list.offsetWidth));
    list.style.left = `${Math.max(0, left)}px`;
    list.style.top = `${Math.min(caret.offsetTop - editor.scrollTop + line + 4, editor.offsetHeight + 4)}px`;
    copy.remove();
  }

  // -- keys

  editor.addEventListener("input", (event) => {
    moved = false;
    if (event.inputType && event.inputType.startsWith("history")) close();
    else open();
  });
  editor.addEventListener("keydown", (event) => {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      open(true);
      return;
    }
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      activate(active + (event.key === "ArrowUp" ? -1 : moved ? 1 : 0));
      moved = true;
    } else if ((event.key === "Enter" && !event.ctrlKey && !event.metaKey) || event.key === "Tab") {
      event.preventDefault();
      accept(active);
    } else if (event.key === "Escape") {
      event.preventDefault();
      close();
    } else if (["ArrowLeft", "ArrowRight", "Home", "End", "PageUp", "PageDown", "Enter"].includes(event.key)) {
      close();
    }
  });
  editor.addEventListener("blur", close);
  editor.addEventListener("click", close);
  editor.addEventListener("scroll", close);
  window.addEventListener("resize", () => { if (!list.hidden) place(); });
};
