"""Run as a script: decode one frame with GDCM under a limit of memory, and write its bytes to stdout.

The file comes on stdin, so that its name is not seen in the list of processes.
"""

import sys
from io import BytesIO


def main(limit):
    """Limit this process, then decode."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    from pydicom import dcmread
    from pydicom.pixels import get_decoder

    dataset = dcmread(BytesIO(sys.stdin.buffer.read()))
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    frame, _ = decoder.as_array(dataset, index=0, raw=True, decoding_plugin="gdcm")
    sys.stdout.buffer.write(frame.tobytes())


if __name__ == "__main__":
    main(int(sys.argv[1]))
