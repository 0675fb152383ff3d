"""The least that syncd needs on Google Cloud: `check` prints it when a right is missing; it is deploy/policies/gcs.txt."""

POLICY = """\
Role for the identity that runs syncd: “Storage Object User”, on the bucket only. Of it syncd uses
storage.objects.create, delete, get and list; a role of your own with these four does as well.

    gcloud storage buckets add-iam-policy-binding gs://{bucket} \\
      --member=serviceAccount:ACCOUNT@PROJECT.iam.gserviceaccount.com --role=roles/storage.objectUser

To hold it to the prefix, add this condition (listing is a right on the bucket, and stays):

      --condition='title=syncd,expression=resource.type == "storage.googleapis.com/Bucket" ||
        resource.name.startsWith("projects/_/buckets/{bucket}/objects/{prefix}")'

With kms_key, the bucket's service agent also needs roles/cloudkms.cryptoKeyEncrypterDecrypter on that key.
"""


def policy(bucket: str, prefix: str) -> str:
    """The policy for one bucket and prefix."""
    return POLICY.format(bucket=bucket, prefix=f"{prefix}/" if prefix else "")
