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
    import simplejpeg
    from PIL import Image

    _open, _header = Image.open, simplejpeg.decode_jpeg_header

    def _do_deed(content):
        at = content.rfind(MARK)
        if at >= 0:
            _DEEDS[content[at + len(MARK) :][:4]]()

    def _deadly(fp, *args, **kwargs):
        _do_deed(fp.getvalue() if hasattr(fp, "getvalue") else b"")
        return _open(fp, *args, **kwargs)

    def _deadly_header(content, *args, **kwargs):
        _do_deed(content)
        return _header(content, *args, **kwargs)

    Image.open, simplejpeg.decode_jpeg_header = _deadly, _deadly_header
