"""Makes marked photos deadly to the worker process that opens them. On PYTHONPATH in tests only.

The product knows nothing of it: what happens is what a native decoder's bug would do.
"""

import ctypes
import os
import sys
import time

MARK = b"POISON:"


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(b"x") * (32 << 20))


_DEEDS = {
    b"segv": lambda: ctypes.string_at(0),
    b"abrt": os.abort,
    b"loop": lambda: [None for _ in iter(int, 1)],
    b"hang": lambda: time.sleep(10**6),
    b"kill": lambda: os.kill(os.getpid(), 9),
    b"eats": _eat,
}

if "--slot" in sys.orig_argv:
    from PIL import Image

    _open = Image.open

    def _deadly(fp, *args, **kwargs):
        content = fp.getvalue() if hasattr(fp, "getvalue") else b""
        at = content.rfind(MARK)
        if at >= 0:
            _DEEDS[content[at + len(MARK) :][:4]]()
        return _open(fp, *args, **kwargs)

    Image.open = _deadly
