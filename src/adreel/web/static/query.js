// The query page: Ctrl+Enter runs the query, columns and examples are inserted into the editor, errors are marked at
// their place, and the answer is drawn as a chart.
(() => {
  "use strict";
  const editor = document.getElementById("sql");
  if (!editor) return;

  // -- the editor

  // As if typed, so that the browser's undo brings back what it replaces.
  function write(text, start, end) {
    editor.focus();
    editor.setSelectionRange(start, end);
    if (!document.execCommand("insertText", false, text)) editor.setRangeText(text, start, end, "end");
  }

  // What was wrong with it is not known of another text.
  editor.addEventListener("input", () => editor.removeAttribute("aria-invalid"));

  editor.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    document.getElementById("run").click();
  });

  document.addEventListener("click", (event) => {
    const column = event.target.closest("[data-insert]");
    if (column) write(column.dataset.insert, editor.selectionStart, editor.selectionEnd);
    const example = event.target.closest("[data-sql]");
    if (example && !event.ctrlKey && !event.metaKey) {
      write(example.dataset.sql, 0, editor.value.length);
      event.preventDefault();
    }
    const place = event.target.closest("[data-place]");
    if (place) {
      editor.focus();
      mark(place.dataset);
    }
  });

  // Enter in the name saves; it does not run the query.
  const name = document.getElementById("save-name");
  name.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    document.querySelector('[name="act"][value="new"]').click();
  });
  document.addEventListener("submit", (event) => {
    const saves = event.submitter && event.submitter.name === "act" && event.submitter.value === "new";
    if (saves && !name.value.trim()) {
      event.preventDefault();
      name.focus();
    }
  });

  // -- errors at their place

  function mark({ line, column, length }) {
    const lines = editor.value.split("\n");
    if (line > lines.length) return;
    // Columns count characters, and the editor counts halves of those beyond the first 65,536.
    const before = [...lines[line - 1]].slice(0, column - 1).join("").length;
    const word = [...lines[line - 1]].slice(column - 1, Number(column) - 1 + Number(length)).join("").length;
    const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0) + before;
    editor.setSelectionRange(start, start + word);
    const height = parseFloat(getComputedStyle(editor).lineHeight);
    if (height) editor.scrollTop = Math.max(0, (line - 3) * height);
  }

  let tables = document.getElementById("tables");
  document.addEventListener("htmx:after:settle", () => {
    const now = document.getElementById("tables");
    if (now !== tables) announce(now.querySelector("[data-outcome]").textContent);
    tables = now;
  });

  let sent = "";
  document.addEventListener("htmx:before:request", (event) => { if (event.target.id === "run") sent = editor.value; });
  document.addEventListener("htmx:after:settle", () => {
    const answer = document.getElementById("answer");
    if (!answer.firstElementChild || answer.dataset.seen === stamp(answer)) return;
    answer.dataset.seen = stamp(answer);
    const place = answer.querySelector("[data-place]");
    editor.toggleAttribute("aria-invalid", false);
    if (answer.querySelector(".query-problem")) editor.setAttribute("aria-invalid", "true");
    if (place && editor.value === sent) mark(place.dataset);
    announce(answer.querySelector(".answer-facts")?.textContent ?? "");
    document.getElementById("history").dispatchEvent(new Event("asked"));
    offer();
  });
  let answers = 0;
  const numbers = new WeakMap();
  function stamp(answer) {
    const first = answer.firstElementChild;
    if (!numbers.has(first)) numbers.set(first, String((answers += 1)));
    return numbers.get(first);
  }

  // -- the chart

  const MOST_BARS = 50;
  const MOST_SERIES = 8;
  const $ = (part) => document.querySelector(`#query-chart [data-chart-${part}]`);

  // A first choice that is likely meant: a day and a figure, split by what else tells the rows apart.
  function offer() {
    const box = document.getElementById("query-chart");
    if (!box) return;
    const types = [...document.querySelectorAll(".answer-table thead th")].map((head) => head.dataset.type);
    const x = types.findIndex((type) => type.startsWith("date") || type === "day");
    const text = types.findIndex((type) => type === "text");
    if (!$("y").options.length) {
      box.hidden = true;
      return;
    }
    $("x").value = String(x >= 0 ? x : Math.max(0, text));
    $("kind").value = x >= 0 ? "line" : "bars";
    const split = [...$("split").options].find((option) => option.value && option.value !== $("x").value);
    if (split && repeats(Number($("x").value))) $("split").value = split.value;
  }

  const cells = () => [...document.querySelectorAll(".answer-table tbody tr")].map((row) => [...row.cells]);
  const textOf = (cell) => cell.textContent.trim();
  // Of all values, only that which is no value is an element.
  const isNull = (cell) => cell.firstElementChild !== null;
  const repeats = (x) => {
    const names = cells().map((row) => textOf(row[x]));
    return new Set(names).size < names.length;
  };

  // The chart of the rows that are shown, or the reason why there is none: rows are never summed here.
  function chartOf() {
    const heads = [...document.querySelectorAll(".answer-table thead th")];
    const title = (index) => heads[index].firstChild.textContent.trim();
    const [x, y] = [Number($("x").value), Number($("y").value)];
    const split = $("split").value === "" ? null : Number($("split").value);
    const kind = $("kind").value;
    const names = [];
    const series = new Map();
    let decimals = 0;
    for (const row of cells()) {
      const name = textOf(row[x]);
      const of = split === null ? title(y) : textOf(row[split]);
      if (!series.has(of)) series.set(of, new Map());
      if (series.get(of).has(name)) {
        const values = { column: title(x), value: name, series: of };
        return {
          problem: split === null
            ? phrase("%(column)s %(value)s has several rows. Choose what to split by, or group the rows in SQL.", values)
            : phrase("%(column)s %(value)s has several rows of %(series)s. Group the rows in SQL.", values),
        };
      }
      if (!names.includes(name)) names.push(name);
      const text = textOf(row[y]).replaceAll(",", "");
      decimals = Math.max(decimals, Math.min(6, (text.split(".")[1] || "").length));
      series.get(of).set(name, isNull(row[y]) || text === "" || Number.isNaN(Number(text)) ? null : Number(text));
    }
    const notes = [];
    const first = (most, all, column) => phrase("The first %(most)s of %(all)s values of %(column)s.", { most, all, column });
    if (series.size > MOST_SERIES) notes.push(first(MOST_SERIES, series.size, title(split)));
    const most = kind === "bars" ? MOST_BARS : names.length;
    if (names.length > most) notes.push(first(most, names.length, title(x)));
    const shown = names.slice(0, most);
    const isDay = shown.every((name) => /^\d{4}-\d{2}-\d{2}$/.test(name));
    const lines = [...series].slice(0, MOST_SERIES).map(([name, values]) => ({
      name,
      role: split === null ? "main" : "part",
      values: shown.map((value) => (values.has(value) ? values.get(value) : null)),
    }));
    if (document.querySelector("[data-more]")) notes.push(phrase("Of the rows that are shown."));
    return {
      notes,
      chart: {
        kind: kind === "line" ? "line" : lines.length === 1 && !isDay ? "bars" : "grouped",
        title: phrase("%(figure)s by %(column)s", { figure: title(y), column: title(x) }),
        x: { title: title(x), type: isDay ? "day" : "text", values: shown },
        panels: [{ title: title(y), format: { unit: "number", currency: null, decimals }, series: lines }],
      },
    };
  }

  function loaded(address) {
    if (window.echarts) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = reject;
      document.head.append(script);
    });
  }

  async function chart() {
    const box = document.getElementById("query-chart");
    if (!box || !box.open) return;
    const note = document.getElementById("query-chart-note");
    const canvas = document.getElementById("query-chart-canvas");
    const result = chartOf();
    canvas.hidden = Boolean(result.problem);
    note.textContent = result.problem || result.notes.join(" ");
    if (result.problem) return;
    try {
      await loaded(box.dataset.echarts);
    } catch {
      note.textContent = phrase("The chart could not be loaded. The table has the figures.");
      return;
    }
    canvas.dataset.chart = JSON.stringify(result.chart);
    canvas.dispatchEvent(new Event("adreel:draw", { bubbles: true }));
  }

  document.addEventListener("toggle", (event) => { if (event.target.id === "query-chart") chart(); }, true);
  document.addEventListener("change", (event) => { if (event.target.closest("#query-chart")) chart(); });
  offer();
})();
