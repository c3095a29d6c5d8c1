"""What status looks at besides units and ports: one module a subject, each with a `check`.

Only reads. What takes network time isn't asked here, but by `postolka.lookout`, on a timer.
"""
