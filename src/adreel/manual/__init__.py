"""The docs as the Data Center shows them: their contents, pages as HTML, and search."""
