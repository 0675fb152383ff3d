"""The least that syncd needs on S3: `check` prints it when a right is missing; it is
deploy/policies/aws.json.
"""

_POLICY = """\
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ListThePrefix",
      "Effect": "Allow",
      "Action": "s3:ListBucket",
      "Resource": "arn:aws:s3:::BUCKET",
      "Condition": {"StringLike": {"s3:prefix": "PREFIX/*"}}
    },
    {
      "Sid": "SeeAbandonedUploadsAndWhatTheBucketKeeps",
      "Effect": "Allow",
      "Action": ["s3:ListBucketMultipartUploads", "s3:GetBucketVersioning", "s3:GetLifecycleConfiguration"],
      "Resource": "arn:aws:s3:::BUCKET"
    },
    {
      "Sid": "KeepItsObjects",
      "Effect": "Allow",
      "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
      "Resource": "arn:aws:s3:::BUCKET/PREFIX/*"
    }
  ]
}
"""


def policy(bucket: str, prefix: str) -> str:
    """The policy for one bucket and prefix, as JSON."""
    told = _POLICY if prefix else _POLICY.replace("PREFIX/", "")
    return told.replace("BUCKET", bucket).replace("PREFIX", prefix)
