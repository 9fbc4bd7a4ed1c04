"""The form of a notification address: by e-mail, to a service, or as an apprise URL."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from adreel.enumerations import TextEnum
from adreel.errors import FieldError
from adreel.language import Phrase, phrase
from adreel.notify.mail import MailServer, is_mail_address, mail_url, read_recipients
from adreel.notify.schemes import as_webhook, is_service_webhook, shown, webhook_url
from adreel.store.names import is_id
from adreel.web.forms.fields import FormFields


class Way(TextEnum):
    """How messages go out; `label` names it on the page. The field of its URL has the same name."""

    label: str

    MAIL = "mail", Phrase("E-mail")
    SLACK = "slack", "Slack"
    TEAMS = "teams", "Microsoft Teams"
    WEBHOOK = "webhook", Phrase("Webhook")
    OTHER = "url", Phrase("Other service")


def way_of(fields: FormFields) -> Way:
    """The way that is chosen; a form with nothing but a URL is one of another service."""
    chosen = fields.last("way")
    return Way(chosen) if chosen in set(Way) else Way.OTHER if "url" in fields else Way.MAIL


def address_url(fields: FormFields, same_server: Callable[[int, tuple[str, ...]], str]) -> tuple[str, str]:
    """The apprise URL that the form asks for, and a name for it, which may be empty. Raises FieldError.

    `same_server` gives the URL of the mail server of the address of that id for other recipients.
    """
    way = way_of(fields)
    typed = fields.text(way)
    if way is Way.MAIL:
        return _mail(fields, same_server)
    if is_mail_address(typed):
        raise FieldError("recipients", phrase("For an e-mail address, choose its mail server, too."))
    if way is Way.WEBHOOK:
        url = webhook_url(typed)
        return url, as_webhook(shown(url)).removesuffix("/****")
    if way is Way.SLACK and not typed.startswith(("https://hooks.slack.com/", "https://hooks.slack-gov.com/")):
        raise FieldError(
            "slack", phrase("Webhook URL: paste the one from Slack, which begins with https://hooks.slack.com/.")
        )
    if way is Way.TEAMS and not _is_workflow(typed):
        raise FieldError("teams", _TEAMS_RETIRED if "webhook.office.com" in typed else _TEAMS)
    return typed, "" if way is Way.OTHER else way.label


def as_mail(fields: FormFields) -> FormFields:
    """The form with an e-mail address that was typed as another way, as one of an e-mail."""
    typed = fields.text(way_of(fields)).removeprefix("mailto:")
    return FormFields({**fields.values, "way": (Way.MAIL,), "recipients": (typed,)})


def without_password(fields: FormFields) -> FormFields:
    """The form as it may be sent back."""
    url = re.sub(r"(://[^:/@]*:)[^@/]*@", r"\1@", fields.last("url"))
    kept = {name: values for name, values in fields.values.items() if name != "password"}
    return FormFields({**kept, "url": (url,)} if url else kept)


_TEAMS = Phrase(
    "Webhook URL: paste the one of a Teams workflow, whose host ends in logic.azure.com or api.powerplatform.com."
)
_TEAMS_RETIRED = Phrase(
    "Webhook URL: Microsoft has retired webhook.office.com. In Teams, create the workflow “Send webhook alerts to a "
    "channel” and paste its URL."
)


def _is_workflow(text: str) -> bool:
    return is_service_webhook(text) and "/workflows/" in urlsplit(text).path and "slack" not in text.partition("/w")[0]


def _mail(fields: FormFields, same_server: Callable[[int, tuple[str, ...]], str]) -> tuple[str, str]:
    recipients = read_recipients(fields.last("recipients"))
    chosen = fields.text("server")
    if is_id(chosen):
        url = same_server(int(chosen), recipients)
    else:
        names = ("host", "port", "security", "user", "password", "sender")
        url = mail_url(MailServer(**{name: fields.last(name) for name in names}), recipients)
    return url, ", ".join(recipients)[:100]
