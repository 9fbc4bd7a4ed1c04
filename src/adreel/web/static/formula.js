// The editor of a calculated metric: metrics are suggested while its formula is typed, and Enter adds it.
(() => {
  "use strict";

  // Names have no blanks, but what marketers say has: "add to cart".
  const WORDS = /[\p{L}_][\p{L}\p{N}_ -]*$/u;
  const attached = new WeakSet();
  let latest = null;

  const suggestions = (editor) => async (asked) => {
    const word = (editor.value.slice(0, editor.selectionStart).match(WORDS) || [""])[0].trim();
    if (!word && !asked) return [];
    latest?.abort();
    latest = new AbortController();
    try {
      const answer = await fetch(`/datasets/form/metrics?q=${encodeURIComponent(word)}`, {
        method: "POST", body: new URLSearchParams(new FormData(editor.form)), signal: latest.signal,
      });
      const { metrics } = answer.ok ? await answer.json() : { metrics: [] };
      if (metrics.length && metrics[0].name === word) return [];
      return metrics.map((metric) => ({ text: metric.name, label: metric.name, kind: "", more: metric.more }));
    } catch {
      return [];
    }
  };

  document.addEventListener("focusin", (event) => {
    const editor = event.target;
    if (editor.id !== "calc-formula" || attached.has(editor)) return;
    attached.add(editor);
    const list = document.getElementById("calc-completion");
    const status = document.getElementById("calc-completion-count");
    window.completed(editor, list, status, suggestions(editor), WORDS);
  });

  // While it is typed, only what is said of the formula is replaced.
  document.addEventListener("htmx:after:settle", () => {
    const editor = document.getElementById("calc-formula");
    if (!editor) return;
    if (document.querySelector("#calc-check .invalid-feedback")) editor.setAttribute("aria-invalid", "true");
    else editor.removeAttribute("aria-invalid");
  });

  // The list of suggestions has Enter first.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.defaultPrevented || event.shiftKey) return;
    if (!event.target.matches("#calc-editor :is(input, textarea)")) return;
    event.preventDefault();
    // So that what was typed is no change any more when the answer takes the field away.
    event.target.blur();
    document.getElementById("calc-save").click();
  });
})();
