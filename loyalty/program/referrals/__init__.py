"""A customer recommends the shop to a friend: both get something once the friend has bought.

links → claiming (a friend comes) → judging (orders decide) → settling (rewards are given, or undone, by a worker).
"""
