"""Right calls with wrong results: relations between calls that hold whatever the case.

Each kind of relation is a module with a function `check(rng)`. It draws a case with a
`numpy.random.Generator`, runs it, and raises an `AssertionError` that describes the case if the
relation does not hold. Nothing is drawn from elsewhere, so that a seed is a case.
"""
