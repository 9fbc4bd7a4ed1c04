// The query page: Ctrl+Enter runs the query, columns and examples are inserted into the editor.
(() => {
  "use strict";
  const editor = document.getElementById("sql");
  if (!editor) return;

  editor.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    document.getElementById("run").click();
  });

  document.addEventListener("click", (event) => {
    const column = event.target.closest("[data-insert]");
    if (column) {
      editor.setRangeText(column.dataset.insert, editor.selectionStart, editor.selectionEnd, "end");
      editor.focus();
    }
    const example = event.target.closest("[data-sql]");
    if (example && !event.ctrlKey && !event.metaKey) {
      editor.value = example.dataset.sql;
      editor.focus();
      event.preventDefault();
    }
  });
})();
