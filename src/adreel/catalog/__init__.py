"""The catalogue of TikTok's reports: metrics, dimensions, fields, menus, templates, labels, names of older versions."""

from adreel.catalog import legacy
from adreel.catalog.labels import label, value_of
from adreel.catalog.legacy import RULE_A as LEGACY_RULE_A
from adreel.catalog.legacy import RULE_B as LEGACY_RULE_B
from adreel.catalog.legacy import RULE_C as LEGACY_RULE_C
from adreel.catalog.load import calculated_metrics, dimensions, events, fields, metrics, synonyms, value_labels
from adreel.catalog.reports import REPORTS
from adreel.catalog.templates import TEMPLATES

__all__ = [
    "LEGACY_RULE_A",
    "LEGACY_RULE_B",
    "LEGACY_RULE_C",
    "REPORTS",
    "TEMPLATES",
    "calculated_metrics",
    "dimensions",
    "events",
    "fields",
    "label",
    "legacy",
    "metrics",
    "synonyms",
    "value_labels",
    "value_of",
]
