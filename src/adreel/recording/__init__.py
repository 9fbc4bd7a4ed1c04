"""Records of what TikTok answers, without anything of the account in them, and their replay.

A fault that only shows with somebody's account can be sent to the project as a record, and replayed in a test.
"""
