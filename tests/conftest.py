"""What holds for every test: Ctrl-C works, also where the suite itself was started in the background.

A shell without job control starts background jobs with SIGINT ignored (POSIX, Shell Command Language 2.11), and every
process they start inherits that; a Go program then stays deaf to the SIGINT with which tests end it.
"""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
