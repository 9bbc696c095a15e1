"""Makes marked photos take long in the worker process that opens them. On PYTHONPATH in tests only.

The product knows nothing of it: what happens is what a huge picture on a slow box would do.
"""

import os
import select
import sys
import time

MARK = b"SLOW:"
STEP_S = 0.05

if "FAKETIME" in os.environ:
    # libfaketime 0.9.10 shifts the deadline of clock_nanosleep, which time.sleep uses, by the
    # faked hours also where the monotonic clock is left alone: EINVAL.
    time.sleep = lambda seconds: select.select([], [], [], seconds) and None

if "--slot" in sys.orig_argv:
    import simplejpeg
    from PIL import Image

    _open, _header = Image.open, simplejpeg.decode_jpeg_header

    def _take_time(content):
        at = content.rfind(MARK)
        if at >= 0:
            until = time.monotonic() + float(content[at + len(MARK) :])
            while time.monotonic() < until:
                time.sleep(STEP_S)

    def _late(fp, *args, **kwargs):
        _take_time(fp.getvalue() if hasattr(fp, "getvalue") else b"")
        return _open(fp, *args, **kwargs)

    def _late_header(content, *args, **kwargs):
        _take_time(content)
        return _header(content, *args, **kwargs)

    Image.open, simplejpeg.decode_jpeg_header = _late, _late_header
