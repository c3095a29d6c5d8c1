"""`python -m postolka`."""

import sys

from postolka.cli import main

sys.exit(main())
