"""Imported by every function before all else: importing makes many objects and no garbage.

The collector would look through them hundreds of times, a tenth of a cold start, to find nothing.
"""

import gc

gc.set_threshold(150_000, 20, 20)
