"""The forms of a dataset: fields, panes, pickers and problems, made from the catalogue."""
