"""A federation in which parts die, stall and fill up at random, and a ledger of what came back.

`world.py` sets it up, `stream.py` asks, `chaos.py` breaks things and mends them, `ledger.py` says
what was lost, done twice, wrong or left open. `make soak` runs `__main__.py`.
"""
