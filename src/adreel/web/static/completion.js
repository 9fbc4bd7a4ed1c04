// Suggests tables, columns and SQL words while a query is typed: a list below the caret, for keyboard and screen reader.
(() => {
  "use strict";
  const editor = document.getElementById("sql");
  const list = document.getElementById("completion");
  if (!editor || !list) return;
  const status = document.getElementById("completion-count");
  const MOST = 8;
  const WORDS = ("select from where group by order by having limit join left join on using union all distinct with as and or not in between like is null " +
    "case when then else end cast over partition by qualify exclude desc asc nulls last").split(" ");
  const FUNCTIONS = "sum count avg min max round coalesce nullif any_value median date_trunc date_diff strftime year month dayofweek extract lower upper".split(" ");
  const NAME = /[\p{L}\p{N}_]+$/u;

  editor.setAttribute("aria-autocomplete", "list");
  editor.setAttribute("aria-controls", list.id);

  // -- what can be suggested

  let tables = null;
  const columns = new Map();
  async function fetched(address) {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    return answer.ok ? answer.json() : {};
  }
  async function allTables() {
    if (!tables) tables = fetched("/query/words").then((words) => words.tables || []).catch(() => []);
    return tables;
  }
  async function columnsOf(table) {
    if (!columns.has(table)) {
      columns.set(table, fetched(`/query/words/${encodeURIComponent(table)}`).then((words) => words.columns || []).catch(() => []));
    }
    return columns.get(table);
  }

  // The tables that the query names, with the short names that it gives them.
  function named(text, known) {
    const all = new Set(known.map((table) => table.name));
    const found = new Map();
    for (const [, table, alias] of text.matchAll(/\b([a-z_][a-z0-9_]*)\b(?=(?:\s+(?:as\s+)?([a-z_][a-z0-9_]*)\b)?)/gi)) {
      const name = table.toLowerCase();
      if (!all.has(name)) continue;
      found.set(name, name);
      if (alias && !WORDS.includes(alias.toLowerCase())) found.set(alias.toLowerCase(), name);
    }
    return found;
  }

  const quoted = (name) => (/^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`);

  async function suggestions(asked) {
    const before = editor.value.slice(0, editor.selectionStart);
    if (inside(before)) return [];
    const word = (before.match(NAME) || [""])[0];
    const earlier = before.slice(0, before.length - word.length);
    const owner = earlier.match(/([\p{L}\p{N}_]+)\.$/u);
    if (!asked && !word && !owner) return [];
    const known = await allTables();
    const uses = named(editor.value, known);
    let items = [];
    if (owner) {
      const table = uses.get(owner[1].toLowerCase());
      if (table) items = (await columnsOf(table)).map((column) => column_(column, table));
    } else if (/\b(from|join)\s+$/i.test(earlier)) {
      items = known.map(table_);
    } else {
      const own = [];
      for (const table of new Set(uses.values())) own.push(...(await columnsOf(table)).map((column) => column_(column, table)));
      const terms = [...FUNCTIONS.map((text) => ({ text: `${text}(`, label: text, kind: "function" })), ...WORDS.map((text) => ({ text, label: text, kind: "SQL" }))];
      items = [...own, ...known.map(table_), ...(word.length > 1 || asked ? terms : [])];
    }
    return ranked(items, word);
  }
  const table_ = (table) => ({ text: table.name, label: table.name, kind: "table", more: table.title === table.name ? "" : table.title });
  const column_ = (column, table) => ({ text: quoted(column.name), label: column.name, kind: column.type, more: column.title || table });

  // Names that begin with the word first, then those with it inside, then those with it in their title.
  function ranked(items, word) {
    const key = word.toLowerCase();
    const rank = (item) => {
      const label = item.label.toLowerCase();
      if (label.startsWith(key)) return 0;
      if (label.includes(`_${key}`)) return 1;
      if (key.length > 1 && label.includes(key)) return 2;
      return key.length > 1 && item.more && item.more.toLowerCase().includes(key) ? 3 : 9;
    };
    const seen = new Set();
    return items.map((item) => [rank(item), item]).filter(([order, item]) => {
      const first = order < 9 && item.label.toLowerCase() !== key && !seen.has(item.text);
      seen.add(item.text);
      return first;
    }).sort((one, other) => one[0] - other[0]).map(([, item]) => item).slice(0, MOST);
  }

  // Whether the caret is in a text or a comment, where nothing is suggested.
  function inside(before) {
    let open = "";
    for (let place = 0; place < before.length; place += 1) {
      const two = before.slice(place, place + 2);
      if (open === "'") { if (before[place] === "'") open = ""; }
      else if (open === "--") { if (before[place] === "\n") open = ""; }
      else if (open === "/*") { if (two === "*/") { open = ""; place += 1; } }
      else if (before[place] === "'") open = "'";
      else if (two === "--" || two === "/*") { open = two; place += 1; }
    }
    return open !== "";
  }

  // -- the list

  let items = [];
  let active = -1;
  let turn = 0;

  function close() {
    turn += 1;
    if (list.hidden) return;
    list.hidden = true;
    items = [];
    active = -1;
    editor.removeAttribute("aria-activedescendant");
    status.textContent = "";
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
    items = next;
    list.replaceChildren(...items.map(option));
    list.hidden = false;
    place();
    activate(0);
    status.textContent = `${items.length} suggestion${items.length === 1 ? "" : "s"}. Arrow keys choose, Enter inserts.`;
  }

  function option(item, index) {
    const element = document.createElement("div");
    element.id = `completion-${index}`;
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
    editor.setAttribute("aria-activedescendant", `completion-${active}`);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function accept(index) {
    const item = items[index];
    const end = editor.selectionStart;
    const word = (editor.value.slice(0, end).match(NAME) || [""])[0];
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
      activate(active + (event.key === "ArrowDown" ? 1 : -1));
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
})();
