"""How much longer than a second adreel waits before it uses a second's budget again, and how it learns that.

TikTok counts a request when it arrives. Two requests that were sent a second apart arrive less than a second apart if
the first was longer on its way; so a budget of ten a second that is used again after 1.00 s is passed now and then. How
much later is enough depends on how much the ways differ, which nobody tells. Two things hint at it:

- A refusal proves that the margin was too narrow. It is widened at once, and narrowed slowly. One in more than a
  thousand requests is taken for chance, and widens it by a little.
- Answers that take differently long may have been differently long on their way; or TikTok thought about some longer,
  which costs nothing. So a scatter widens the margin on suspicion, which fades if nothing is refused.

Who knows nothing begins with a small suspicion. Times are seconds; the numbers come from simulating networks that
scatter by up to 300 ms (tests/test_margin.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

LEAST = 0.02
"""The margin on a network that does not scatter: an operating system wakes a process some milliseconds late."""

MOST = 9.0
"""A tenth of the rate that is set. Half (1.0) is right beside another program that takes the other half, a fifth for an
app of level basic that is set to ultimate."""

_FIRST_CAUTION = 0.065
_MOST_CAUTION = 0.2
# A refusal confirms what the answers suggest. At least it widens the margin by half, or a little; or by more where they
# suggest nothing.
_A_LITTLE = 0.05
_WIDER = 0.08
# A refusal that follows this many requests without one is what a margin may cost: one that prevented it too would waste
# more than a refusal does. A second one soon after it proves more.
_RARE = 1_000
_AFTER_RARE = 0.02
# The ways of ten requests even each other out: a part of what one may be late is enough for all.
_PART = 0.8
# Answers that differ by less tell of nothing, by more of TikTok's own work: no way is that uneven.
_EVEN = 0.05
_UNEVEN = 0.4
# A scatter is news if it is so much wider than the widest of late.
_NEWS = 1.25
# What is left of a suspicion and of a proof after a second's budget was used at that margin and nothing was refused.
_KEPT_WITHOUT_GROUNDS = 0.9
_KEPT = 0.98
_PROOF_KEPT = 0.99
# Fewer than a burst of them would be the quickest of it.
_FEWEST_ANSWERS = 10
# Requests that may go at once follow each other at this part of their mean distance, so that no two go as one.
_CLOSE = 0.03


@dataclass(frozen=True, slots=True)
class Margin:
    """What is known of an app's network.

    `caution` is suspected, `proof` follows from refusals, `scatter` is the widest of the answers' lately; slots from
    number `since` on were given with what the last refusal taught.
    """

    caution: float = _FIRST_CAUTION
    proof: float = 0.0
    scatter: float = 0.0
    since: int = 0

    @property
    def seconds(self) -> float:
        """The margin to use."""
        return max(LEAST, self.caution, self.proof)

    def between(self, per_second: int) -> float:
        """How far apart to keep two requests that may both go at once.

        Close together: then as many of the next burst come early as came late of this one, and half the margin is
        enough. But the wider TikTok's refusals have made the margin, the more evenly: where even a burst is too much,
        others use the app, or its level is lower than we think.
        """
        return max(_CLOSE, min(1.0, self.proof**2) * (1 + self.proof)) / per_second

    def tried(self, per_second: int, scatter: float) -> Margin:
        """After a request that came as early as this margin allows: one of `per_second` that use a second's budget.

        `scatter` is that of the last answers.
        """
        part = 1 / per_second
        share_kept = _KEPT if _suspicious(self.scatter) else _KEPT_WITHOUT_GROUNDS
        return replace(
            self,
            caution=self.caution * share_kept**part,
            proof=self.proof * _PROOF_KEPT**part,
            scatter=max(scatter, self.scatter * _PROOF_KEPT**part),
        )

    def refused(self, number: int, margin: float, following: int) -> Margin:
        """After TikTok refused slot `number`, given with `margin`, when the next slot to be given is `following`.

        What was sent before the last refusal was known was sent with the margin of then, and tells nothing new.
        `number` counts all slots that the app was ever given, so a new home's first thousand are never rare.
        """
        if number < self.since:
            return self
        if number - self.since >= _RARE:
            return replace(self, proof=min(MOST, max(self.proof, margin + _AFTER_RARE)), since=following)
        suggested, step = (self.scatter, _A_LITTLE) if _suspicious(self.scatter) else (0.0, _WIDER)
        wider = min(MOST, max(suggested, margin + max(step, margin / 2)))
        return replace(self, proof=max(self.proof, wider), since=following)

    def scattered(self, scatter: float) -> Margin:
        """After answers that scatter so; hardly more than what was seen lately is no news."""
        if scatter <= _NEWS * self.scatter or not _suspicious(scatter):
            return self
        return replace(self, caution=max(self.caution, min(_MOST_CAUTION, _PART * scatter)), scatter=scatter)


def _suspicious(scatter: float) -> bool:
    """Whether the network may be what makes answers scatter so."""
    return _EVEN <= scatter <= _UNEVEN


def scatter_of(journeys: Sequence[float]) -> float:
    """How differently long some answers took: four in five came within this of the quickest.

    The slowest are left out, since one may be slow for any reason. 0 if there are too few to tell.
    """
    if len(journeys) < _FEWEST_ANSWERS:
        return 0.0
    ordered = sorted(journeys)
    return ordered[round(0.8 * (len(ordered) - 1))] - ordered[0]
