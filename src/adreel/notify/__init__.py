"""Notifications: incidents, who hears of them, and the messages, sent by apprise.

In the order of the flow: `observe` opens and closes incidents, `restated` measures one kind of them, `routing` decides
who hears and when, `messages` writes, `sending` and `child` send, `ticking` does all of it again and again. `schemes`
says which addresses are allowed and hides them, `subscriptions` adds, changes, tests and removes them.
"""
