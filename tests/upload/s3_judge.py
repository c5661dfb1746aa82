"""boto3 reads argv[2] from the bucket "bucket" at argv[1]: size argv[3], MD5 argv[4] in hex, and no
multipart upload is left there."""

import hashlib
import sys

import boto3

client = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1",
                      config=boto3.session.Config(s3={"addressing_style": "path"}))
data = client.get_object(Bucket="bucket", Key=sys.argv[2])["Body"].read()
assert len(data) == int(sys.argv[3]), "size"
assert hashlib.md5(data).hexdigest() == sys.argv[4], "MD5"
left = client.list_multipart_uploads(Bucket="bucket").get("Uploads", [])
assert not left, left
