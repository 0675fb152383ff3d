"""The least that syncd needs on Azure: `check` prints it when a right is missing; it is deploy/policies/azure.txt."""

POLICY = """\
Role for the identity that runs syncd: “Storage Blob Data Contributor”, on the container only.

    az role assignment create --role "Storage Blob Data Contributor" --assignee IDENTITY \\
      --scope /subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/{account}\\
/blobServices/default/containers/{container}

To hold it to the prefix, add this condition (--condition, with --condition-version 2.0):

    (
      !(ActionMatches{{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'}}
        AND NOT SubOperationMatches{{'Blob.List'}})
      AND !(ActionMatches{{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'}})
      AND !(ActionMatches{{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete'}})
    ) OR (
      @Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs:path] StringLike '{prefix}*'
    )

Or a SAS token for the container with read, add, create, write, delete and list:

    az storage container generate-sas --account-name {account} --name {container} --permissions racwdl \\
      --expiry 2030-01-01T00:00Z --https-only
"""


def policy(account: str, container: str, prefix: str) -> str:
    """The policy for one container and prefix."""
    return POLICY.format(account=account, container=container, prefix=f"{prefix}/" if prefix else "")
