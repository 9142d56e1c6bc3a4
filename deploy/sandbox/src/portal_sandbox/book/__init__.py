"""The books: what a registration bought and sold in a month, drawn from its number and the seed.

Every return, statement and ledger is derived from here, so that they agree with each other.
"""
