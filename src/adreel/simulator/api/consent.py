"""The page on which a person allows the app to read advertisers."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from adreel.simulator.api.grants import auth_code
from adreel.simulator.control.state import Simulator
from adreel.simulator.world.advertisers import SimulatedAdvertiser

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_STYLE = "body{font:16px system-ui;max-width:36rem;margin:3rem auto;padding:0 1rem}label{display:block;padding:.3rem 0}"


class ConsentError(ValueError):
    """The link to the consent page is invalid; the message is for the person who followed it."""


def _check(simulator: Simulator, query: Mapping[str, str]) -> str:
    """The redirect address. Raises ConsentError unless the app is this one and the address is https or loopback."""
    if query.get("app_id") != simulator.config.app_id:
        raise ConsentError("There is no app with this app_id.")
    target = query.get("redirect_uri", "")
    parts = urlsplit(target)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConsentError("The redirect_uri is not one of the app's.")
    return target


def show_consent(simulator: Simulator, query: Mapping[str, str]) -> str:
    """The page as HTML."""
    _check(simulator, query)

    def checked(advertiser: SimulatedAdvertiser) -> str:
        # All but the account that no token may read, so that a consent given without a look can be used.
        return "" if advertiser.kind == "no_permission" else " checked"

    boxes = "".join(
        f'<label><input type="checkbox" name="advertiser_id" value="{advertiser.id}"{checked(advertiser)}> '
        f"{escape(advertiser.name)} <small>{advertiser.id}</small></label>"
        for advertiser in simulator.world.advertisers
        if simulator.removed.get(advertiser.id, True)
    )
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in query.items()
        if name in {"app_id", "state", "redirect_uri"}
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Simulated TikTok for Business</title>'
        # Without this the browser requests /favicon.ico, which does not exist.
        '<link rel="icon" href="data:,">'
        f"<style>{_STYLE}</style><h1>Allow this app to read your ad accounts?</h1>"
        "<p>This is adreel's simulator, not TikTok. Everything on it is made up.</p>"
        f'<form method="post" action="/portal/auth">{hidden}{boxes}'
        '<p><button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="refuse">Refuse</button></p></form></html>'
    )


def take_decision(simulator: Simulator, content: bytes) -> str:
    """The address to redirect to after the form: the app's, with a code or with `error=access_denied`."""
    form = parse_qs(content.decode(), keep_blank_values=True)
    query = {name: values[0] for name, values in form.items()}
    target = _check(simulator, query)
    answer = {"state": query["state"]} if "state" in query else {}
    chosen = [
        simulator.world.by_id[text].index for text in form.get("advertiser_id", []) if text in simulator.world.by_id
    ]
    if query.get("decision") != "allow" or not chosen:
        return _with(target, {"error": "access_denied", "error_description": "The user refused.", **answer})
    simulator.consents += 1
    code = auth_code(simulator.config, chosen, simulator.consents, simulator.wall())
    return _with(target, {"auth_code": code, "code": code, **answer})


def _with(target: str, answer: Mapping[str, str]) -> str:
    parts = urlsplit(target)
    return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), *answer.items()])))
