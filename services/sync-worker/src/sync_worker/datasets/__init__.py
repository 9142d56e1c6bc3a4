"""What was fetched: versions, chunks and parts, written only under the client's fence."""
