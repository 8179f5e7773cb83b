"""Files that lie about themselves, each made in a few kilobytes or megabytes; run as a script, reads them all.

``python hostile.py FOLDER`` writes them, reads each, and prints a JSON list of [name, error code or "", seconds] and
the peak memory in MiB, with the libraries loaded and at the end, so that a test can hold it against its limits in a
process of its own.
"""

import gzip
import json
import re
import struct
import sys
import time
import zlib
from importlib import import_module
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)


def png_chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, bits, colour, n_rows):
    channels = {0: 1, 2: 3, 6: 4}[colour]
    packer = zlib.compressobj(9)
    row = bytes(1 + width * channels * bits // 8)
    data = b"".join(packer.compress(row) for _ in range(n_rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def dicom(path, syntax, pixels, rows=100, columns=100, bits=16, **tags):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3"
    meta.TransferSyntaxUID = syntax
    little = syntax.is_little_endian
    dataset = FileDataset(path, {}, b"\0" * 128, meta, is_implicit_VR=False, is_little_endian=little)
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = rows, columns, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    for name, value in tags.items():
        setattr(dataset, name, value)
    dataset.PixelData = encapsulate([pixels]) if syntax.is_encapsulated else pixels
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated else "OW"
    dataset.save_as(path, enforce_file_format=True)


def start_of_frame(marker, rows, columns):
    return b"\xff\xd8\xff" + bytes([marker]) + struct.pack(">HBHHB", 11, 8, rows, columns, 1) + b"\1\x11\0\xff\xd9"


def siz(rows, columns):
    head = struct.pack(">HHIIIIIIIIHBBB", 41, 0, columns, rows, 0, 0, columns, rows, 0, 0, 1, 15, 1, 1)
    return b"\xff\x4f\xff\x51" + head + b"\xff\xd9"


def nested(depth):
    item = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ModalityLUTSequence = Sequence([item])
        item = outer
    return item.ModalityLUTSequence


def nifti(sizes, content):
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, len(sizes), *sizes, *[1] * (7 - len(sizes)))
    struct.pack_into("<hh", head, 70, 4, 16)
    struct.pack_into("<8f", head, 76, 1, *[0.2] * 7)
    struct.pack_into("<f", head, 108, 352)
    head[123] = 2  # mm
    head[344:348] = b"n+1\0"
    return bytes(head) + content


def tiff(width, height):
    tags = [(256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1)]
    tags += [(278, 4, height), (279, 4, 100)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return b"II*\0" + struct.pack("<I", 108) + bytes(100) + struct.pack("<H", len(tags)) + entries + bytes(4)


def write_all(folder):
    """Write every file; return their paths."""
    nrrd = "NRRD0004\ntype: uint16\ndimension: 2\nsizes: {0} {0}\nendian: little\nencoding: {1}\n\n"
    mha = "ObjectType = Image\nNDims = 2\nBinaryData = True\n{1}DimSize = {0} {0}\nElementType = MET_USHORT\n"
    zeros = gzip.compress(bytes(2**24))
    pictures = {
        "65535.png": png(65535, 65535, 16, 0, 1),
        "bomb.png": png(8000, 8000, 16, 6, 8000),
        "blank.png": png(4000, 4000, 16, 0, 4000),
        "65535.tif": tiff(65535, 65535),
        "8000.tif": tiff(8000, 8000),
        "65535.jpg": start_of_frame(0xC0, 65535, 65535),
        "8000.jpg": start_of_frame(0xC0, 8000, 8000),
        "scans.jpg": start_of_frame(0xC2, 100, 100)[:-2] + b"\xff\xda\0\2" * 10_000 + b"\xff\xd9",
        "65535.nrrd": nrrd.format(65535, "raw").encode() + bytes(100),
        "bomb.nrrd": nrrd.format(8000, "gzip").encode() + zeros,
        "65535.mha": mha.format(65535, "").encode() + b"ElementDataFile = LOCAL\n" + bytes(100),
        "bomb.mha": mha.format(8000, "CompressedData = True\n").encode() + b"ElementDataFile = LOCAL\n" + zeros,
        "30000.nii": nifti([30000, 30000], bytes(100)),
        "bomb.nii.gz": gzip.compress(nifti([8000, 8000], bytes(2**24))),
        "short.nii": nifti([50, 50], bytes(100)),
        "short.nii.gz": gzip.compress(nifti([50, 50], bytes(100))),
        "not an image.png": b"no picture at all" * 100,
        "no prefix.dcm": bytes(5000),
    }
    for name, content in pictures.items():
        (folder / name).write_bytes(content)
    run = struct.pack("<16I", 2, 64, 64 + 2**21, *[0] * 13) + b"\x81\0" * 2**21  # 2 x 128 MiB of zeros
    dicoms = {
        "claims.dcm": (ExplicitVRLittleEndian, bytes(200), 65535, 65535),
        "claims less.dcm": (ExplicitVRLittleEndian, bytes(200), 8000, 8000),
        "rle bomb.dcm": (RLELossless, run),
        "deflate bomb.dcm": (DeflatedExplicitVRLittleEndian, bytes(2**26)),
        "jpeg 2000.dcm": (JPEG2000Lossless, siz(65535, 65535)),
        "jpeg-ls.dcm": (JPEGLSLossless, start_of_frame(0xF7, 65535, 65535)),
        "jpeg.dcm": (JPEGBaseline8Bit, start_of_frame(0xC0, 65535, 65535)),
        "jpeg lossless.dcm": (JPEGLosslessSV1, start_of_frame(0xC3, 100, 100)),
    }
    for name, (syntax, pixels, *shape) in dicoms.items():
        dicom(folder / name, syntax, pixels, *shape)
    sys.setrecursionlimit(20_000)
    dicom(folder / "depth 300.dcm", ExplicitVRLittleEndian, bytes(20_000), ModalityLUTSequence=nested(300))
    sys.setrecursionlimit(1000)
    whole = (folder / "claims less.dcm").read_bytes()
    (folder / "cut off.dcm").write_bytes(whole[: len(whole) // 2])
    return sorted(folder.iterdir())


def main(folder):
    for library in ("pydicom.pixels", "SimpleITK"):
        import_module(library)
    from deepradiomics import read_radiograph
    from deepradiomics.exceptions import DeepRadiomicsError

    report, loaded = [], peak()
    for path in sorted(folder.iterdir()):
        start, code = time.perf_counter(), ""
        try:
            read_radiograph(path)
        except DeepRadiomicsError as error:
            code = error.code
        report.append([path.name, code, round(time.perf_counter() - start, 3)])
    sys.stdout.write(json.dumps({"files": report, "loaded": loaded, "peak": peak()}))


def peak():
    """Peak memory of this process in MiB; not ru_maxrss, which starts with the peak of the parent."""
    return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text()).group(1)) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]))
