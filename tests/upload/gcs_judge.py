"""Google's own client against a server at argv[1]: exits 1, saying what, at the first difference
to what the documentation of Cloud Storage promises. With more arguments NAME SIZE CRC32C: the
client reads that object, too."""

import base64
import io
import os
import sys

os.environ["STORAGE_EMULATOR_HOST"] = sys.argv[1]
import google_crc32c  # noqa: E402
from google.api_core import exceptions  # noqa: E402
from google.auth.credentials import AnonymousCredentials  # noqa: E402
from google.cloud import storage  # noqa: E402

client = storage.Client(credentials=AnonymousCredentials(), project="p")
bucket = client.bucket("bucket")


def crc(data):
    return base64.b64encode(google_crc32c.Checksum(data).digest()).decode()


def refused(kind, call):
    try:
        call()
    except kind:
        return
    raise SystemExit(f"not refused with {kind.__name__}")


def upload(name, data, **options):
    blob = bucket.blob(name, chunk_size=options.pop("chunk_size", None))
    blob.upload_from_file(io.BytesIO(data), size=len(data), retry=None, **options)
    blob = bucket.get_blob(name)  # anew, as it reads a blob of chunks by ranges
    assert (blob.size, blob.crc32c) == (len(data), crc(data)), name
    assert blob.download_as_bytes(checksum=None, raw_download=True) == data, name
    return blob


if len(sys.argv) > 2:
    one = bucket.get_blob(sys.argv[2])
    data = one.download_as_bytes(checksum=None, raw_download=True)
    assert one.size == len(data) == int(sys.argv[3]), "size"
    assert one.crc32c == crc(data) == sys.argv[4], "crc32c"
    sys.exit(0)

upload("j/one shot", b"123456789", checksum="crc32c")
refused(exceptions.PreconditionFailed,
        lambda: upload("j/one shot", b"x", if_generation_match=0))
big = os.urandom(1_000_000)
upload("j/resumable", big, chunk_size=256 << 10, checksum="crc32c", if_generation_match=0)
refused(exceptions.PreconditionFailed,
        lambda: upload("j/resumable", big, chunk_size=256 << 10, if_generation_match=0))
named = bucket.blob("j/named")
named.metadata = {"some": "thing"}
named.upload_from_file(io.BytesIO(bytes(9_000_000)), size=9_000_000, retry=None)
assert bucket.get_blob("j/named").metadata == {"some": "thing"}
parts = [upload(f"j/part{i}", os.urandom(1000)) for i in range(33)]
whole = bucket.blob("j/composed")
whole.compose(parts[:32], if_generation_match=0, retry=None)
whole.reload()
assert whole.size == 32000
assert whole.crc32c == crc(b"".join(p.download_as_bytes(checksum=None) for p in parts[:32]))
refused(exceptions.PreconditionFailed,
        lambda: whole.compose(parts[:2], if_generation_match=0, retry=None))
refused(exceptions.BadRequest,
        lambda: bucket.blob("j/many").compose(parts, retry=None))
names = [b.name for b in client.list_blobs("bucket", prefix="j/part", page_size=10)]
assert names == sorted(p.name for p in parts), names
refused(exceptions.PreconditionFailed, lambda: whole.delete(if_generation_match=5))
whole.delete(if_generation_match=whole.generation)
refused(exceptions.NotFound, lambda: whole.reload())
for blob in client.list_blobs("bucket", prefix="j/"):
    blob.delete()
