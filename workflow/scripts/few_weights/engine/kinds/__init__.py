"""Kinds of layers in machine code: each writes the functions of its forward and backward pass for one group.

In: the shapes of what goes in and comes out. Out: functions of a `Program`.
May import: nothing.
"""
