"""The rules of the server: what spans more than one model, or has side effects.

========================  ==========================================================================
what is kept              `collaboration`, `node`, `user`, `granting` (roles and rules)
work                      `task`, `task_order` (the same one twice), `result` (what a node says of
                          its `own_run`), `kill`, `settling` (k of n, and by when), `claim` (which
                          process has it), `retention` (what is kept no longer)
who is who                `authentication` (from a secret to tokens), `identification` (back to who
                          holds one), `token`, `renewal` (refresh tokens), `password`,
                          `second_factor`, `recovery` with its `reset_token`, `derived_key`
not too often             `guard` (compares secrets) with `login_limit`, `mail_limit`, their
                          `limit_key`; `turns` (requests at once)
payloads                  `payload` (in the database or in the store), `staging` (to the store)
large payloads            `upload` (what is on its way) with `upload_limit`, `arrival` (a piece that
                          comes in), `blob` (what is there, and when it goes)
mail                      `notice` (who gets one, and when), `letter` (what it says), `mail` (how)
by itself                 `housekeeping`: what is done from time to time, beside the requests
several replicas          `presence` (who is connected to which), `catch_up` (missed events)
after the commit          `commit`, and what waits for it: `event` for sockets and those who wait,
                          `audit` for the trail, `changes` that finds what belongs there
from a file               `fixture`
========================  ==========================================================================

Nothing here knows of a request but `token` and `audit`.
"""
