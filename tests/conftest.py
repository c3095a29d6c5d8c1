"""What holds for all tests."""

from hypothesis import settings

# A busy machine is no reason for a property to be false.
settings.register_profile("postolka", deadline=None)
settings.load_profile("postolka")
