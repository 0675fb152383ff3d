"""Projects as Label Studio's export API gives them: one file or a zip of several, and snapshots that stay.

What a mirror holds is streamed from the ledger as fast as it can be read; the rest is rendered from the source first. The HTTP
side is `syncd.web.exports` and `syncd.web.snapshots`.
"""
