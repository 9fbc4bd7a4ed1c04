"""Drafts: what is filled in and not saved is there again, for the user who filled it in and nobody else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from adreel.errors import NotFoundError
from adreel.store import Level, Role
from adreel.store.drafts import LARGEST, MOST
from form_page import Pairs, filled, sent
from test_web_details import SMALL, begun, data, form, saved, settings_of
from web_home import Site, Visit, open_site, words_of


def draft_links(page: str) -> list[str]:
    """The addresses at which drafts are continued."""
    return re.findall(r'href="([^"]*\?draft=[^"]+)"', page)


def dataset_fields(pairs: Pairs) -> Pairs:
    """The fields without those of the page."""
    return [pair for pair in pairs if not re.match(r"draft|pane$|tried", pair[0])]


def typed(visit: Visit, **fields: Any) -> str:
    """A new form, in which these fields were changed one after the other."""
    return begun(visit, **fields)


def test_what_was_filled_in_is_there_again_after_the_browser_and_the_server_were_closed(site: Site) -> None:
    page = typed(site.visit("admin"), name="Half done", tags="a, b", dates__kind="range", dates__start__back="9x")
    site.home.now += timedelta(minutes=5)
    with open_site(site.home) as again:
        visit = again.visit("admin")
        for address in ("/datasets", "/datasets/new"):
            text = visit.good(address)
            assert "Half done Draft, saved 5 minutes ago" in words_of(text)
            assert 'aria-label="Continue draft Half done, saved 5 minutes ago"' in text
            (link,) = draft_links(text)
        continued = visit.good(link)
        assert dataset_fields(sent(continued)) == dataset_fields(sent(page))
        # Saved as a dataset, the draft is gone.
        mended = filled(continued, dates__start__back="9")
        assert visit.sent("/datasets/new", data([*mended, ("then", "open")])) == "/datasets/half_done"
        assert draft_links(visit.good("/datasets/new")) == []
        assert visit.get(link).status_code == 404


def test_a_form_in_which_nothing_was_filled_in_leaves_no_draft(site: Site) -> None:
    visit = site.visit("admin")
    page = visit.good("/datasets/new")
    form(visit, [*sent(page), ("do", "continue credentials")])
    searched = form(visit, filled(page, metrics__search="likes"))
    assert draft_links(visit.good("/datasets/new")) == []
    # What is filled in and taken back leaves none either.
    once = form(visit, filled(searched, description="x"))
    assert len(draft_links(visit.good("/datasets/new"))) == 1
    form(visit, filled(once, description=""))
    assert draft_links(visit.good("/datasets/new")) == []


def test_searching_and_folding_write_nothing(site: Site) -> None:
    visit = site.visit("admin")
    # Sent as a browser does, with all fields of the page.
    page = form(visit, sent(typed(visit, name="N")))
    before = site.store.drafts.list(site.store.users.get("admin"))
    site.home.now += timedelta(minutes=1)
    pairs = [(name, {"metrics.search": "likes", "pane": "scheduling"}.get(name, value)) for name, value in sent(page)]
    form(visit, sent(form(visit, pairs)))
    assert site.store.drafts.list(site.store.users.get("admin")) == before


def test_two_tabs_with_one_draft_do_not_overwrite_each_other(site: Site) -> None:
    visit = site.visit("admin")
    first = typed(visit, name="Shared")
    (link,) = draft_links(visit.good("/datasets/new"))
    second = form(visit, filled(visit.good(link), description="of the second tab"))
    # The first tab does not know of it.
    for text in ("of the first tab", "of the first tab again"):
        # Also if the answer to the first change was lost, it is one draft.
        answer = form(visit, filled(first, description=text))
    assert "This draft was changed in another tab. Your changes are kept as a draft of their own." in words_of(answer)
    drafts = site.store.drafts.list(site.store.users.get("admin"))
    kept = {dict(draft.fields)["description"] for draft in drafts}
    assert kept == {"of the first tab again", "of the second tab"}
    # From now on each tab goes on with its own, without a word.
    for page, text in ((answer, "one"), (second, "two")):
        assert "changed in another tab" not in form(visit, filled(page, description=text))
    kept = {dict(draft.fields)["description"] for draft in site.store.drafts.list(site.store.users.get("admin"))}
    assert kept == {"one", "two"}


def test_a_lost_answer_makes_no_second_draft(site: Site) -> None:
    visit = site.visit("admin")
    page = visit.good("/datasets/new")
    for name in ("a", "ab", "abc"):
        form(visit, filled(page, name=name))
    assert [draft.title for draft in site.store.drafts.list(site.store.users.get("admin"))] == ["abc"]


def test_what_is_typed_when_the_page_is_left_is_kept_without_an_answer(site: Site) -> None:
    visit = site.visit("admin")
    page = visit.good("/datasets/new")
    answer = visit.post("/datasets/draft", data(filled(page, description="typed to the last letter")))
    assert (answer.status_code, answer.content) == (204, b"")
    (link,) = draft_links(visit.good("/datasets/new"))
    assert ("description", "typed to the last letter") in sent(visit.good(link))


def test_what_a_page_sends_after_its_form_was_saved_makes_no_draft(site: Site) -> None:
    visit = site.visit("admin")
    # Saved right after typing: nothing of this form has arrived before.
    pairs = filled(visit.good("/datasets/new"), **(SMALL | {"name": "Prompt"}))
    assert visit.sent("/datasets/new", data([*pairs, ("then", "open")])) == "/datasets/prompt"
    answer = visit.post("/datasets/draft", data(pairs))
    assert answer.status_code == 204
    assert "Adreel-Draft" not in answer.headers
    form(visit, pairs)
    assert draft_links(visit.good("/datasets/new")) == []
    key = dict(pairs)["draft"]
    assert visit.post(f"/drafts/{key}/restore", {}).status_code == 404
    # Another form is kept as before.
    typed(visit, name="Next")
    assert len(draft_links(visit.good("/datasets/new"))) == 1


def test_a_discarded_draft_can_be_restored_from_the_page_that_follows(site: Site) -> None:
    visit = site.visit("admin")
    typed(visit, name="Put away")
    (draft,) = site.store.drafts.list(site.store.users.get("admin"))
    place = visit.sent(f"/drafts/{draft.key}/discard", {"onward": "/datasets"})
    text = visit.good(place)
    assert "Draft discarded. Undo" in " ".join(words_of(text).split())
    assert draft_links(text) == []
    assert visit.get(f"/datasets/new?draft={draft.key}").status_code == 404
    assert visit.sent(f"/drafts/{draft.key}/restore", {"onward": "/datasets"}) == "/datasets"
    assert "Restored the draft 'Put away'." in words_of(visit.good("/datasets"))
    for action in ("discard", "restore"):
        assert visit.post(f"/drafts/none/{action}").status_code == 404
    # What was discarded is forgotten after an hour, when something else is kept.
    elsewhere = visit.sent(f"/drafts/{draft.key}/discard", {"onward": "//elsewhere.example/x"})
    assert elsewhere == f"/datasets/new?discarded={draft.key}"
    site.home.now += timedelta(hours=2)
    typed(visit, name="Another")
    assert visit.post(f"/drafts/{draft.key}/restore").status_code == 404


def test_drafts_are_of_their_user_alone(site: Site) -> None:
    ada = site.user("ada")
    typed(site.visit("admin"), name="Secret plans")
    (draft,) = site.store.drafts.list(site.store.users.get("admin"))
    visit = site.visit(ada)
    assert "Secret plans" not in visit.good("/datasets") + visit.good("/datasets/new")
    assert visit.get(f"/datasets/new?draft={draft.key}").status_code == 404
    assert visit.post(f"/drafts/{draft.key}/discard").status_code == 404
    # The same key from another user's form is another draft.
    stranger = filled(visit.good("/datasets/new"), name="Mine", draft=draft.key)
    form(visit, stranger)
    assert [kept.title for kept in site.store.drafts.list(site.store.users.get("admin"))] == ["Secret plans"]
    assert [kept.title for kept in site.store.drafts.list(ada)] == ["Mine"]
    vera = site.visit(site.user("vera", Role.VIEWER))
    for path in ("/datasets/draft", f"/drafts/{draft.key}/discard", f"/drafts/{draft.key}/restore"):
        assert vera.post(path, data(stranger)).status_code == 403, path
    site.store.users.delete(ada)
    with pytest.raises(NotFoundError):
        site.store.drafts.get(ada, draft.key)


@pytest.mark.parametrize("gone", ["deleted", "unshared"])
def test_a_draft_whose_account_is_gone_opens_and_says_so(site: Site, gone: str) -> None:
    ada, account = site.user("ada"), site.store.accounts.get("demo")
    site.store.shares.set(account, ada, Level.READ)
    visit = site.visit(ada)
    typed(visit, name="Kept", account="demo")
    if gone == "deleted":
        site.store.accounts.delete(account)
    else:
        site.store.shares.set(account, ada, Level.NONE)
    (link,) = draft_links(visit.good("/datasets/new"))
    page = visit.good(link)
    assert "demo is not available: it was deleted or is no longer shared with you. Select another" in words_of(page)
    assert re.search(r'<details[^>]*data-pane="credentials"[^>]* open>', page)
    assert ("name", "Kept") in sent(page)


@pytest.mark.slow
def test_drafts_are_bounded_in_number_and_size(site: Site) -> None:
    visit, admin = site.visit("admin"), site.store.users.get("admin")
    page = visit.good("/datasets/new")
    for number in range(MOST + 2):
        site.home.now += timedelta(minutes=1)
        form(visit, filled(page, name=f"Draft {number}", draft=f"key{number}", draft__tab=f"key{number}"))
    kept = [draft.title for draft in site.store.drafts.list(admin)]
    assert kept == [f"Draft {number}" for number in reversed(range(2, MOST + 2))]
    large = form(visit, filled(page, description="x" * LARGEST))
    assert "The form is too large for a draft" in words_of(large)
    assert len(dict(sent(large))["description"]) == LARGEST
    odd = form(visit, filled(page, name="N", draft="k" * 500))
    assert "The draft's key is not valid" in words_of(odd)
    assert len(site.store.drafts.list(admin)) == MOST


def test_unsaved_settings_are_offered_in_the_settings_of_their_dataset_alone(site: Site) -> None:
    dataset, visit = saved(site), site.visit("admin")
    address = f"/datasets/{dataset.slug}/settings"
    changed = form(visit, settings_of(visit, dataset, description="Not saved yet"))
    assert "Draft saved" in words_of(changed)
    assert draft_links(visit.good("/datasets")) == draft_links(visit.good("/datasets/new")) == []
    (link,) = draft_links(visit.good(address))
    assert link.startswith(f"{address}?draft=")
    page = visit.good(link)
    assert ("description", "Not saved yet") in sent(page)
    # A draft of settings is none of a new dataset.
    assert visit.get("/datasets/new", draft=link.rpartition("=")[2]).status_code == 404
    # Somebody else saves meanwhile: the draft knows which settings it began with.
    other = site.visit(site.user("bob", Role.ADMIN))
    other.sent(address, data(settings_of(other, dataset, description="Bob's")))
    answer = visit.post(address, data(sent(page)))
    assert answer.status_code == 409
    visit.sent(address, data(sent(answer.text)))
    assert site.store.datasets.get(dataset.slug).description == "Not saved yet"
    assert draft_links(visit.good(address)) == []
    # It goes with its dataset.
    form(visit, settings_of(visit, dataset, description="Lost with it"))
    (draft,) = site.store.drafts.list(site.store.users.get("admin"), dataset)
    site.store.datasets.delete(dataset)
    with pytest.raises(NotFoundError):
        site.store.drafts.get(site.store.users.get("admin"), draft.key)


def test_markup_in_a_draft_is_shown_as_text(site: Site) -> None:
    visit = site.visit("admin")
    typed(visit, name='<script>alert("x")</script>')
    page = visit.good("/datasets/new")
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_home_offers_to_go_on_with_every_draft_and_leads_to_its_form(site: Site) -> None:
    visit = site.visit("admin")
    dataset = saved(site)
    form(visit, settings_of(visit, dataset, description="half"))
    site.home.now += timedelta(minutes=1)
    typed(visit, name="Half done")
    page = visit.good("/home")
    new, settings = draft_links(page)
    assert new.startswith("/datasets/new?draft=")
    assert settings.startswith("/datasets/spend/settings?draft=")
    assert "Settings of Spend Draft, saved 1 minute ago" in words_of(page)
    assert "half" in visit.good(settings)
    key = settings.partition("draft=")[2]
    assert visit.sent(f"/drafts/{key}/discard", {"onward": "/home"}) == f"/home?discarded={key}"
    assert "Draft discarded. Undo" in visit.words(f"/home?discarded={key}")
    assert draft_links(visit.good("/home")) == [new]
    # Nobody else has them, and settings that may not be changed any more are not offered.
    assert draft_links(site.visit(site.user("grace")).good("/home")) == []
    visit.sent(f"/drafts/{key}/restore", {"onward": "/home"})
    site.store.datasets.delete(dataset)
    assert draft_links(visit.good("/home")) == [new]


def test_what_a_button_changed_is_in_the_draft(site: Site) -> None:
    visit = site.visit("admin")
    page = begun(visit, name="Buttons")
    form(visit, [*sent(page), ("do", "add-set metrics core")])
    (link,) = draft_links(visit.good("/home"))
    metrics = [value for name, value in sent(visit.good(link)) if name == "metrics"]
    assert {"spend", "reach", "result_rate"} <= set(metrics)
    form(visit, [*sent(visit.good(link)), ("do", "empty metrics")])
    assert [value for name, value in sent(visit.good(link)) if name == "metrics"] == []
