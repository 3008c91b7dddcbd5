"""Tries whether an endpoint's connection works, step by step, for a person who wants to know. It
carries no message of the market.
"""
