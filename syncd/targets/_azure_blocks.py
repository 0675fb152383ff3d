"""Blobs written through Azure's SDK: whole ones where `obstore` lacks an option, and blobs put together from blocks.

A block's id is made of its piece's id and digest: a changed piece is another block, so a committed one is never
in doubt.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, BlobClient, BlobProperties, BlockState, ContentSettings, StandardBlobTier

from syncd.targets import Object, Piece


@dataclass(frozen=True, slots=True)
class Extras:
    """What the account wants with every write: an encryption scope and an access tier, or the container's own."""

    encryption_scope: str | None
    tier: str | None

    def as_options(self) -> dict[str, Any]:
        tier = StandardBlobTier(self.tier) if self.tier else None
        options = {"encryption_scope": self.encryption_scope, "standard_blob_tier": tier}
        return {name: value for name, value in options.items() if value}


def put_whole(blob: BlobClient, one: Object, metadata: Mapping[str, str], extras: Extras) -> str:
    """Write one blob, its MD5 travelling with it; the new etag as Azure prints it."""
    told: dict[str, Any] = blob.upload_blob(
        one.body,
        overwrite=not one.if_absent,
        metadata=dict(metadata),
        content_settings=ContentSettings(content_type=one.content_type),
        validate_content=True,
        **(only_if(one.if_match) if one.if_match else {}),
        **extras.as_options(),
    )
    return str(told["etag"])


def splice_blocks(blob: BlobClient, pieces: Sequence[Piece], content_type: str, extras: Extras) -> str | None:
    """Commit the pieces in order and give the new etag; None when one without a body is not among the committed blocks.

    Only blocks that the blob does not have yet are sent. Raises the SDK's error when another writer was quicker.
    """
    seen, committed = _committed(blob)
    order: list[BlobBlock] = []
    for piece in pieces:
        name = _block_id(piece)
        if committed.get(name) == piece.length:
            order.append(BlobBlock(name, BlockState.COMMITTED))
        elif piece.body is None:
            return None
        else:
            blob.stage_block(name, piece.body, validate_content=True, encryption_scope=extras.encryption_scope)
            order.append(BlobBlock(name, BlockState.UNCOMMITTED))
    told: dict[str, Any] = blob.commit_block_list(
        order,
        content_settings=ContentSettings(content_type=content_type),
        **(only_if(seen.etag) if seen else {"match_condition": MatchConditions.IfMissing}),
        **extras.as_options(),
    )
    return str(told["etag"])


def only_if(etag: str) -> dict[str, Any]:
    """The SDK's words for If-Match."""
    return {"etag": f'"{etag.strip(chr(34))}"', "match_condition": MatchConditions.IfNotModified}


def _committed(blob: BlobClient) -> tuple[BlobProperties | None, dict[str, int]]:
    """The blob as it is and its committed blocks: id → bytes. They are read after the etag that guards the commit."""
    try:
        seen = blob.get_blob_properties()
        committed, _ = blob.get_block_list("committed")
    except ResourceNotFoundError as error:
        if getattr(error, "error_code", None) != "BlobNotFound":
            raise
        return None, {}
    return seen, {block.id: block.size for block in committed}


def _block_id(piece: Piece) -> str:
    return hashlib.sha256(f"{piece.id}\n{piece.digest}".encode()).hexdigest()[:40]
