"""Messages as people read them: plain text, with a subject; one incident, or a digest grouped by cause."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from adreel.notify.routing import Audience
from adreel.notify.sending import Message
from adreel.scheduling.durations import written_duration
from adreel.settings import LOOPBACK, Settings
from adreel.store import AccountStatus, Workspace
from adreel.store.notifications import Incident, IncidentKind

MOST_NAMED = 30
"""Datasets that a digest names for each cause."""

LONGEST_TEXT = 1_500


class MessageWriter:
    """Writes messages. Links need ADREEL_WEB_URL: an address that only this machine reaches is of no use in a mail."""

    def __init__(self, settings: Settings, workspace: Workspace, audience: Audience, now: datetime) -> None:
        """`workspace` is named in each subject."""
        self._base = settings.web_url if urlsplit(settings.web_url).hostname not in LOOPBACK else ""
        self._workspace = workspace.name
        self._audience = audience
        self._now = now

    def message(self, incidents: Sequence[Incident], *, over: bool) -> Message:
        """What happened, or that it is over."""
        if len(incidents) == 1:
            return self._over(incidents[0]) if over else self._opened(incidents[0])
        return self._digest(incidents, over=over)

    def test(self, name: str) -> Message:
        """A message that shows that an address works."""
        body = f"Notifications of {self._workspace} reach this address ({name}). Nothing happened: this is a test."
        return Message(self._subject("Test notification"), body, over=True)

    def _opened(self, incident: Incident) -> Message:
        blocks = [
            f"{incident.kind.label}: {self._subject_of(incident)}",
            self._what(incident),
            "\n".join(self._where(incident)),
            f"What to do: {self._remedy(incident)}",
            self._link(incident),
        ]
        subject = self._subject(f"{incident.kind.label}: {self._subject_of(incident)}")
        return Message(subject, "\n\n".join(filter(None, blocks)))

    def _over(self, incident: Incident) -> Message:
        lasted, end = _lasted(incident, self._now), incident.closed_at or self._now
        blocks = [
            f"{incident.kind.over}: {self._subject_of(incident)}",
            f'"{incident.kind.label}" lasted {lasted}: {_time(incident.opened_at)} to {_time(end)}.',
            "\n".join(self._where(incident)),
            self._link(incident),
        ]
        subject = self._subject(f"{incident.kind.over}: {self._subject_of(incident)} (after {lasted})")
        return Message(subject, "\n\n".join(filter(None, blocks)), over=True)

    def _digest(self, incidents: Sequence[Incident], *, over: bool) -> Message:
        counts = Counter(incident.kind for incident in incidents)
        words = ", ".join(
            f"{count:,} {kind.plural}" if count > 1 else f"1 {kind.label.lower()}"
            for kind, count in counts.most_common()
        )
        groups: dict[tuple[IncidentKind, str, str], list[Incident]] = defaultdict(list)
        for incident in incidents:
            cause = incident.cause if incident.kind is IncidentKind.FAILED else ""
            groups[incident.kind, self._account_of(incident), cause].append(incident)
        ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
        blocks = [self._block(kind, account, members, over=over) for (kind, account, _), members in ordered]
        link = f"{self._base}/datasets?attention=1" if self._base else ""
        subject = self._subject(f"Resolved: {words}" if over else words)
        head = "These incidents are over:" if over else "Since the last message:"
        return Message(subject, "\n\n".join(filter(None, [f"{head} {words}.", *blocks, link])), over=over)

    def _block(self, kind: IncidentKind, account: str, members: Sequence[Incident], *, over: bool) -> str:
        """One cause of a digest: the label, what the incidents are about, and the first one's words."""
        names = [self._subject_of(incident) for incident in members]
        title = f"{kind.over if over else kind.label} ({len(members):,})" + (f", account {account}" if account else "")
        if over:
            names = [
                f"{name} (after {_lasted(incident, self._now)})" for name, incident in zip(names, members, strict=True)
            ]
        more = [f"and {len(names) - MOST_NAMED:,} more"] if len(names) > MOST_NAMED else []
        lines = [title, *(f"- {name}" for name in [*names[:MOST_NAMED], *more])]
        if not over:
            lines += [self._what(members[0]), f"What to do: {self._remedy(members[0])}"]
        return "\n".join(lines)

    def _account_of(self, incident: Incident) -> str:
        """The account that a dataset reads, by which a digest is grouped."""
        saved = self._audience.dataset(incident.dataset_id)
        return saved.account_name if saved else ""

    def _what(self, incident: Incident) -> str:
        if incident.kind is IncidentKind.STALE:
            return f"The dataset was not updated for {written_duration(timedelta(seconds=int(incident.cause or 60)))}."
        if incident.kind is IncidentKind.RECONNECT:
            state = "has expired" if incident.cause == AccountStatus.EXPIRED else "was revoked"
            return f"TikTok refuses the token of the account: it {state}. Its datasets are not updated."
        return incident.text[:LONGEST_TEXT]

    def _subject_of(self, incident: Incident) -> str:
        saved, account = self._audience.dataset(incident.dataset_id), self._audience.account(incident.account_id)
        return saved.name if saved else f"account {account.name}" if account else "adreel"

    def _where(self, incident: Incident) -> Iterable[str]:
        saved = self._audience.dataset(incident.dataset_id)
        if saved is not None:
            yield f"Dataset: {saved.name} (account {saved.account_name})"
        if incident.first_run:
            run = incident.first_run if incident.closed_at is None else incident.last_run
            yield f"Run: {run}, {_time(incident.closed_at or incident.opened_at)}"

    def _remedy(self, incident: Incident) -> str:
        saved, account = self._audience.dataset(incident.dataset_id), self._audience.account(incident.account_id)
        slug, name = saved.slug if saved else "NAME", account.name if account else "NAME"
        return {
            IncidentKind.FAILED: f"The table is unchanged. Follow the error above, then run: adreel run {slug}",
            IncidentKind.CHECK_FAILED: f"Do not use the new rows. Restore earlier rows, or run: adreel run {slug}",
            IncidentKind.WARNINGS: f"The table is updated. Review the warnings: adreel history {slug}",
            IncidentKind.GMV_MAX: "Create a dataset from the template All TikTok spend: adreel datasets create "
            f"--template all_spend. Or set excludes_gmv_max: true in {slug}.",
            IncidentKind.BACKFILL_PAUSED: f"Decide, then resume: adreel backfills resume {slug}, or with --accept to "
            "leave a slice that is in the table as it is",
            IncidentKind.RECONNECT: f"Reconnect the account: adreel accounts reconnect {name!r}",
            IncidentKind.STALE: f"Run the dataset (adreel run {slug}), or give it a schedule.",
            IncidentKind.PUBLISH_FAILED: f"The table there has its earlier rows. Follow the error above, then run: "
            f"adreel publish {slug}",
            IncidentKind.RESTATED: "Compare the versions before you report the earlier figures.",
        }[incident.kind]

    def _link(self, incident: Incident) -> str:
        saved, account = self._audience.dataset(incident.dataset_id), self._audience.account(incident.account_id)
        if not self._base or (saved is None and account is None):
            return ""
        if saved is None:
            return f"{self._base}/accounts/{account.id}" if account else ""
        if incident.kind is IncidentKind.BACKFILL_PAUSED:
            return f"{self._base}/datasets/{saved.slug}#backfill"
        pages = {IncidentKind.RESTATED: "versions", IncidentKind.PUBLISH_FAILED: "destinations"}
        page = pages.get(incident.kind, "history")
        return f"{self._base}/datasets/{saved.slug}/{page}"

    def _subject(self, text: str) -> str:
        """A subject in one line."""
        return " ".join(f"[{self._workspace}] {text}".split())[:200]


def _lasted(incident: Incident, now: datetime) -> str:
    """How long the incident lasted, in words."""
    minutes = max(0, round(((incident.closed_at or now) - incident.opened_at) / timedelta(minutes=1)))
    days, hours = divmod(minutes // 60, 24)
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{minutes % 60} min" if not days else ""]
    return " ".join(filter(None, parts)) if minutes else "less than a minute"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
