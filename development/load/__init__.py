"""Simulated nodes and clients, a thousand of them in one process, for tests and measurements.

They speak real HTTP and real websockets with any server of the line, ours or the classic one, and
run no container: what they load is the server alone. `Book` keeps what they saw and when, `world`
makes the organizations that they belong to, and `cost` says what a server paid for them.
"""
