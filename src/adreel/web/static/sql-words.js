// Suggests tables, columns and SQL words while a query is typed.
(() => {
  "use strict";
  const editor = document.getElementById("sql");
  const list = document.getElementById("completion");
  if (!editor || !list) return;
  const MOST = 8;
  const WORDS = ("select from where group by order by having limit join left join on using union all distinct with as and or not in between like is null " +
    "case when then else end cast over partition by qualify exclude desc asc nulls last").split(" ");
  const FUNCTIONS = "sum count avg min max round coalesce nullif any_value median date_trunc date_diff strftime year month dayofweek extract lower upper".split(" ");
  const NAME = /[\p{L}\p{N}_]+$/u;

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
      const terms = [...FUNCTIONS.map((text) => ({ text: `${text}(`, label: text, kind: phrase("function") })), ...WORDS.map((text) => ({ text, label: text, kind: "SQL" }))];
      items = [...own, ...known.map(table_), ...(word.length > 1 || asked ? terms : [])];
    }
    return ranked(items, word);
  }
  const table_ = (table) => ({ text: table.name, label: table.name, kind: phrase("table"), more: table.title === table.name ? "" : table.title });
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

  window.completed(editor, list, document.getElementById("completion-count"), suggestions, NAME);
})();
